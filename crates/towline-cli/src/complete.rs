//! Shell completion of values that only a running server, a relay or a folder knows.
//!
//! The shell runs this program for it (`TOWLINE_COMPLETE`). A server that does not answer soon is skipped.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::future::Future;
use std::time::Duration;

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use towline::client::Api;
use towline::relay::{Filter, Job, RelayConfig};
use towline_app::answers::handle;
use towline_app::history::History;
use towline_app::servers::{Environment, RelayPlace, ServerSpec};
use towline_app::settings::templates;

use crate::server::UNARY_TIMEOUTS;
use crate::server::environment;
use crate::server::places;

/// The variable that asks for completions; its value is the shell.
const VARIABLE: &str = "TOWLINE_COMPLETE";
/// The time limit of a completion.
const PATIENCE: Duration = Duration::from_millis(700);
/// Maximum number of proposed conversations.
const CONVERSATIONS: usize = 200;

/// If a shell requests completions or the completion script, answers it and exits.
pub fn answer_shell() {
    CompleteEnv::with_factory(|| completed(crate::args::command())).var(VARIABLE).complete();
}

type Proposing = fn(&OsStr) -> Vec<CompletionCandidate>;

/// The command line with the completers of its values.
fn completed(command: Command) -> Command {
    let command = command.mut_arg("named", |arg| arg.add(ArgValueCompleter::new(of_servers)));
    command.mut_subcommands(|verb| {
        let is_of_history = verb.get_name() == "history";
        let is_of_templates = verb.get_name() == "template";
        let is_of_answers = verb.get_arguments().any(|arg| arg.get_id() == "relay");
        let with = move |command: Command| {
            command.mut_args(move |arg| {
                let value = arg
                    .get_value_names()
                    .and_then(|names| names.first())
                    .map(|name| name.as_str().to_owned());
                let propose: Option<Proposing> = match (arg.get_id().as_str(), value.as_deref()) {
                    ("template", _) => Some(of_templates),
                    ("named", _) => Some(of_servers),
                    ("resume", _) => Some(of_conversations),
                    ("group", _) => Some(of_groups),
                    (_, Some("MODEL")) => Some(of_models),
                    ("handles" | "handle" | "id", Some("NAME")) if is_of_answers => Some(of_answers),
                    ("name" | "names", Some("NAME")) if is_of_history => Some(of_conversations),
                    ("name", Some("NAME")) if is_of_templates => Some(of_templates),
                    _ => None,
                };
                match propose {
                    Some(propose) => arg.add(ArgValueCompleter::new(propose)),
                    None => arg,
                }
            })
        };
        with(verb).mut_subcommands(with)
    })
}

/// The names that begin with the typed text.
fn with_prefix(typed: &OsStr, names: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    names.into_iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

fn environment() -> Environment {
    let (config, _) = environment::config(None).unwrap_or_default();
    environment::read().with(&config)
}

/// The result of a request, if it arrives in time.
fn soon<T: Default>(asking: impl Future<Output = Option<T>>) -> T {
    let Ok(runtime) = crate::runtime() else { return T::default() };
    let answered = runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.ok().flatten() });
    // Running lookups are not awaited.
    runtime.shutdown_background();
    answered.unwrap_or_default()
}

fn of_models(typed: &OsStr) -> Vec<CompletionCandidate> {
    let environment = environment();
    let asking = async {
        let server = ServerSpec::default().find(&environment, UNARY_TIMEOUTS, Api::Auto).await.ok()??;
        let models = server.client.list().await.ok()?.models;
        Some(models.into_iter().map(|model| model.name).collect::<Vec<_>>())
    };
    with_prefix(typed, soon(asking))
}

fn answers() -> Vec<Job> {
    let environment = environment();
    soon(async {
        let place = RelayPlace::find(None, &environment).ok()?;
        let client = place.client(&environment, UNARY_TIMEOUTS, RelayConfig::default()).ok()?;
        client.relay().list(&Filter::default()).await.ok()
    })
}

fn of_answers(typed: &OsStr) -> Vec<CompletionCandidate> {
    with_prefix(typed, answers().iter().map(|job| handle(job).to_owned()))
}

fn of_groups(typed: &OsStr) -> Vec<CompletionCandidate> {
    let groups: BTreeSet<String> = answers().into_iter().filter_map(|job| job.group).collect();
    with_prefix(typed, groups)
}

fn of_templates(typed: &OsStr) -> Vec<CompletionCandidate> {
    with_prefix(typed, templates::folder().map(|folder| templates::names(&folder)).unwrap_or_default())
}

fn of_servers(typed: &OsStr) -> Vec<CompletionCandidate> {
    with_prefix(typed, environment().servers.into_keys())
}

fn of_conversations(typed: &OsStr) -> Vec<CompletionCandidate> {
    let listed = places::history().filter(|path| path.exists()).and_then(|path| {
        let history = History::open(&path).ok()?;
        history.list(CONVERSATIONS).ok()
    });
    with_prefix(typed, listed.unwrap_or_default().into_iter().map(|chat| chat.name))
}
