//! What the window costs: `cargo bench -p towline-gui-tests`. No display is needed.
//!
//! Every frame is the whole of what the window's thread does for one (look, draw, tessellate), in CPU time of that
//! thread, which other work on the machine hardly changes. The streams are real: a scripted server, sockets, the engine.
//! `SECONDS=60` makes the runs longer.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures for people")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use towline::{Client, Engine, EngineConfig};
use towline_gui::command::Command;
use towline_gui::store::State;
use towline_gui::window::{Desktop, Setup, Target, Window};
use towline_testkit::{Body, Framing, Pace, Plan, Script, Server, Step, http, records::ollama};

const FRAME: Duration = Duration::from_micros(16_667);

/// What every stream says, a word a record.
const PARAGRAPH: &str = "## A section\n\nThe *river* goes from its **source** to the sea, as `flow(x)` says, and on the way it takes \
in brooks and streams of many kinds.\n\n- one item of a list\n- another item with a [link](https://example.org)\n\n\
```rust\nfn flow(x: f64) -> f64 {\n    // downhill\n    x * 0.98\n}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n";

fn words(count: usize) -> Vec<String> {
    PARAGRAPH.split_inclusive(' ').cycle().take(count).map(str::to_owned).collect()
}

fn paced(words: &[String], per_second: f64) -> Plan {
    let mut lines: Vec<Vec<u8>> = words.iter().map(|word| http::line(ollama::chat_text(word))).collect();
    lines.push(http::line(ollama::chat_done("stop", 1)));
    let pieces: Arc<[Vec<u8>]> = lines.into();
    Plan::by_request(move |request| {
        if request.path() != "/api/chat" {
            return Script::error(404, "only chat");
        }
        let pace = Pace::per_second(per_second);
        let send = Step::Pieces { pieces: Arc::clone(&pieces), framing: Framing::Chunked, pace };
        Script::request().head(200, http::NDJSON, Body::Chunked).step(send).end_chunks()
    })
}

struct Bench {
    window: Window,
    context: egui::Context,
    _server: Server,
    asked: Arc<Mutex<Option<Instant>>>,
    asks: Arc<AtomicU64>,
    begin: Instant,
    frames: Vec<Duration>,
}

impl Bench {
    fn new(plan: impl Into<Plan>) -> Self {
        let server = Server::start(plan);
        let context = egui::Context::default();
        context.enable_accesskit();
        let (asked, asks) = (Arc::new(Mutex::new(None)), Arc::new(AtomicU64::new(0)));
        let (note, count) = (Arc::clone(&asked), Arc::clone(&asks));
        context.set_request_repaint_callback(move |info| {
            count.fetch_add(1, Ordering::Relaxed);
            let at = Instant::now() + info.delay;
            let mut next = note.lock().expect("no panic");
            *next = Some(next.map_or(at, |next: Instant| next.min(at)));
        });
        let setup = Setup {
            engine: Engine::start(EngineConfig::default()).expect("threads"),
            target: Target::Client(Client::new(&server.url()).expect("an address")),
            folder: None,
            state: State { model: "m0".into(), notifies: false, ..State::default() },
            desktop: Desktop { files: Arc::new(|_| Vec::new()), notify: Arc::new(|_, _| {}) },
        };
        let window = Window::new(&context, setup).expect("threads");
        let mut bench =
            Self { window, context, _server: server, asked, asks, begin: Instant::now(), frames: Vec::new() };
        bench.frame();
        bench
    }

    /// One frame; its CPU time.
    fn frame(&mut self) -> Duration {
        *self.asked.lock().expect("no panic") = None;
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1_280.0, 800.0))),
            time: Some(self.begin.elapsed().as_secs_f64()),
            focused: true,
            ..egui::RawInput::default()
        };
        let start = cpu();
        self.window.look();
        let window = &mut self.window;
        let mut output = self.context.run_ui(input, |ui| window.draw(ui));
        let shapes = std::mem::take(&mut output.shapes);
        let triangles = self.context.tessellate(shapes, output.pixels_per_point);
        let time = cpu().saturating_sub(start);
        std::hint::black_box(triangles);
        output.textures_delta.clear();
        self.frames.push(time);
        time
    }

    /// Draws as a desktop does, when asked and at most 60 times a second, while something is so.
    fn run(&mut self, goes_on: impl Fn(&Window, Instant) -> bool) {
        let start = Instant::now();
        let mut last = start;
        while goes_on(&self.window, start) {
            let wanted = *self.asked.lock().expect("no panic");
            let now = Instant::now();
            match wanted {
                Some(at) if at <= now && now >= last + FRAME => {
                    last = now;
                    self.frame();
                }
                _ => std::thread::park_timeout(Duration::from_micros(500)),
            }
        }
    }

    fn ask(&mut self, models: usize) {
        self.window.act(Command::NewChat);
        for model in 1..models {
            self.window.act(Command::Compare(format!("m{model}"), true));
        }
        self.window.act(Command::Draft("Tell me about rivers.".into()));
        self.window.act(Command::Send);
    }

    fn is_busy(window: &Window) -> bool {
        window.chats.iter().any(|chat| !chat.live.is_empty())
    }
}

fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

fn figures(times: &[Duration]) -> (f64, f64, f64) {
    let mut histogram = Histogram::<u64>::new(3).expect("three digits");
    for time in times {
        histogram.record(time.as_nanos() as u64).expect("a time of this decade");
    }
    let ms = |value: u64| value as f64 / 1e6;
    (ms(histogram.value_at_quantile(0.5)), ms(histogram.value_at_quantile(0.99)), ms(histogram.max()))
}

fn report(name: &str, times: &[Duration]) {
    let (half, most, worst) = figures(times);
    println!("{name}: p50 {half:.2} ms, p99 {most:.2} ms, max {worst:.2} ms ({} frames)", times.len());
}

/// 64 streams at 200 words a second, so many of them on screen.
fn streams(visible: usize, seconds: u64) {
    let text = words(200 * seconds as usize);
    let mut bench = Bench::new(paced(&text, 200.0));
    for _ in 0..64 / visible {
        bench.ask(visible);
    }
    bench.frames.clear();
    let (looks, wakes) = count(&bench);
    bench.run(|window, _| Bench::is_busy(window));
    let (looks, wakes) = (count(&bench).0 - looks, count(&bench).1 - wakes);
    report(&format!("G1/G2: 64 x 200/s, {visible} visible, {seconds} s"), &bench.frames);
    println!("G10: {:.2} wakes a frame ({wakes} wakes, {looks} frames)", wakes as f64 / looks as f64);
    let whole: String = text.concat();
    let answers = bench.window.chats.iter().flat_map(|chat| chat.answers.values());
    let (mut right, mut wrong) = (0, 0);
    for answer in answers {
        if answer.text.text() == whole { right += 1 } else { wrong += 1 }
    }
    println!(
        "G4: {right} transcripts whole and in order, {wrong} not; {} words",
        text.len() * (right + wrong)
    );
    let asks = bench.asks.load(Ordering::Relaxed);
    let frames = bench.frames.len();
    // What is left to say: notices that go by themselves.
    bench.run(|_, start| start.elapsed() < Duration::from_secs(1));
    let settled = (bench.asks.load(Ordering::Relaxed), bench.frames.len());
    bench.run(|_, start| start.elapsed() < Duration::from_secs(4));
    let idle = (bench.asks.load(Ordering::Relaxed) - settled.0, bench.frames.len() - settled.1);
    println!(
        "G9: {} repaints asked for and {} frames in 4 idle seconds (after {asks} and {frames})",
        idle.0, idle.1
    );
}

fn count(bench: &Bench) -> (u64, u64) {
    let counts = &bench.window.counts;
    (counts.looks.load(Ordering::Relaxed), counts.wakes.load(Ordering::Relaxed))
}

/// One answer of the length of 600 s at 200 words a second, in a tenth of the time.
fn long_answer() {
    let text = words(120_000);
    let mut bench = Bench::new(paced(&text, 4_000.0));
    bench.ask(1);
    bench.frames.clear();
    bench.run(|window, _| Bench::is_busy(window));
    let tenth = bench.frames.len() / 10;
    let first = figures(&bench.frames[..tenth]).0;
    let last = figures(&bench.frames[bench.frames.len() - tenth..]).0;
    report(&format!("G3: one answer of {} kB", text.concat().len() / 1_000), &bench.frames);
    println!("G3: p50 of the first tenth {first:.2} ms, of the last {last:.2} ms, ratio {:.2}", last / first);
}

/// From the click on Stop to "cancelled" in a frame, under load.
fn stop(rounds: usize) {
    let text = words(200 * 600);
    let mut bench = Bench::new(paced(&text, 200.0));
    for _ in 0..4 {
        bench.ask(16);
    }
    bench.run(|_, start| start.elapsed() < Duration::from_secs(2));
    let mut times = Vec::new();
    for _ in 0..rounds {
        let chat = bench.window.chats.iter().find(|chat| !chat.live.is_empty());
        let Some((key, turn)) = chat.and_then(|chat| Some((chat.key, chat.live.first()?.turn))) else {
            break;
        };
        bench.window.act(Command::Open(key));
        bench.frame();
        let start = Instant::now();
        bench.window.act(Command::Stop(turn));
        bench.run(|window, _| window.chat().is_some_and(|chat| chat.live(turn).is_some()));
        times.push(start.elapsed());
    }
    report("G6: Stop to cancelled on screen, wall time, 64 x 200/s", &times);
    bench.window.engine.jobs().iter().for_each(|job| job.cancel("the end"));
}

/// Answers that are made to hurt: no frame takes long.
fn hostile() {
    let answers = [
        ("a line of 1 MB", "x".repeat(1 << 20)),
        ("100,000 levels of lists", "- ".repeat(100_000)),
        ("100,000 levels of quotes", "> ".repeat(100_000)),
        ("a fence without end, 1 MB", format!("```rust\n{}", "let x = \"y\"; // z\n".repeat(58_000))),
        ("a table without end, 1 MB", format!("| a | b |\n|---|---|\n{}", "| 1 | 2 |\n".repeat(100_000))),
        ("200,000 brackets", "[".repeat(200_000)),
        ("bidi controls, 300 kB", "a\u{202e}b\u{2066}".repeat(40_000)),
    ];
    for (name, answer) in answers {
        let mut bench = Bench::new(paced(&[answer], 1_000.0));
        // Fonts and the first frames have their own cost, once.
        for _ in 0..5 {
            bench.frame();
        }
        bench.ask(1);
        bench.frames.clear();
        bench.run(|window, _| Bench::is_busy(window));
        for _ in 0..20 {
            bench.frame();
        }
        report(&format!("hostile: {name}"), &bench.frames);
    }
}

fn main() {
    let seconds = std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    hostile();
    streams(16, seconds);
    streams(4, seconds);
    long_answer();
    stop(40);
}
