//! The verbs, one file each.

mod completions;
mod run;
pub mod serve;

use std::future::Future;
use std::time::Duration;

use towline::{Clocks, Error};

use crate::args::{Cli, Command};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::stop::Stopper;

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// What the environment says.
    pub environment: Environment,
    /// Whether the command is to end.
    pub stopper: Stopper,
}

/// Does what was typed, and says what went wrong.
pub async fn run(cli: Cli, stopper: Stopper) -> Exit {
    let context = Context { environment: Environment::read(), stopper };
    let result = match cli.command {
        Command::Run(args) => run::run(&args, context).await,
        Command::Serve(args) => serve::run(&args, context).await,
        Command::Runner(args) => serve::runner(&args),
        Command::Completions(args) => completions::run(&args),
        _ => todo!(),
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
