//! Fetches a model in the background and draws its progress, layer by layer.
//!
//! `cargo run --example pull_with_progress [HOST [MODEL]]`
#![expect(clippy::print_stdout, reason = "an example talks to people")]

mod shared;

use towline::api::PullRequest;
use towline::engine::{EngineConfig, StartAt};
use towline::event::Progress;
use towline::{Engine, Event};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = shared::setting(&["slow:200:20"])?;
    let engine = Engine::start(EngineConfig::default())?;
    let request = PullRequest { model: setting.models[0].clone(), ..PullRequest::default() };
    let job = engine.pull(&setting.client, request);

    // However slowly this draws, it never falls behind: of each layer the last progress is what counts.
    let mut reader = job.reader(StartAt::Beginning);
    while let Some(batch) = reader.read()? {
        for event in batch.events {
            if let Event::Progress(progress) = event {
                println!("{}", line(&progress));
            }
        }
    }
    // A pull that was stopped continues where it was: `job.retry()`.
    println!("{}: {}", job.name(), job.state());
    Ok(())
}

fn line(progress: &Progress) -> String {
    let (Some(completed), Some(total @ 1..)) = (progress.completed, progress.total) else {
        return progress.status.clone();
    };
    let percent = completed * 100 / total;
    let bar: String = (0..50).map(|n| if n * 2 < percent { '#' } else { '.' }).collect();
    format!("{} [{bar}] {percent}%", progress.status)
}
