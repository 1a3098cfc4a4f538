//! The verbs, one file each.

mod attach;
mod batch;
mod bench;
mod completions;
mod control;
mod cp;
mod create;
mod detach;
mod drive;
mod embed;
mod gui;
mod history;
mod jobs;
mod list;
#[cfg(feature = "man")]
mod man;
mod memory;
mod modelfile;
mod page;
mod ps;
mod pull;
mod push;
mod question;
#[cfg(feature = "relay")]
mod relay;
mod relayed;
mod rm;
mod run;
#[cfg(feature = "model")]
mod serve;
mod show;
mod template;
mod transfer;
mod unload;

use std::future::Future;
use std::pin::Pin;

use towline::Error;
use towline_app::servers::Environment;
use towline_app::settings::Config;

use crate::args::Command;
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure, unless_stopped};
use crate::exit::stop::Stopper;
use crate::output;
use crate::server::Server;
use crate::server::environment;
use crate::server::{hint, models};

/// The context of every command.
#[derive(Debug)]
pub struct Context {
    /// The settings from the environment.
    pub environment: Environment,
    /// The settings from the configuration.
    pub config: Config,
    /// Signals that the command should end.
    pub stopper: Stopper,
}

/// Runs a command, and reports its failure.
pub async fn run(command: Command, stopper: Stopper) -> Exit {
    let (config, warnings) = match environment::config(command.config()) {
        Ok(read) => read,
        Err(failure) => return failure.report(),
    };
    if command.is_configured() {
        warnings.iter().for_each(|warning| output::warning(warning));
    }
    let context = Context { environment: environment::read().with(&config), config, stopper };
    start(&command, context).await.unwrap_or_else(|failure| failure.report())
}

/// A running command. Each is boxed separately, so that none takes the memory of the largest.
fn start(command: &Command, context: Context) -> Pin<Box<dyn Future<Output = Result<Exit, Failure>> + '_>> {
    match command {
        Command::Run(args) => Box::pin(run::run(args, context)),
        Command::Batch(args) => Box::pin(batch::run(args, context)),
        Command::Jobs(args) => Box::pin(jobs::run(args, context)),
        Command::Attach(args) => Box::pin(attach::attach(args, context)),
        Command::Log(args) => Box::pin(attach::log(args, context)),
        Command::Kill(args) => Box::pin(control::kill(args, context)),
        Command::Wait(args) => Box::pin(control::wait(args, context)),
        Command::Timeout(args) => Box::pin(control::timeout(args, context)),
        Command::Pause(args) => Box::pin(control::pause(args, true, context)),
        Command::Unpause(args) => Box::pin(control::pause(args, false, context)),
        Command::Retry(args) => Box::pin(control::retry(args, context)),
        Command::Rename(args) => Box::pin(control::rename(args, context)),
        Command::Forget(args) => Box::pin(control::forget(args, context)),
        Command::Clean(args) => Box::pin(control::clean(args, context)),
        Command::List(args) => Box::pin(list::run(args, context)),
        Command::Show(args) => Box::pin(show::run(args, context)),
        Command::Ps(args) => Box::pin(ps::run(args, context)),
        Command::Unload(args) => Box::pin(unload::run(args, context)),
        Command::Embed(args) => Box::pin(embed::run(args, context)),
        Command::Pull(args) => Box::pin(pull::run(args, context)),
        Command::Push(args) => Box::pin(push::run(args, context)),
        Command::Create(args) => Box::pin(create::run(args, context)),
        Command::Cp(args) => Box::pin(cp::run(args, context)),
        Command::Rm(args) => Box::pin(rm::run(args, context)),
        #[cfg(feature = "model")]
        Command::Serve(args) => Box::pin(serve::run(args, context)),
        #[cfg(feature = "relay")]
        Command::Relay(args) => Box::pin(relay::run(args, context)),
        Command::Bench(args) => Box::pin(bench::run(args, context)),
        Command::BeginSession(args) => Box::pin(async { relayed::begin_session(&args.arguments) }),
        Command::Page(args) => Box::pin(page::run(args, context)),
        Command::Gui(args) => Box::pin(async { Err(gui::run(args)) }),
        Command::History(args) => Box::pin(async { history::run(args) }),
        Command::Template(args) => Box::pin(async { template::run(args) }),
        Command::Completions(args) => Box::pin(async { completions::run(args) }),
        #[cfg(feature = "man")]
        Command::Man(args) => Box::pin(async { man::run(args) }),
    }
}

/// The result of a request, about `model` if there is one.
///
/// # Errors
/// What went wrong, with what to do about it.
pub async fn answered<T>(
    request: impl Future<Output = Result<T, Error>>,
    server: &Server,
    context: &mut Context,
    model: Option<&str>,
) -> Result<T, Failure> {
    let error = match unless_stopped(request, &mut context.stopper).await? {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let mut complaint = Complaint::new(error.message.clone());
    complaint.hints.extend(hint::for_error(&error, server, &context.environment, model));
    complaint.hints.extend(models::similar(&error, server, model, &mut context.stopper).await);
    Err(Failure::Request(complaint, Exit::from(&error)))
}

/// The result of a request to a relay.
///
/// # Errors
/// What went wrong, with what to do about it.
pub async fn asked<T>(
    request: impl Future<Output = Result<T, Error>>,
    context: &mut Context,
) -> Result<T, Failure> {
    unless_stopped(request, &mut context.stopper).await?.map_err(|error| relay_failure(&error))
}

/// The failure of a relay's request, with what to do about it.
pub fn relay_failure(error: &Error) -> Failure {
    let complaint = Complaint::new(error.message.clone());
    let complaint = match hint::for_relay(error) {
        Some(hint) => complaint.hint(hint),
        None => complaint,
    };
    Failure::Request(complaint, Exit::from(error))
}
