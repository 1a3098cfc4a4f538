//! `towline-gui`: the window.

mod stop;

use std::process::ExitCode;

use eframe::{CreationContext, NativeOptions, Renderer};
use towline::{Engine, EngineConfig};
use towline_app::servers::{Environment, RunTarget, ServerSpec};
use towline_app::settings::{self, Config, Remember, folders, templates};
use towline_gui::desktop;
use towline_gui::server::{self, ServerSearch};
use towline_gui::store::State;
use towline_gui::window::{Setup, Target, Window};

use stop::Stop;

const HELP: &str = "\
Chats with language models, several at once, in a window.

Usage: towline-gui [--host HOST] [--direct]

  --host HOST    the server: 127.0.0.1:11434, https://ollama.example, unix:/run/x.sock
                 default: OLLAMA_HOST, else `host` of the configuration, else Ollama on this machine, else the
                 built-in model
  --direct       run answers in the window: they end with it
                 default: they run on your own relay, or on the one that `relay` of the configuration or TOWLINE_RELAY names
  --version      print the version
  --help         print this

Exit status: 0 when the window was closed, 1 when it cannot be opened, 2 for a usage error; 130 and 143 when Ctrl-C or
SIGTERM closed it, which saves everything as its close button does. A second one ends it at once.
";

/// So much of a window's upper edge has to be on a screen to get hold of it, in pixels.
const HELD: (i64, i64) = (120, 40);

/// The window inside of the desktop's event loop.
struct App {
    window: Window,
    stop: Stop,
    /// The window was looked for on the screens.
    is_placed: bool,
}

impl eframe::App for App {
    fn logic(&mut self, context: &egui::Context, frame: &mut eframe::Frame) {
        if !std::mem::replace(&mut self.is_placed, true) {
            onto_a_screen(context, frame);
        }
        if self.stop.signal().is_some() {
            context.send_viewport_cmd(egui::ViewportCommand::Close);
        } else if context.input(|input| input.viewport().close_requested()) && !self.window.may_close() {
            context.send_viewport_cmd(egui::ViewportCommand::CancelClose);
        }
        self.window.update();
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.window.draw(ui);
    }
}

/// Left, top, right and bottom, in pixels.
type Edges = [i64; 4];

/// Moves a window that no screen shows, such as one that was closed on a screen that is gone, to where it can be seen.
fn onto_a_screen(context: &egui::Context, frame: &eframe::Frame) {
    let Some(window) = frame.winit_window() else { return };
    // Wayland says nothing of places, and takes none.
    let Ok(place) = window.outer_position() else { return };
    let edges = |left: i32, top: i32, width: u32, height: u32| -> Edges {
        let (left, top) = (i64::from(left), i64::from(top));
        [left, top, left + i64::from(width), top + i64::from(height)]
    };
    let screen = |(at, size): ((i32, i32), (u32, u32))| edges(at.0, at.1, size.0, size.1);
    let screens: Vec<Edges> = window
        .available_monitors()
        .map(|monitor| screen((monitor.position().into(), monitor.size().into())))
        .collect();
    let size = window.outer_size();
    let Some([left, top, ..]) = better_place(edges(place.x, place.y, size.width, size.height), &screens)
    else {
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "a place on a screen")]
    let at = egui::pos2(left as f32, top as f32) / context.pixels_per_point();
    context.send_viewport_cmd(egui::ViewportCommand::OuterPosition(at));
}

/// The screen that a window belongs on of which no screen shows enough to get hold of.
fn better_place(window: Edges, screens: &[Edges]) -> Option<Edges> {
    let is_held = |screen: &Edges| {
        let width = window[2].min(screen[2]) - window[0].max(screen[0]);
        width >= HELD.0 && window[1] >= screen[1] && window[1] + HELD.1 <= screen[3]
    };
    screens.first().copied().filter(|_| !screens.iter().any(is_held))
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program's own words, before there is a window"
)]
fn main() -> ExitCode {
    let (mut host, mut is_direct) = (None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            "--version" | "-V" => {
                println!("towline-gui {}", env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            "--direct" => is_direct = true,
            "--host" => match arguments.next() {
                Some(text) => host = Some(text),
                None => {
                    eprintln!("error: --host needs a server, for example 127.0.0.1:11434");
                    return ExitCode::from(2);
                }
            },
            other => {
                eprintln!("error: unknown argument {other:?}; --help lists the options");
                return ExitCode::from(2);
            }
        }
    }
    let (config, warnings) = settings::path(std::env::var_os("TOWLINE_CONFIG"))
        .map(|path| settings::read(&path))
        .unwrap_or_default();
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let environment = Environment {
        temporary: std::env::temp_dir(),
        program: Some(server::beside()),
        ..Environment::read(|name| std::env::var_os(name)).with(&config)
    };
    let wanted = match is_direct {
        true => RunTarget::Here,
        false => RunTarget::by_default(&config.relay, &environment, host.is_some()),
    };
    let configured = config.relay.clone();
    let sought = ServerSearch { spec: ServerSpec { host, server: None }, environment, wanted, configured };
    let stop = Stop::default();
    match run(&config, sought, stop.clone()) {
        Ok(()) => stop.signal().map_or(ExitCode::SUCCESS, stop::exit),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The window's icon; none is no reason not to open.
fn icon() -> egui::IconData {
    eframe::icon_data::from_png_bytes(include_bytes!("../icon.png")).unwrap_or_default()
}

fn run(config: &Config, sought: ServerSearch, stop: Stop) -> Result<(), String> {
    let folder = folders::data();
    let history = (config.history != Remember::Nothing).then_some(config.history_limits);
    let state = folder.as_deref().map(|folder| State::read(&State::path(folder))).unwrap_or_default();
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Towline")
        .with_app_id("towline")
        .with_icon(icon())
        .with_inner_size(state.size.unwrap_or([1_100.0, 760.0]))
        .with_min_inner_size([480.0, 320.0]);
    if let Some(place) = state.place {
        viewport = viewport.with_position(place);
    }
    // Another renderer that is compiled in for other reasons is not taken by accident.
    let options = NativeOptions { viewport, renderer: Renderer::Glow, ..NativeOptions::default() };
    let make = move |creation: &CreationContext<'_>| {
        let engine = Engine::start(EngineConfig::default())?;
        let desktop = desktop::real();
        let (target, templates) = (Target::Find(Box::new(sought)), templates::folder());
        let setup = Setup { engine, target, folder, history, state, desktop, templates };
        let window = Window::new(&creation.egui_ctx, setup)?;
        stop.watch(&creation.egui_ctx)?;
        Ok(Box::new(App { window, stop, is_placed: false }) as Box<dyn eframe::App>)
    };
    eframe::run_native("towline", options, Box::new(make)).map_err(|error| {
        format!("the window cannot be opened: {error}. It needs a display (X11 or Wayland) and OpenGL")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_no_screen_shows_gets_another_place() {
        let (one, two) = ([0, 0, 1_920, 1_080], [1_920, 0, 3_840, 1_080]);
        let window = [2_000, 100, 2_800, 700];
        assert_eq!(better_place(window, &[one, two]), None);
        assert_eq!(better_place(window, &[one]), Some(one), "the second screen is gone");
        assert_eq!(better_place([1_850, 100, 2_650, 700], &[one]), Some(one));
        assert_eq!(better_place([100, 1_060, 900, 1_600], &[one]), Some(one));
        assert_eq!(better_place([-300, 100, 500, 700], &[one]), None);
        assert_eq!(better_place(window, &[]), None, "nothing is known of screens");
    }
}
