//! `towline kill`, `towline wait`, `towline timeout`: control over the relay's jobs.

use std::time::Duration;

use towline::Deadline;
use towline::relay::{Job, RelayConfig};

use super::jobs::span;
use super::{Context, UNARY_CLOCKS, asked};
use crate::args::{DeadlineArg, KillArgs, TimeoutArgs, WaitArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, Out};
use crate::relayed::{Reached, exit_of, reach, say_state};

/// How long a job may take to end once it was told to.
const END_TIME: Duration = Duration::from_secs(10);

/// As long as it takes.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Stops jobs. One that fails does not keep the others.
pub async fn kill(args: &KillArgs, mut context: Context) -> Result<Exit, Failure> {
    let reached = reach(&args.relay, &mut context, UNARY_CLOCKS, RelayConfig::default()).await?;
    let mut exit = Exit::Completed;
    for id in &args.ids {
        exit = exit.or(reported(kill_one(id, &args.reason, &reached, &mut context).await)?);
    }
    Ok(exit)
}

async fn kill_one(id: &str, reason: &str, reached: &Reached, context: &mut Context) -> Result<Exit, Failure> {
    let control = &reached.control;
    let job = asked(control.find(id), context).await?;
    if job.state.is_ended() {
        out::note(&format!("{} has already ended: {}", job.id, say_state(&job)));
        return Ok(Exit::Completed);
    }
    asked(control.cancel(&job.id, reason), context).await?;
    let job = asked(control.wait(&job.id, END_TIME), context).await?;
    if !job.state.is_ended() {
        out::error(&format!("{} was told to stop and is still {}", job.id, job.state));
        return Ok(Exit::Failed);
    }
    line(&job)?;
    Ok(Exit::Completed)
}

/// Waits for jobs to end.
pub async fn wait(args: &WaitArgs, mut context: Context) -> Result<Exit, Failure> {
    let reached = reach(&args.relay, &mut context, UNARY_CLOCKS, RelayConfig::default()).await?;
    let until = tokio::time::Instant::now() + args.timeout.0.unwrap_or(FOREVER);
    let mut exit = Exit::Completed;
    for id in &args.ids {
        exit = exit.or(reported(wait_one(id, until, &reached, &mut context).await)?);
    }
    Ok(exit)
}

async fn wait_one(
    id: &str,
    until: tokio::time::Instant,
    reached: &Reached,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let job = asked(reached.control.find(id), context).await?;
    let waiting = async { tokio::time::timeout_at(until, reached.control.wait(&job.id, FOREVER)).await };
    let job =
        match asked(async { waiting.await.map_or_else(|_| Ok(None), |job| job.map(Some)) }, context).await? {
            Some(job) => job,
            None => {
                out::error(&format!("{} has not ended in time", job.id));
                return Ok(Exit::TimedOut);
            }
        };
    line(&job)?;
    Ok(exit_of(&job.state))
}

/// Moves a deadline.
pub async fn timeout(args: &TimeoutArgs, mut context: Context) -> Result<Exit, Failure> {
    let reached = reach(&args.relay, &mut context, UNARY_CLOCKS, RelayConfig::default()).await?;
    let job = asked(reached.control.find(&args.id), &mut context).await?;
    let DeadlineArg(deadline) = args.deadline;
    let job = asked(reached.control.set_deadline(&job.id, deadline), &mut context).await?;
    let mut out = Out::new();
    match (deadline, job.deadline_s) {
        (Deadline::Never, _) | (_, None) => out.line(&format!("{}  no deadline", job.id))?,
        (Deadline::In(_) | Deadline::ExtendBy(_), Some(left)) => {
            out.line(&format!("{}  ends in {} at the latest", job.id, span(left.ceil())))?;
        }
    }
    Ok(Exit::Completed)
}

fn line(job: &Job) -> Result<(), Failure> {
    Ok(Out::new().line(&format!("{}  {}", job.id, say_state(job)))?)
}

/// A request that failed is told, and the others go on.
pub fn reported(result: Result<Exit, Failure>) -> Result<Exit, Failure> {
    match result {
        Err(failure @ Failure::Request(..)) => Ok(failure.report()),
        result => result,
    }
}
