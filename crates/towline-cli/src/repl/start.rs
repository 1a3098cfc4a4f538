//! From the command line to a running prompt, and its end.

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use towline::engine::OnShutdown;
use towline::relay::RelayConfig;
use towline::{Api, Clocks, Engine, EngineConfig};
use towline_app::chat::{Conversation, Settings};
use towline_app::history::{History, HistoryError};

use super::chore::turns;
use super::complete::{Completer, Known};
use super::screen::{Screen, Tone};
use super::session::{self, Session};
use super::state::{Prompt, Setup};
use super::term;
use crate::args::{AtRelay, PromptArgs};
use crate::cmd::Context;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::{Complaint, Failure};
use crate::memory;
use crate::out;
use crate::relayed::reach;
use crate::server::{Named, Need, Place, Server};
use crate::stop;
use towline_app::settings::{self, Config, Remember, folders};

/// How long the engine may take to end what is left when the prompt has ended.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Runs the prompt.
pub fn start(args: PromptArgs) -> Exit {
    begin(args).unwrap_or_else(|failure| failure.report())
}

fn local(error: impl std::fmt::Display) -> Failure {
    Failure::Local(Complaint::new(format!("the prompt cannot start: {error}")))
}

fn begin(mut args: PromptArgs) -> Result<Exit, Failure> {
    let environment = Environment::read();
    let (config, warnings) =
        match args.config.clone().or_else(|| settings::path(std::env::var_os("TOWLINE_CONFIG"))) {
            Some(path) => settings::read(&path),
            None => (Config::default(), Vec::new()),
        };
    if args.server.host.is_none() && environment.host.is_none() {
        args.server.host.clone_from(&config.host);
    }
    let engine = Engine::start(EngineConfig::default()).map_err(local)?;
    let server = find(&engine, &args, &environment)?;
    let interactive = is_interactive();
    let (conversation, session) = conversation(&args, &environment, &config, interactive)?;

    let known = Arc::new(Mutex::new(Known::default()));
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let terminal = term::Config {
        history: folders::data().map(|folder| folder.join("history")),
        no_color: set("NO_COLOR"),
        ..term::Config::default()
    };
    let mut screen = term::open(terminal, Box::new(Completer(Arc::clone(&known)))).map_err(local)?;
    let setup = Setup {
        engine: engine.clone(),
        server: Arc::new(server),
        environment,
        config,
        conversation,
        session,
        known,
        interactive,
    };
    let ended = converse(&mut *screen, setup, &warnings);
    let closed = screen.close();
    drop(screen);
    // Every job has ended, or had its grace time.
    drop(engine.shutdown(OnShutdown::Cancel, SHUTDOWN));
    let exit = ended.map_err(local)?;
    closed.map_err(local)?;
    Ok(exit)
}

fn converse(screen: &mut dyn Screen, setup: Setup, warnings: &[String]) -> io::Result<Exit> {
    let mut prompt = Prompt::new(screen, setup);
    for warning in warnings {
        prompt.say(Tone::Bad, &format!("warning: {warning}"));
    }
    prompt.greet();
    let ended = prompt.run();
    if let Some(wrong) = prompt.session.finish() {
        out::warning(&wrong);
    }
    ended
}

fn is_interactive() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

fn find(engine: &Engine, args: &PromptArgs, environment: &Environment) -> Result<Server, Failure> {
    let (server, relay, environment) = (args.server.clone(), args.relay.clone(), environment.clone());
    let finding = engine.spawn("server", async move {
        if let Some(relay) = relay {
            let (_never, stopper) = stop::channel();
            let mut context = Context { environment, stopper };
            let args = AtRelay { relay };
            let reached = reach(&args, &mut context, Clocks::default(), RelayConfig::default()).await?;
            return Ok(Server { client: reached.client, place: Place::Named(Named::Relay) });
        }
        Server::find(&server, &environment, Clocks::default(), Api::Auto, Need::Any).await
    });
    match finding.wait().map_err(local)? {
        Ok(found) => found,
        Err(outcome) => Err(local(outcome)),
    }
}

/// The session that is gone on with, or a new one.
fn conversation(
    args: &PromptArgs,
    environment: &Environment,
    config: &Config,
    interactive: bool,
) -> Result<(Conversation, Session), Failure> {
    let model = args.model.clone().or_else(|| environment.model.clone()).or_else(|| config.model.clone());
    let settings = Settings {
        model: model.clone().unwrap_or_default(),
        system: config.system.clone(),
        options: config.options.clone(),
        think: config.think.clone(),
        format: None,
    };
    // A script leaves nothing behind unless it names a conversation.
    let is_written = config.history != Remember::Nothing && (interactive || args.session.is_some());
    let mut session = Session::new(memory::path().filter(|_| is_written), config.history_limits);
    let Some(name) = &args.session else { return Ok((Conversation::new(settings), session)) };
    let Some(path) = session.path() else {
        return Err(Failure::usage(
            "conversations are not written: the configuration says so, or there is no home folder",
        ));
    };
    let mut history = History::open(path).map_err(memory::failed)?;
    let taken = history.take_in(&path.with_file_name("sessions")).map_err(memory::failed)?;
    match history.find(name) {
        Ok(_) => {}
        Err(HistoryError::Missing(_)) => {
            if let Some(wrong) = taken.complaint(name) {
                return Err(Failure::usage(wrong));
            }
            return match session.rename(name) {
                Ok(_) => Ok((Conversation::new(settings), session)),
                Err(error) => Err(memory::failed(error)),
            };
        }
        Err(error) => return Err(memory::failed(error)),
    }
    let opened = session::open(path, name).map_err(Failure::usage)?;
    let mut chat = session.adopt(opened);
    if let Some(model) = args.model.clone().or_else(|| model.filter(|_| chat.settings.model.is_empty())) {
        chat.settings.model = model;
    }
    Ok((chat, session))
}

impl Prompt<'_> {
    /// What is said at the very first start.
    fn hello(&self) -> String {
        let who = match &self.server.place {
            Place::Builtin(builtin) => format!(
                "{}, a toy that is built in: it shows how this works and knows nothing",
                builtin.model()
            ),
            Place::Named(_) | Place::Local => self.server.shown(),
        };
        format!(
            "towline {}; answers come from {who}\n\
             Type a question and press Enter; with & at its end it is answered behind while you type on.\n\
             Ctrl-C stops an answer, Ctrl-Z sends it behind, jobs lists them; exit or Ctrl-D leaves.\n\
             help says what else can be typed.",
            env!("CARGO_PKG_VERSION")
        )
    }

    /// What is said first, and what is found out meanwhile.
    fn greet(&mut self) {
        let is_first = self.session.path().is_some_and(|path| !path.exists());
        if self.interactive && is_first {
            let hello = self.hello();
            self.say(Tone::Dim, &hello);
        } else if self.interactive {
            let count = self.chat.turns().len();
            let mut text = format!("towline {}, {}", env!("CARGO_PKG_VERSION"), self.server.shown());
            if count > 0 {
                let name = self.session.name().unwrap_or_default();
                text.push_str(&format!(", {name} with {}", turns(count)));
            }
            self.say(Tone::Dim, &format!("{text}; help says what can be typed"));
            self.show_last_turn();
        }
        self.learn_models();
        self.remember();
    }
}
