//! A plain event loop, woken through a descriptor, that draws 64 streams at 60 frames a second and sleeps in between.
//!
//! `cargo run --example window_loop [HOST [MODEL]]`
#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod shared;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use towline::engine::{EngineConfig, Reader, StartAt};
use towline::{ChatRequest, Engine, Event};

const STREAMS: usize = 64;
const FRAME: Duration = Duration::from_micros(16_667);

/// What a window shows of one stream.
struct Pane {
    reader: Reader,
    text: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = shared::setting(&["slow:200:100"])?;
    let engine = Engine::start(EngineConfig::default())?;
    let mut panes = HashMap::new();
    for n in 0..STREAMS {
        let request = ChatRequest::new(&setting.models[0]).user(format!("Write text number {n}."));
        let job = engine.chat(&setting.client, request);
        panes.insert(job.id(), Pane { reader: job.reader(StartAt::Beginning), text: String::new() });
    }

    let (mut frames, mut wakes, mut longest) = (0, 0, Duration::ZERO);
    let mut next_frame = Instant::now();
    while panes.values().any(|pane| !pane.reader.is_ended()) {
        // A window would watch its input here too. An engine with nothing new wakes nobody.
        wait_until_readable(&engine)?;
        wakes += 1;
        // However many tokens came, one frame draws them all.
        std::thread::sleep(next_frame.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        next_frame = begun + FRAME;
        draw(&engine, &mut panes);
        longest = longest.max(begun.elapsed());
        frames += 1;
    }
    let characters: usize = panes.values().map(|pane| pane.text.len()).sum();
    println!("{STREAMS} streams ended with {characters} characters");
    println!("{wakes} wake-ups, {frames} frames, the longest took {longest:?}");
    Ok(())
}

/// Takes over what is new. `changes` also makes the descriptor quiet again.
fn draw(engine: &Engine, panes: &mut HashMap<towline::engine::JobId, Pane>) {
    for job in engine.changes().jobs {
        let Some(pane) = panes.get_mut(&job.id) else { continue };
        while let Some(batch) = pane.reader.try_read() {
            for event in batch.events {
                if let Event::Text(text) = event {
                    pane.text.push_str(&text);
                }
            }
        }
    }
}

fn wait_until_readable(engine: &Engine) -> Result<(), Box<dyn std::error::Error>> {
    let descriptor = engine.fd()?;
    let a_while = Timespec { tv_sec: 60, tv_nsec: 0 };
    match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&a_while)) {
        Ok(0) => Err("nothing happened for a minute".into()),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
