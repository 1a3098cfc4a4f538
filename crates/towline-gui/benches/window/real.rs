//! The real window on a display without a screen, drawn by software: how late clicks and wakes from outside arrive.
//!
//! The display's name is part of a process's surroundings, so the window runs in a child process of this program's.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eframe::{CreationContext, NativeOptions, Renderer};
use egui::{Area, Context, Id, Pos2, ViewportBuilder, ViewportCommand, vec2};
use towline_gui::window::Window;
use towline_testkit::paced::PacedServer;

use crate::figures::{Times, thread_cpu_time};
use crate::live::ask_all;
use crate::screen::setup;
use crate::x11::Pointer;

/// The child's first argument.
pub(crate) const CHILD: &str = "the-real-window";
const WIDTH: u16 = 1_280;
const HEIGHT: u16 = 800;
/// Where the button is whose handler notes when it runs, in points.
const BUTTON: Pos2 = Pos2::new(8.0, 400.0);
/// Its middle, in pixels.
const MIDDLE: [i16; 2] = [48, 412];
const SETTLED: Duration = Duration::from_secs(3);
const CLICKS: u64 = 150;
const WATCHED: Duration = Duration::from_secs(15);
/// Between two wakes of the watchdog.
const WAKE: Duration = Duration::from_millis(20);

/// Starts a display and the window on it; says so and continues where there is none.
pub(crate) fn all() {
    println!(
        "64 answers at 200 tokens a second, 16 visible, in a real window ({WIDTH} × {HEIGHT}, Xvfb, software GL)"
    );
    let (mut display, number) = match display() {
        Ok(found) => found,
        Err(why) => {
            println!("  skipped: Xvfb cannot be started ({why}); on Debian it is in the package xvfb\n");
            return;
        }
    };
    let program = std::env::current_exe().expect("a program has a path");
    let window = Command::new(program)
        .args([CHILD, &number.to_string()])
        .env("DISPLAY", format!(":{number}"))
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("XAUTHORITY")
        .status();
    display.kill().expect("the display was running");
    display.wait().expect("it has ended");
    match window {
        Ok(status) if status.success() => println!(),
        Ok(status) => println!("  no figures: the window ended with {status}\n"),
        Err(why) => println!("  no figures: the window cannot be started: {why}\n"),
    }
}

fn display() -> std::io::Result<(Child, u32)> {
    let size = format!("{WIDTH}x{HEIGHT}x24");
    let mut display = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", &size, "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut number = String::new();
    if let Some(said) = display.stdout.take() {
        BufReader::new(said).read_line(&mut number)?;
    }
    let number = number.trim().parse().map_err(|_| std::io::Error::other("it names no display"));
    Ok((display, number?))
}

/// What is waited for, and how long it took so far.
#[derive(Debug, Default)]
struct Watch {
    /// When the last one set out, until it arrives.
    sent: Option<Instant>,
    times: Times,
    lost: usize,
}

type Shared = Arc<Mutex<Watch>>;

fn send(watch: &Shared, at: Instant) {
    watch.lock().unwrap_or_else(PoisonError::into_inner).sent = Some(at);
}

fn arrived(watch: &Shared) {
    let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sent) = watch.sent.take() {
        watch.times.push(sent.elapsed());
    }
}

struct App {
    window: Window,
    clicks: Shared,
    wakes: Shared,
    frames: Times,
    _server: PacedServer,
    _folder: tempfile::TempDir,
}

impl eframe::App for App {
    fn logic(&mut self, _context: &Context, _frame: &mut eframe::Frame) {
        arrived(&self.wakes);
        self.window.update();
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let before = thread_cpu_time();
        self.window.draw(ui);
        let area = Area::new(Id::unique("measured")).fixed_pos(BUTTON);
        let button = egui::Button::new("a click").min_size(vec2(80.0, 24.0));
        if area.show(ui.ctx(), |ui| ui.add(button)).inner.clicked() {
            arrived(&self.clicks);
        }
        self.frames.push(thread_cpu_time() - before);
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        print("  from a click to its handler", &self.clicks, "p50 ≤ 33, p99 ≤ 100 ms");
        print("  from a wake to the look at what is new", &self.wakes, "max < 100 ms");
        self.frames.print("  processor time of a frame, until it is handed on", "");
    }
}

fn print(what: &str, watch: &Shared, target: &str) {
    let watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    watch.times.print(what, target);
    println!("  … {} of them; {} never arrived", watch.times.len(), watch.lost);
}

/// The child: the window, until everything is measured.
pub(crate) fn child(display: u32) {
    let viewport = ViewportBuilder::default()
        .with_inner_size([f32::from(WIDTH), f32::from(HEIGHT)])
        .with_position([0.0, 0.0]);
    let options = NativeOptions { viewport, renderer: Renderer::Glow, ..NativeOptions::default() };
    let make = move |creation: &CreationContext<'_>| {
        let server = PacedServer::start();
        let folder = tempfile::tempdir()?;
        let context = &creation.egui_ctx;
        let mut window = Window::new(context, setup(&server.url(), folder.path()))?;
        ask_all(&mut window);
        let (clicks, wakes) = (Shared::default(), Shared::default());
        let (pointer, shared, context) =
            (Pointer::connect(display)?, (clicks.clone(), wakes.clone()), context.clone());
        std::thread::spawn(move || measure(pointer, &shared.0, &shared.1, &context));
        let frames = Times::default();
        Ok(Box::new(App { window, clicks, wakes, frames, _server: server, _folder: folder })
            as Box<dyn eframe::App>)
    };
    if let Err(error) = eframe::run_native("towline-bench", options, Box::new(make)) {
        println!("  no figures: the window cannot be opened: {error}");
    }
}

/// Clicks, then wakes, then closes the window.
fn measure(mut pointer: Pointer, clicks: &Shared, wakes: &Shared, context: &Context) {
    std::thread::sleep(SETTLED);
    let [x, y] = MIDDLE;
    for number in 0..CLICKS {
        pointer.press(x, y).expect("the display is there");
        send(clicks, Instant::now());
        pointer.release().expect("the display is there");
        // So that clicks come at every moment of a frame.
        wait(clicks, Duration::from_millis(90 + number * 37 % 40));
    }
    let end = Instant::now() + WATCHED;
    while Instant::now() < end {
        send(wakes, Instant::now());
        context.request_repaint();
        wait(wakes, WAKE);
    }
    context.send_viewport_cmd(ViewportCommand::Close);
    context.request_repaint();
}

/// Sleeps, and then until what was sent has arrived; for two seconds at most.
fn wait(watch: &Shared, time: Duration) {
    std::thread::sleep(time);
    let end = Instant::now() + Duration::from_secs(2);
    loop {
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.sent.is_none() {
            return;
        }
        if Instant::now() >= end {
            watch.sent = None;
            watch.lost += 1;
            return;
        }
        drop(watch);
        std::thread::sleep(Duration::from_millis(1));
    }
}
