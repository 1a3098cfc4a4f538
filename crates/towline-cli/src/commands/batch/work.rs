//! Executes a batch: submits its questions, watches their group, reads the answers.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::{Pin, pin};
use std::process::Output;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use towline::Outcome;
use towline::error::ErrorKind;
use towline::relay::{AnswerState, Change, Filter, Job, Start, Via};

use super::on_end;
use super::progress::Progress;
use super::questions::Ask;
use super::results::{EarlierResult, Results};
use super::state::{Batch, WrittenResult};
use crate::commands::{Context, asked, relay_failure};
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output;
use crate::server::hint;
use towline_app::chat::is_out_of_reach;
use towline_app::servers::Reached;

/// How often the bar is drawn and due questions are checked.
const TICK: Duration = Duration::from_millis(100);
/// The wait if the relay has no room and gives no time.
const NO_ROOM: Duration = Duration::from_secs(1);

/// The parameters of a batch.
#[derive(Debug)]
pub struct BatchOptions {
    pub group: String,
    pub retry: u16,
    pub on_end: Option<String>,
    pub notify: bool,
}

type Doing<T> = Pin<Box<dyn Future<Output = T>>>;

/// The result of submitting a question: the job's id.
type Handed = (usize, Result<String, Box<Outcome>>);

/// The relay's jobs of the group.
type Listed = Result<Vec<Job>, towline::Error>;

/// The work on answers, one after the other.
enum Done {
    Read(usize, Box<Job>, Box<Outcome>),
    Notified(Result<Output, String>),
}

/// Asks the missing questions, and writes all results.
pub async fn run(
    asks: Vec<Ask>,
    known: &std::collections::HashMap<String, EarlierResult>,
    mut results: Results,
    options: &BatchOptions,
    reached: &Reached,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let began = Instant::now();
    let filter = Filter { group: Some(options.group.clone()), ..Filter::default() };
    let listed = asked(reached.control.list(&filter), context).await?;
    let ended = listed.into_iter().filter(|job| job.state.is_ended()).map(|job| job.id).collect();
    let mut batch = Batch::new(asks, known, ended, &options.group, options.retry, began);
    let mut progress = Progress::new(batch.count());
    let mut watch = reached.control.watch(&filter);
    let mut keep = pin!(reached.keep_running());
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut handing, mut doing): (Option<Doing<Handed>>, Option<Doing<Done>>) = (None, None);
    let mut missing = BTreeMap::new();
    let (mut listing, mut is_listed): (Option<Doing<Listed>>, bool) = (None, true);
    loop {
        if handing.is_none() {
            handing = batch.ask(Instant::now()).map(|(at, id)| hand_over(at, id, &batch.asks()[at], reached));
        }
        while doing.is_none()
            && let Some(written) = batch.write()
        {
            progress.above(|| results.write(&written.line))?;
            doing = options.on_end.as_ref().map(|command| run_command(command, &written, &options.group));
        }
        if doing.is_none() {
            doing = batch.read().map(|(at, job)| read(at, job, reached));
        }
        if doing.is_none() && batch.is_done() {
            break;
        }
        tokio::select! {
            stop = context.stopper.stopped() => {
                drop(progress);
                output::stderr_break();
                output::note(&detached_message(&batch, stop.reason(), &options.group));
                return Ok(stop.into());
            }
            change = watch.next() => match change.map_err(|error| relay_failure(&error))? {
                Change::Job(job) => batch.job(&job, Instant::now()),
                Change::Removed(id) => batch.job_deleted(&id),
                Change::Reset => is_listed = false,
            },
            listed = ready(&mut listing) => if let Ok(jobs) = listed {
                batch.only(&jobs.into_iter().map(|job| job.id).collect::<HashSet<_>>());
                is_listed = true;
            },
            (at, handed) = ready(&mut handing) => match handed {
                Ok(job) => batch.asked(at, job, Instant::now()),
                Err(outcome) => no_room(&mut batch, at, &outcome)?,
            },
            done = ready(&mut doing) => match done {
                Done::Read(at, job, outcome) => {
                    is_whole(&job, &outcome)?;
                    if let Some(error) = outcome.ending.error().filter(|error| error.kind == ErrorKind::NotFound) {
                        missing.insert(batch.asks()[at].request.model.clone(), error);
                    }
                    batch.record_answer(at, &job, &outcome, Instant::now());
                }
                Done::Notified(output) => progress.above(|| show(&output)),
            },
            () = &mut keep => unreachable!("this future never ends"),
            _ = ticks.tick() => {
                progress.show(batch.count());
                if !is_listed && listing.is_none() {
                    listing = Some(list(reached, &filter));
                }
            }
        }
    }
    drop(progress);
    results.finish(batch.asks())?;
    let summary = summary(&batch, began.elapsed());
    output::note(&summary);
    let server = super::server(reached).await;
    for (model, error) in missing.iter().filter(|_| batch.count().failed > 0) {
        let hint = hint::for_error(error, &server, &context.environment, Some(model));
        hint.iter().for_each(|hint| output::hint(hint));
    }
    if options.notify {
        on_end::notify(&format!("{}: {summary}", options.group), context.environment.has_screen).await;
    }
    Ok(batch.exit())
}

/// Waits for the current work, if there is any, and takes its result.
async fn ready<T>(doing: &mut Option<Doing<T>>) -> T {
    let Some(future) = doing else { return std::future::pending().await };
    let done = future.await;
    *doing = None;
    done
}

fn hand_over(at: usize, request_id: String, ask: &Ask, reached: &Reached) -> Doing<Handed> {
    let client = reached.client.with_request_config(|config| match &mut config.via {
        Via::Server => {}
        Via::Relay(relay) => relay.request_id = Some(request_id),
    });
    let stream = client.chat(ask.request.clone());
    Box::pin(async move { (at, stream.detach().await) })
}

/// A full queue has room later. Any other refusal is final.
fn no_room(batch: &mut Batch, at: usize, outcome: &Outcome) -> Result<(), Failure> {
    let Some(mut error) = outcome.ending.error() else {
        unreachable!("a stream that completes was accepted");
    };
    if error.kind == ErrorKind::Busy {
        batch.no_room(at, error.retry_after.unwrap_or(NO_ROOM), Instant::now());
        return Ok(());
    }
    error.message = format!("question {}: {}", batch.asks()[at].number, error.message);
    Err(relay_failure(&error))
}

fn list(reached: &Reached, filter: &Filter) -> Doing<Listed> {
    let (control, filter) = (reached.control.clone(), filter.clone());
    Box::pin(async move { control.list(&filter).await })
}

/// Checks that the whole answer was read. If not, it is still on the relay, and the next run reads it.
fn is_whole(job: &Job, outcome: &Outcome) -> Result<(), Failure> {
    match outcome.ending.error() {
        Some(error) if job.state == AnswerState::Completed || is_out_of_reach(&error) => {
            Err(relay_failure(&error))
        }
        Some(_) | None => Ok(()),
    }
}

fn read(at: usize, job: Box<Job>, reached: &Reached) -> Doing<Done> {
    let stream = reached.client.attach(&job.id, Start::Beginning);
    Box::pin(async move { Done::Read(at, job, Box::new(stream.collect().await)) })
}

fn run_command(command: &str, written: &WrittenResult<'_>, group: &str) -> Doing<Done> {
    let fields = vec![
        ("TOWLINE_OUTCOME", written.outcome.to_owned()),
        ("TOWLINE_NUMBER", written.ask.number.to_string()),
        ("TOWLINE_MODEL", written.ask.request.model.clone()),
        ("TOWLINE_QUESTION", written.ask.question.clone()),
        ("TOWLINE_JOB", written.job.to_owned()),
        ("TOWLINE_GROUP", group.to_owned()),
    ];
    let (command, line) = (command.to_owned(), written.line.clone());
    Box::pin(async move { Done::Notified(on_end::run(command, fields, line).await) })
}

/// Shows the output of a command for a result.
fn show(output: &Result<Output, String>) {
    match output {
        Ok(output) => {
            for text in [&output.stdout, &output.stderr] {
                String::from_utf8_lossy(text).lines().for_each(output::stderr_line);
            }
            if !output.status.success() {
                output::warning(&format!("the command of --on-end failed: {}", output.status));
            }
        }
        Err(error) => output::warning(&format!("the command of --on-end cannot be run: {error}")),
    }
}

fn detached_message(batch: &Batch, reason: &str, group: &str) -> String {
    let count = batch.count();
    let (missing, running) = (batch.missing(), count.all - count.done - batch.missing());
    let mut message = format!("{reason}: detached; {running} answers run or wait on the relay");
    if missing > 0 {
        message.push_str(&format!(", and {missing} questions are not asked yet"));
    }
    message + &format!(". The same command resumes the batch, towline kill --group {group} cancels it")
}

fn summary(batch: &Batch, time: Duration) -> String {
    let count = batch.count();
    let answers = if count.all == 1 { "answer" } else { "answers" };
    let failed = match count.failed {
        0 => "all completed".to_owned(),
        failed => format!("{} completed, {failed} did not", count.all - failed),
    };
    format!("{} {answers} in {}: {failed}", count.all, towline::event::Span(time))
}
