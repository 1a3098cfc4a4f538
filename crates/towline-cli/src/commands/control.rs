//! The verbs that control answers on the relay: `kill`, `wait`, `timeout`, `pause`, `unpause`, `retry`, `rename`, `forget`, `clean`.

use std::collections::HashSet;
use std::time::Duration;

use towline::Deadline;
use towline::relay::{Filter, Job, RelayConfig};
use towline_app::answers::{Verb, handle, state_words};

use super::jobs::span;
use super::{Context, asked};
use crate::args::{
    AnswerSelection, AtRelay, CleanArgs, KillArgs, RenameArgs, TimeoutArgs, VerbArgs, WaitArgs,
};
use crate::commands::relayed::{exit_of, reach};
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};
use crate::output::{self, Out};
use crate::server::UNARY_TIMEOUTS;
use towline_app::servers::Reached;

/// No limit.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The answers that `--all` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum All {
    Running,
    Ended,
}

/// The relay, and the handles of the chosen answers.
async fn meant(
    which: &AnswerSelection,
    all: All,
    relay: &AtRelay,
    context: &mut Context,
) -> Result<(Reached, Vec<String>), Failure> {
    let reached = reach(relay, context, UNARY_TIMEOUTS, RelayConfig::default()).await?;
    if !which.all && which.group.is_none() {
        return Ok((reached, which.handles.clone()));
    }
    let handles = members(which, Some(all == All::Running), &reached, context).await?;
    if let Some(group) = &which.group
        && handles.is_empty()
        && members(which, None, &reached, context).await?.is_empty()
    {
        let complaint = Complaint::new(format!("the relay has no answer of a group {group}"));
        let hint = "a batch names its group after its file, without the extension; towline jobs --json shows the group of each answer";
        return Err(Failure::Request(complaint.hint(hint), Exit::Failed));
    }
    Ok((reached, handles))
}

/// The answers that `--all` or `--group` means now: running ones, ended ones, or both.
async fn members(
    which: &AnswerSelection,
    running: Option<bool>,
    reached: &Reached,
    context: &mut Context,
) -> Result<Vec<String>, Failure> {
    let filter = Filter { running, group: which.group.clone(), ..Filter::default() };
    let jobs = asked(reached.control.list(&filter), context).await?;
    Ok(jobs.into_iter().map(|job| job.id).collect())
}

/// Cancels answers. A failure does not affect the others.
pub async fn kill(args: &KillArgs, mut context: Context) -> Result<Exit, Failure> {
    let (reached, mut handles) = meant(&args.which, All::Running, &args.relay, &mut context).await?;
    if args.which.handles.is_empty() {
        // Queued answers are the newest: they are cancelled first, so that none of them starts in place of a
        // cancelled one.
        handles.reverse();
    }
    let mut exit = Exit::Completed;
    for handle in &handles {
        exit = exit.or(reported(kill_one(handle, &args.reason, &reached, &mut context).await)?);
    }
    Ok(exit)
}

async fn kill_one(id: &str, reason: &str, reached: &Reached, context: &mut Context) -> Result<Exit, Failure> {
    let control = &reached.control;
    let before = asked(control.find(id), context).await?;
    if before.state.is_ended() {
        output::note(&format!("{} has already ended: {}", before.id, state_words(&before)));
        return Ok(Exit::Completed);
    }
    let job = asked(Verb::Kill(reason.to_owned()).apply(control, &before.id), context).await?;
    if !job.state.is_ended() {
        output::error(&format!("{} was asked to cancel and is still {}", job.id, job.state));
        return Ok(Exit::Failed);
    }
    line(&job)?;
    Ok(Exit::Completed)
}

/// Waits for answers to end; for a group, until none of its answers is running or queued, including those
/// asked meanwhile.
pub async fn wait(args: &WaitArgs, mut context: Context) -> Result<Exit, Failure> {
    let (reached, mut handles) = meant(&args.which, All::Running, &args.relay, &mut context).await?;
    let until = tokio::time::Instant::now() + args.timeout.0.unwrap_or(FOREVER);
    let mut exit = Exit::Completed;
    let mut known: HashSet<String> = HashSet::new();
    if let Some(group) = &args.which.group {
        let count = handles.len();
        let answers = if count == 1 { "answer" } else { "answers" };
        output::note(&format!("{count} {answers} of the group {group} to wait for"));
        known.extend(members(&args.which, Some(false), &reached, &mut context).await?);
    }
    while !handles.is_empty() {
        for handle in &handles {
            exit = exit.or(reported(wait_one(handle, until, &reached, &mut context).await)?);
        }
        if args.which.group.is_none() || tokio::time::Instant::now() >= until {
            break;
        }
        known.extend(handles);
        // An answer that started and ended meanwhile counts too.
        handles = members(&args.which, None, &reached, &mut context).await?;
        handles.retain(|handle| !known.contains(handle));
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
                output::error(&format!("{} has not ended in time", job.id));
                return Ok(Exit::TimedOut);
            }
        };
    line(&job)?;
    Ok(exit_of(&job.state))
}

/// Changes deadlines.
pub async fn timeout(args: &TimeoutArgs, context: Context) -> Result<Exit, Failure> {
    let (handles, deadline) = args.read().map_err(Failure::usage)?;
    let which = AnswerSelection { handles, all: args.all, group: None };
    each(&which, All::Running, &args.relay, context, &Verb::Deadline(deadline), |job| {
        match (deadline, job.deadline_s) {
            (Deadline::Never, _) | (_, None) => format!("{}  no deadline", job.id),
            (Deadline::In(_) | Deadline::ExtendBy(_), Some(left)) => {
                format!("{}  ends in {} at the latest", job.id, span(left.ceil()))
            }
        }
    })
    .await
}

/// Pauses or unpauses answers.
pub async fn pause(args: &VerbArgs, paused: bool, context: Context) -> Result<Exit, Failure> {
    let verb = if paused { Verb::Pause } else { Verb::Unpause };
    each(&args.which, All::Running, &args.relay, context, &verb, shown).await
}

/// Repeats requests and prints the ids of the new answers.
pub async fn retry(args: &VerbArgs, context: Context) -> Result<Exit, Failure> {
    each(&args.which, All::Ended, &args.relay, context, &Verb::Retry, |job| job.id.clone()).await
}

/// Renames an answer.
pub async fn rename(args: &RenameArgs, context: Context) -> Result<Exit, Failure> {
    let which = AnswerSelection { handles: vec![args.handle.clone()], ..AnswerSelection::default() };
    let verb = Verb::Rename(args.name.clone());
    each(&which, All::Ended, &args.relay, context, &verb, |job| format!("{}  {}", job.id, handle(job))).await
}

/// Deletes ended answers with their records.
pub async fn forget(args: &VerbArgs, context: Context) -> Result<Exit, Failure> {
    let forgotten = |job: &Job| format!("forgot {}", job.id);
    each(&args.which, All::Ended, &args.relay, context, &Verb::Forget, forgotten).await
}

/// Applies one operation to each answer, and prints its state. A failure does not affect the others.
async fn each(
    which: &AnswerSelection,
    all: All,
    relay: &AtRelay,
    mut context: Context,
    verb: &Verb,
    message: impl Fn(&Job) -> String,
) -> Result<Exit, Failure> {
    let (reached, handles) = meant(which, all, relay, &mut context).await?;
    let mut exit = Exit::Completed;
    for handle in &handles {
        let done = asked(verb.apply(&reached.control, handle), &mut context).await;
        exit = exit.or(reported(done.and_then(|job| {
            Out::new().line(&message(&job))?;
            Ok(Exit::Completed)
        }))?);
    }
    Ok(exit)
}

/// Deletes all ended answers.
pub async fn clean(args: &CleanArgs, mut context: Context) -> Result<Exit, Failure> {
    let which = AnswerSelection { all: true, ..AnswerSelection::default() };
    let (reached, handles) = meant(&which, All::Ended, &args.relay, &mut context).await?;
    for handle in &handles {
        asked(reached.control.delete(handle), &mut context).await?;
    }
    let count = handles.len();
    Out::new().line(&format!("forgot {count} {}", if count == 1 { "answer" } else { "answers" }))?;
    Ok(Exit::Completed)
}

fn line(job: &Job) -> Result<(), Failure> {
    Ok(Out::new().line(&shown(job))?)
}

fn shown(job: &Job) -> String {
    format!("{}  {}", job.id, state_words(job))
}

/// Reports a failed request, so that the others continue.
pub fn reported(result: Result<Exit, Failure>) -> Result<Exit, Failure> {
    match result {
        Err(failure @ Failure::Request(..)) => Ok(failure.report()),
        result => result,
    }
}
