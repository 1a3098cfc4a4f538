//! `towline-gui`: the window.

mod stop;

use std::process::ExitCode;

use eframe::{CreationContext, NativeOptions, Renderer};
use towline::{ApiKey, Engine, EngineConfig, NetworkVariables};
use towline_app::settings::{self, Config, Remember, folders};
use towline_gui::desktop;
use towline_gui::relay::Place;
use towline_gui::server::{self, Named, Seek};
use towline_gui::store::State;
use towline_gui::window::{Setup, Target, Window};

use stop::Stop;

const HELP: &str = "\
Chats with language models, several at once, in a window.

Usage: towline-gui [--host HOST]

  --host HOST    the server: 127.0.0.1:11434, https://ollama.example, unix:/run/x.sock
                 default: OLLAMA_HOST, else `host` of the configuration, else Ollama on this machine, else the
                 built-in model
  --version      print the version
  --help         print this

Exit status: 0 when the window was closed, 1 when it cannot be opened, 2 for wrong use; 130 and 143 when Ctrl-C or SIGTERM
closed it, which saves what closing it saves. A second one ends it at once.
";

/// The window inside of the desktop's event loop.
struct App {
    window: Window,
    stop: Stop,
}

impl eframe::App for App {
    fn logic(&mut self, context: &egui::Context, _frame: &mut eframe::Frame) {
        if self.stop.signal().is_some() {
            context.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        self.window.look();
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.window.draw(ui);
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program's own words, before there is a window"
)]
fn main() -> ExitCode {
    let mut host = variable("OLLAMA_HOST");
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
            "--host" => match arguments.next() {
                Some(text) => host = Some(text),
                None => {
                    eprintln!("error: --host needs a server, for example 127.0.0.1:11434");
                    return ExitCode::from(2);
                }
            },
            other => {
                eprintln!("error: there is no argument {other:?}; --help lists them");
                return ExitCode::from(2);
            }
        }
    }
    let api_key = variable("OLLAMA_API_KEY").map(ApiKey::new);
    let token = variable("TOWLINE_RELAY_TOKEN").map(ApiKey::new);
    let (config, warnings) = settings::path(std::env::var_os("TOWLINE_CONFIG"))
        .map(|path| settings::read(&path))
        .unwrap_or_default();
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let runtime = folders::runtime();
    let network = NetworkVariables::read(variable);
    let named_relay = variable("TOWLINE_RELAY");
    let relay =
        Place::find(named_relay.as_deref(), token, runtime.as_deref(), network.clone(), server::beside());
    let relay = match relay {
        Ok(relay) => Some(relay),
        Err(why) => {
            // A window without a relay is a window all the same.
            eprintln!("warning: {why}");
            None
        }
    };
    let stop = Stop::default();
    let named = host.or_else(|| config.host.clone()).map(|host| Named { host, api_key });
    match run(&config, Seek { named, network, program: None, relay }, stop.clone()) {
        Ok(()) => stop.signal().map_or(ExitCode::SUCCESS, stop::exit),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.to_string_lossy().trim().to_owned();
    (!value.is_empty()).then_some(value)
}

fn run(config: &Config, seek: Seek, stop: Stop) -> Result<(), String> {
    let folder = folders::data();
    let history = (config.history != Remember::Nothing).then_some(config.history_limits);
    let state = folder.as_deref().map(|folder| State::read(&State::path(folder))).unwrap_or_default();
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Towline")
        .with_app_id("towline")
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
        let setup = Setup { engine, target: Target::Seek(Box::new(seek)), folder, history, state, desktop };
        let window = Window::new(&creation.egui_ctx, setup)?;
        stop.watch(&creation.egui_ctx)?;
        Ok(Box::new(App { window, stop }) as Box<dyn eframe::App>)
    };
    eframe::run_native("towline", options, Box::new(make)).map_err(|error| {
        format!("the window cannot be opened: {error}. It needs a display (X11 or Wayland) and OpenGL")
    })
}
