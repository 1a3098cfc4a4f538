//! Starts the prompt from the command line, and ends it.

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use towline::engine::OnShutdown;
use towline::{Engine, EngineConfig};
use towline_app::chat::{Conversation, Settings};
use towline_app::history::{ChatId, History, HistoryError};

use super::background_task::turns;
use super::complete::{Completer, CompletionData};
use super::relay::{self, AnswerBackend};
use super::session::{self, Opened, Session};
use super::state::{Prompt, Setup};
use crate::args::PromptArgs;
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};
use crate::output;
use crate::server::ServerKind;
use crate::server::environment;
use crate::server::places;
use crate::term;
use crate::term::screen::{Screen, Tone};
use towline_app::servers::{BUILTIN, Environment, Reached};
use towline_app::settings::{Config, Remember, folders};

/// How long the engine may take to shut down after the prompt has ended.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Runs the prompt.
pub fn start(args: PromptArgs) -> Exit {
    begin(args).unwrap_or_else(|failure| failure.report())
}

fn local(error: impl std::fmt::Display) -> Failure {
    Failure::Local(Complaint::new(format!("the prompt cannot start: {error}")))
}

fn begin(args: PromptArgs) -> Result<Exit, Failure> {
    let (config, warnings) = environment::config(args.config.as_deref())?;
    let environment = environment::read().with(&config);
    let engine = Engine::start(EngineConfig::default()).map_err(local)?;
    let interactive = is_interactive();
    let finding = AnswerBackend::find(args.clone(), config.clone(), environment.clone(), interactive);
    let (asked, message) = match engine.spawn("server", finding).wait().map_err(local)? {
        Ok(found) => found?,
        Err(outcome) => return Err(local(outcome)),
    };
    // Checked before the history is opened, since opening creates it.
    let is_first = places::history().is_some_and(|path| !path.exists());
    let (conversation, session, left) =
        conversation(&args, &environment, &config, interactive, (&engine, asked.relay.as_deref()))?;

    let known = Arc::new(Mutex::new(CompletionData::default()));
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let terminal = term::Config {
        history: folders::data().map(|folder| folder.join("history")),
        no_color: set("NO_COLOR"),
        theme: config.theme,
        shades: config.colors,
        ..term::Config::default()
    };
    let mut screen = term::open(terminal, Box::new(Completer(Arc::clone(&known)))).map_err(local)?;
    let setup = Setup { engine: engine.clone(), asked, config, conversation, session, known, interactive };
    let warnings = warnings.into_iter().map(|warning| format!("warning: {warning}"));
    let warnings: Vec<String> = warnings.chain(message).collect();
    let ended = converse(&mut *screen, setup, &warnings, (&left, is_first));
    let closed = screen.close();
    drop(screen);
    // Every job has ended, or its grace time is over.
    drop(engine.shutdown(OnShutdown::Cancel, SHUTDOWN));
    let exit = ended.map_err(local)?;
    closed.map_err(local)?;
    Ok(exit)
}

fn converse(
    screen: &mut dyn Screen,
    setup: Setup,
    warnings: &[String],
    (left, is_first): (&[String], bool),
) -> io::Result<Exit> {
    let mut prompt = Prompt::new(screen, setup);
    for warning in warnings {
        prompt.print(Tone::Bad, warning);
    }
    prompt.greet(left, is_first);
    let ended = prompt.run();
    if let Some(wrong) = prompt.session.finish() {
        output::warning(&wrong);
    }
    ended
}

fn is_interactive() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

/// The conversation to continue, or a new one; and the relay's ids of its unfinished answers. If none is
/// named, continues one with answers that a relay still runs although their program is gone.
fn conversation(
    args: &PromptArgs,
    environment: &Environment,
    config: &Config,
    interactive: bool,
    (engine, relay): (&Engine, Option<&Reached>),
) -> Result<(Conversation, Session, Vec<String>), Failure> {
    let model = args.model.clone().or_else(|| environment.model.clone()).or_else(|| config.model.clone());
    let settings = Settings {
        model: model.clone().unwrap_or_default(),
        system: config.system.clone(),
        options: config.options.clone(),
        think: config.think.clone(),
        format: None,
    };
    // A script keeps no history unless it names a conversation.
    let is_written = config.history != Remember::Nothing && (interactive || args.session.is_some());
    let mut session = Session::new(places::history().filter(|_| is_written), config.history_limits);
    let writer = session.writer().filter(|_| relay.is_some());
    let adopted = |session: &mut Session, opened: Opened| {
        let left = opened.left.clone();
        let mut chat = session.adopt(opened);
        let named = args.model.clone();
        if let Some(model) = named.or_else(|| model.clone().filter(|_| chat.settings.model.is_empty())) {
            chat.settings.model = model;
        }
        (chat, left)
    };
    let Some(name) = &args.session else {
        let found = relay.zip(session.path()).and_then(|(relay, path)| {
            let chats = relay::detached_chats(engine, relay, path).into_iter();
            // Skips one that another prompt has open or has just taken over.
            let mut opened = chats.filter_map(|ChatId(id)| session::open(path, &id.to_string(), writer).ok());
            opened.find(|opened| !opened.left.is_empty())
        });
        return Ok(match found {
            None => (Conversation::new(settings), session, Vec::new()),
            Some(opened) => {
                let (chat, left) = adopted(&mut session, opened);
                (chat, session, left)
            }
        });
    };
    let Some(path) = session.path() else {
        return Err(Failure::usage(
            "conversations are not written: history is off, or there is no home folder",
        ));
    };
    let mut history = History::open(path)?;
    let imported = history.import_folder(&path.with_file_name("sessions"))?;
    match history.find(name) {
        Ok(_) => {}
        Err(HistoryError::Missing(_)) => {
            if let Some(wrong) = imported.complaint(name) {
                return Err(Failure::usage(wrong));
            }
            return match session.rename(name) {
                Ok(_) => Ok((Conversation::new(settings), session, Vec::new())),
                Err(error) => Err(error.into()),
            };
        }
        Err(error) => return Err(error.into()),
    }
    let opened = session::open(path, name, writer).map_err(Failure::usage)?;
    let (chat, left) = adopted(&mut session, opened);
    Ok((chat, session, left))
}

impl Prompt<'_> {
    /// The greeting at the very first start.
    fn hello(&self) -> String {
        let who = match &self.asked.server.kind {
            ServerKind::Builtin(builtin) => {
                format!("{}, a built-in toy: it shows how Towline works and knows little", builtin.model())
            }
            ServerKind::OwnRelay(Some(shown)) if shown == BUILTIN => {
                "a built-in toy: it shows how Towline works and knows little".to_owned()
            }
            ServerKind::Found(_) | ServerKind::OwnRelay(_) => self.asked.server.shown(),
        };
        format!(
            "towline {}; answers come from {who}\n\
             Type a question and press Enter; a final & asks it in the background.\n\
             Ctrl-C cancels an answer, Ctrl-Z sends it to the background; jobs lists them.\n\
             exit or Ctrl-D leaves; help lists the commands.",
            env!("CARGO_PKG_VERSION")
        )
    }

    /// Greets the user, and starts the first lookups.
    fn greet(&mut self, left: &[String], is_first: bool) {
        if self.interactive && is_first {
            let hello = self.hello();
            self.print(Tone::Dim, &hello);
        } else if self.interactive {
            let count = self.chat.turns().len();
            let mut text = format!("towline {}, {}", env!("CARGO_PKG_VERSION"), self.asked.server.shown());
            if count > 0 {
                let name = self.session.name().unwrap_or_default();
                text.push_str(&format!(", {name} with {}", turns(count)));
            }
            self.print(Tone::Dim, &format!("{text}; help lists the commands"));
            self.show_last_turn(left);
        }
        self.learn_models();
        self.learn_answers();
        self.remember();
    }
}
