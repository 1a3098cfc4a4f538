//! The verbs, one file each.

mod attach;
mod bench;
mod completions;
mod cp;
mod create;
mod detach;
mod gui;
mod jobs;
mod kill;
mod list;
mod ps;
mod pull;
mod push;
#[cfg(feature = "relay")]
mod relay;
mod rm;
mod run;
#[cfg(feature = "model")]
pub mod serve;
mod show;
mod transfer;

use std::future::Future;
use std::time::Duration;

use towline::{Clocks, Error};

use crate::args::Command;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::{Complaint, Failure};
use crate::server::Server;
use crate::stop::Stopper;
use crate::{hint, models};

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// What the environment says.
    pub environment: Environment,
    /// Whether the command is to end.
    pub stopper: Stopper,
}

/// Does what was typed, and says what went wrong.
pub async fn run(command: Command, stopper: Stopper) -> Exit {
    let context = Context { environment: Environment::read(), stopper };
    let result = match command {
        Command::Run(args) => run::run(&args, context).await,
        Command::Jobs(args) => jobs::run(&args, context).await,
        Command::Attach(args) => attach::attach(&args, context).await,
        Command::Log(args) => attach::log(&args, context).await,
        Command::Kill(args) => kill::kill(&args, context).await,
        Command::Wait(args) => kill::wait(&args, context).await,
        Command::Timeout(args) => kill::timeout(&args, context).await,
        Command::BeginSession(args) => crate::relayed::begin_session(&args.arguments),
        Command::List(args) => list::run(&args, context).await,
        Command::Show(args) => show::run(&args, context).await,
        Command::Ps(args) => ps::run(&args, context).await,
        Command::Pull(args) => pull::run(&args, context).await,
        Command::Push(args) => push::run(&args, context).await,
        Command::Create(args) => create::run(&args, context).await,
        Command::Cp(args) => cp::run(&args, context).await,
        Command::Rm(args) => rm::run(&args, context).await,
        #[cfg(feature = "model")]
        Command::Serve(args) => serve::run(&args, context).await,
        #[cfg(feature = "relay")]
        Command::Relay(args) => relay::run(&args, context).await,
        Command::Gui(args) => Err(gui::run(&args)),
        Command::Completions(args) => completions::run(&args),
        Command::Bench(args) => bench::run(&args, context).await,
    };
    result.unwrap_or_else(|failure| failure.report())
}

/// The clocks of a request with a single answer: it needs no model in memory.
pub const UNARY_CLOCKS: Clocks = Clocks {
    connect: Some(Duration::from_secs(10)),
    first_event: Some(Duration::from_secs(60)),
    idle: Some(Duration::from_secs(60)),
    total: None,
};

/// The answer to a request about `model`, if it is about one.
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

/// The answer of a relay.
///
/// # Errors
/// What went wrong, with what to do about it.
pub async fn asked<T>(
    request: impl Future<Output = Result<T, Error>>,
    context: &mut Context,
) -> Result<T, Failure> {
    let error = match unless_stopped(request, &mut context.stopper).await? {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let complaint = Complaint::new(error.message.clone());
    Err(Failure::Request(
        match hint::for_relay(&error) {
            Some(hint) => complaint.hint(hint),
            None => complaint,
        },
        Exit::from(&error),
    ))
}

/// A request's result, unless a signal comes first; the connection is closed then.
pub async fn unless_stopped<T>(
    request: impl Future<Output = Result<T, Error>>,
    stopper: &mut Stopper,
) -> Result<Result<T, Error>, Failure> {
    tokio::select! {
        stop = stopper.stopped() => Err(Failure::Stopped(stop)),
        result = request => Ok(result),
    }
}
