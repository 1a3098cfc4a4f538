//! In real time: tokens that wake the window, a window that idles, and Stop.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use egui::vec2;
use towline_gui::command::Command;
use towline_gui::window::Window;
use towline_testkit::paced::PacedServer;

use crate::event_loop::EventLoop;
use crate::figures::{Times, process_cpu_time, thread_cpu_time};
use crate::screen::{Screen, ask, click};

const CHATS: usize = 4;
const VISIBLE: usize = 16;

/// Asks for 64 answers at 200 tokens a second, 16 of them visible.
pub(crate) fn ask_all(window: &mut Window) {
    for chat in 0..CHATS {
        // A rate a little apart gives every model a name of its own.
        let names: Vec<String> =
            (0..VISIBLE).map(|model| format!("paced:200.{chat}{model:02}:1000000")).collect();
        ask(window, &names, "Go.");
    }
}

/// 64 answers at 200 tokens a second, 16 of them visible.
fn start(server: &PacedServer) -> (Screen, EventLoop) {
    let mut screen = Screen::new(&server.url(), vec2(1_600.0, 1_000.0));
    ask_all(&mut screen.window);
    let event_loop = EventLoop::new(&screen.context);
    screen.frame(Vec::new());
    (screen, event_loop)
}

/// Wakes and frames while tokens come.
pub(crate) fn tokens() {
    println!("64 answers at 200 tokens a second, 16 visible, 15 s in real time");
    let server = PacedServer::start();
    let (mut screen, event_loop) = start(&server);
    let mut times = Times::default();
    let end = Instant::now() + Duration::from_secs(15);
    while event_loop.wait(end) {
        let before = thread_cpu_time();
        screen.frame(Vec::new());
        times.push(thread_cpu_time() - before);
    }
    let counts = &screen.window.counts;
    let [wakes, frames] = [&counts.wakes, &counts.frames].map(|count| count.load(Ordering::Relaxed));
    let tokens: u64 =
        screen.window.chats.iter().flat_map(|chat| &chat.live).map(|live| live.job.info().tokens).sum();
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let ratio = wakes as f64 / frames as f64;
    println!("  {tokens} tokens, {wakes} wakes, {frames} frames: {ratio:.2} wakes a frame (target ≤ 1.2)");
    times.print("  processor time of a frame", "p99 ≤ 8.3 ms");
    println!();
}

/// Nothing comes, nobody does anything.
pub(crate) fn idle() {
    println!("a window with a finished answer, 10 s without input");
    let server = PacedServer::start();
    let mut screen = Screen::new(&server.url(), vec2(1_280.0, 800.0));
    let event_loop = EventLoop::new(&screen.context);
    // The first frame is nobody's wish: every window has one.
    screen.frame(Vec::new());
    screen.ask(&["flat:500".to_owned()], "Go.");
    // Until everything has settled: notices gone, the disk quiet.
    let settled = Instant::now() + Duration::from_secs(3);
    while event_loop.wait(settled) {
        screen.frame(Vec::new());
    }
    assert!(screen.chat().live.is_empty(), "the answer has ended");
    let (before, mut frames) = (process_cpu_time(), 0);
    let end = Instant::now() + Duration::from_secs(10);
    while event_loop.wait(end) {
        screen.frame(Vec::new());
        frames += 1;
    }
    let time = process_cpu_time() - before;
    println!("  {frames} frames (target 0), {time:.2?} of processor time in all threads (target 0)\n");
}

/// From a click on Stop to a frame that shows it.
pub(crate) fn stop() {
    println!(
        "64 answers at 200 tokens a second, 16 visible: from a click on Stop to the frame that shows it"
    );
    let server = PacedServer::start();
    let mut times = Times::default();
    for _ in 0..3 {
        let (mut screen, event_loop) = start(&server);
        let keys: Vec<_> = screen.window.chats.iter().map(|chat| chat.key).collect();
        for key in keys {
            screen.window.act(Command::Open(key));
            run(&mut screen, &event_loop, Duration::from_secs(1));
            while let Some(button) = screen.find(|words| words == "Stop answer").first().copied() {
                times.push(stop_one(&mut screen, &event_loop, button));
                run(&mut screen, &event_loop, Duration::from_millis(50));
            }
        }
    }
    println!("  {} answers stopped", times.len());
    times.print("  from the click to a frame that says cancelled", "p99 ≤ 100 ms");
    println!();
}

fn run(screen: &mut Screen, event_loop: &EventLoop, time: Duration) {
    let end = Instant::now() + time;
    while event_loop.wait(end) {
        screen.frame(Vec::new());
    }
}

fn stop_one(screen: &mut Screen, event_loop: &EventLoop, button: egui::Rect) -> Duration {
    let shown = |screen: &Screen| screen.find(|words| words == "cancelled").len();
    let before = shown(screen);
    let [press, release] = click(button.center());
    screen.frame(press);
    let clicked = Instant::now();
    screen.frame(release);
    while shown(screen) == before {
        assert!(event_loop.wait(clicked + Duration::from_secs(30)), "the answer is never shown as cancelled");
        screen.frame(Vec::new());
    }
    clicked.elapsed()
}
