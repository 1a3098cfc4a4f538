//! `towline batch`: a file of questions, whose answers run on the relay as one group.
//!
//! | module | its one job |
//! |---|---|
//! | [`questions`] | the file, as requests |
//! | [`results`] | the results: reads existing lines, and writes missing ones |
//! | [`state`] | the state of each question, and the next step |
//! | [`work`] | executes it: submits requests, watches the group, reads answers |
//! | [`progress`] | the bar |
//! | [`on_end`] | the command for each result, and the notification |
//!
//! A batch stores nothing except the relay's answers and the results: the request id of each attempt is
//! derived from the request itself, so the relay recognises repeated questions.

mod on_end;
mod progress;
mod questions;
mod results;
mod state;
mod work;

use std::collections::HashSet;

use towline::ChatRequest;
use towline::relay::{READER_TIMEOUTS, RelayConfig, Via};
use towline_app::servers::{BUILTIN, Reached, ServerSource};

use questions::{Ask, Question};
use results::Results;
use work::BatchOptions;

use super::pull::fetch;
use super::run::{is_person, offer};
use super::{Context, relay_failure};
use crate::args::{BatchArgs, KeepAliveArg};
use crate::commands::question;
use crate::commands::relayed::reach_server;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::exit::failure::unless_stopped;
use crate::output;
use crate::server::UNARY_TIMEOUTS;
use crate::server::models::{self, Choice};
use crate::server::{Server, ServerKind};

/// Maximum length of a group's name, in bytes: followed by a question's key, it is a request id.
const GROUP_BYTES: usize = 60;

/// Asks all questions of a file.
pub async fn run(args: &BatchArgs, mut context: Context) -> Result<Exit, Failure> {
    let questions = questions::read(&args.file, args.more.encoding)?;
    let common = common(args, &context)?;
    let options = BatchOptions {
        group: group(args)?,
        retry: args.retry,
        on_end: args.on_end.clone(),
        notify: args.notify,
    };
    let reached = reach(args, &options.group, &mut context).await?;
    let asks = asks(args, &questions, &common, &reached, &mut context).await?;
    let (results, known) = Results::open(args.out.as_deref(), &asks)?;
    let fetched = fetch_missing(&asks, &reached, &mut context).await?;
    if fetched != Exit::Completed {
        return Ok(fetched);
    }
    work::run(asks, &known, results, &options, &reached, &mut context).await
}

/// The common settings of all questions.
fn common(args: &BatchArgs, context: &Context) -> Result<ChatRequest, Failure> {
    let config = &context.config;
    let mut request = ChatRequest { options: config.options.clone(), ..ChatRequest::default() };
    for option in &args.options {
        if let Some(note) = option.note() {
            output::note(&note);
        }
        option.add_to(&mut request.options).map_err(|error| Failure::usage(error.to_string()))?;
    }
    request.format = args.format.as_deref().map(question::format).transpose()?;
    request.think = args.think.as_ref().map(|think| think.0.clone()).or(config.think.clone());
    request.keep_alive = args.more.keep_alive.clone().map(|KeepAliveArg(keep_alive)| keep_alive);
    Ok(request)
}

/// The name of the group: as given, else the file's name without its extension.
fn group(args: &BatchArgs) -> Result<String, Failure> {
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let name = args.group.as_deref().unwrap_or(&stem);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).take(GROUP_BYTES).collect();
    match &args.group {
        Some(given) if *given != plain || given.is_empty() => Err(Failure::usage(format!(
            "--group takes up to {GROUP_BYTES} letters, digits, - and _, not {given:?}"
        ))),
        Some(_) | None => Ok(plain),
    }
}

async fn reach(args: &BatchArgs, group: &str, context: &mut Context) -> Result<Reached, Failure> {
    let config = RelayConfig {
        asked_by: Some("command".to_owned()),
        group: Some(group.to_owned()),
        group_running: Some(args.jobs.get().into()),
        ..RelayConfig::default()
    };
    let asked = (&args.relay, &args.server, args.api.into());
    reach_server(asked, context, READER_TIMEOUTS, config).await
}

/// The questions with their models.
async fn asks(
    args: &BatchArgs,
    questions: &[Question],
    common: &ChatRequest,
    reached: &Reached,
    context: &mut Context,
) -> Result<Vec<Ask>, Failure> {
    let mut models = args.models.clone();
    if models.is_empty() && !questions::name_models(questions) {
        let server = server(reached).await;
        let choosing = models::choose(None, &[], &context.environment, &server);
        match unless_stopped(choosing, &mut context.stopper.clone()).await? {
            Ok(Choice::Model(chosen)) => models.push(chosen.model),
            Ok(Choice::Unclear(complaint)) => return Err(Failure::Usage(complaint)),
            Err(error) => return Err(relay_failure(&error)),
        }
    }
    let system = args.system.as_deref().or(context.config.system.as_deref());
    questions::asks(questions, &models, common, system, named(reached))
}

/// The relay as a server, which lists its models.
async fn server(reached: &Reached) -> Server {
    let kind = match (&reached.place.own, named(reached)) {
        (_, None) if has_only_builtin(reached).await => ServerKind::OwnRelay(Some(BUILTIN.to_owned())),
        (Some(_), named) => ServerKind::OwnRelay(named.map(str::to_owned)),
        (None, _) => ServerKind::Found(ServerSource::Relay),
    };
    // A pull is not an answer of the group.
    let client = reached.client.with_request_config(|config| match &mut config.via {
        Via::Relay(relay) => (relay.group, relay.group_running) = (None, None),
        Via::Server => {}
    });
    Server { client, kind }
}

/// The model server named to the relay, if any.
fn named(reached: &Reached) -> Option<&str> {
    match &reached.client.config().via {
        Via::Relay(relay) => relay.server.as_deref(),
        Via::Server => None,
    }
}

/// Whether the built-in model is the only server of the relay that answers.
async fn has_only_builtin(reached: &Reached) -> bool {
    let known = reached.control.version().await;
    known.is_ok_and(|known| known.servers.iter().all(|known| !known.up || known.name == BUILTIN))
}

/// Offers to pull the models that the server does not have, as `run` does, if a user is present and the
/// server can pull.
async fn fetch_missing(asks: &[Ask], reached: &Reached, context: &mut Context) -> Result<Exit, Failure> {
    if !is_person() {
        return Ok(Exit::Completed);
    }
    let is_openai = named(reached).is_some_and(|named| named.starts_with("openai+"));
    let listing = async {
        let server = server(reached).await;
        let installed = models::installed(&server, UNARY_TIMEOUTS).await;
        installed.map(|installed| (server, installed))
    };
    let listed = unless_stopped(listing, &mut context.stopper.clone()).await?;
    let Some((server, installed)) = listed.ok().filter(|(server, _)| !is_openai && !server.is_builtin())
    else {
        return Ok(Exit::Completed);
    };
    let installed: Vec<String> = installed.iter().map(|model| models::typed(model).name).collect();
    let mut seen = HashSet::new();
    for model in asks.iter().map(|ask| ask.request.model.as_str()).filter(|model| seen.insert(*model)) {
        let is_missing = !installed.iter().any(|known| models::is_named(known, model));
        if is_missing && offer(model, &server, context).await? {
            let fetched = fetch(model, &server, context).await?;
            if fetched != Exit::Completed {
                return Ok(fetched);
            }
        }
    }
    Ok(Exit::Completed)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn group_of(arguments: &[&str]) -> Result<String, Failure> {
        let cli = Cli::try_parse_from(["towline", "batch"].iter().chain(arguments)).unwrap();
        match cli.command {
            Some(Command::Batch(args)) => group(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_group_is_called_as_the_file() {
        assert_eq!(group_of(&["a/my questions.v2.txt"]).unwrap(), "my-questions-v2");
        assert_eq!(group_of(&["x", "--group", "a-1"]).unwrap(), "a-1");
        assert!(group_of(&["x", "--group", "a b"]).is_err());
    }
}
