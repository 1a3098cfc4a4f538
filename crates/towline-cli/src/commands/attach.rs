//! `towline attach` and `towline log`: read the text of a job.

use std::time::Duration;

use towline::relay::{Job, READER_TIMEOUTS, RelayConfig, Start};
use towline::{Ending, Stream};
use towline_app::answers::handle;
use towline_app::settings::Config;

use super::run::received_text;
use super::{Context, asked};
use crate::args::{AttachArgs, Form, LogArgs};
use crate::commands::drive::{Driven, OnStop, drive_until};
use crate::commands::relayed::{detached_message, explain, reach};
use crate::exit::failure::Failure;
use crate::exit::{self, Exit};
use crate::output::view::{ProgressView, View};
use crate::output::{self, Out};
use towline_app::servers::Reached;

/// How long a reader that detaches from a job waits for the job's state.
const STATE_TIMEOUT: Duration = Duration::from_secs(1);

/// Follows a job to its end.
pub async fn attach(args: &AttachArgs, mut context: Context) -> Result<Exit, Failure> {
    let reached = reach(&args.relay, &mut context, READER_TIMEOUTS, RelayConfig::default()).await?;
    let job = asked(reached.control.find(&args.id), &mut context).await?;
    let start = if args.tail { Start::Tail } else { Start::Beginning };
    let stream = reached.client.attach(&job.id, start);
    follow(stream, &job, args.form, &reached, &mut context).await
}

/// Prints the text of a job so far, and with `-f` follows it.
pub async fn log(args: &LogArgs, mut context: Context) -> Result<Exit, Failure> {
    let reached = reach(&args.relay, &mut context, READER_TIMEOUTS, RelayConfig::default()).await?;
    let job = asked(reached.control.find(&args.id), &mut context).await?;
    if args.raw {
        return raw(&job.id, args.follow, &reached, &mut context).await;
    }
    if args.follow {
        let stream = reached.client.attach(&job.id, Start::Beginning);
        return follow(stream, &job, args.form, &reached, &mut context).await;
    }
    let stream = reached.client.attach_snapshot(&job.id, Start::Beginning);
    let mut view = view(&job, args.form, &context.config, &reached)?;
    match drive_until(stream, &mut view, &mut context.stopper, OnStop::Detach, &mut |_| {}).await? {
        Driven::Detached { stop } => Ok(stop.into()),
        // The text was printed; `wait` and `jobs` report how it ended.
        Driven::Ended(outcome) => match outcome.ending {
            Ending::Failed(error) if outcome.stats.records == 0 => {
                output::error(&error.message);
                Ok(Exit::from(&error))
            }
            Ending::Completed(_)
            | Ending::Truncated(_)
            | Ending::Cancelled { .. }
            | Ending::TimedOut { .. }
            | Ending::Failed(_) => Ok(Exit::Completed),
        },
    }
}

fn view(job: &Job, form: Form, config: &Config, reached: &Reached) -> Result<View, Failure> {
    let (model, server) = (job.model.as_deref().unwrap_or("the model"), reached.place.endpoint.to_string());
    Ok(match job.path.as_str() {
        _ if form.json => View::json(Some(model), &server)?,
        "/api/pull" | "/api/push" | "/api/create" => View::Progress(ProgressView::new(model, &server)),
        _ => View::answer(form.plain, config, model, &server),
    })
}

async fn follow(
    stream: Stream,
    job: &Job,
    form: Form,
    reached: &Reached,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let mut view = view(job, form, &context.config, reached)?;
    let mut on_event = |_: &_| {};
    let driven = tokio::select! {
        driven = drive_until(stream, &mut view, &mut context.stopper, OnStop::Detach, &mut on_event) => driven?,
        () = reached.keep_running() => unreachable!("this future never ends"),
    };
    let outcome = match driven {
        Driven::Ended(outcome) => outcome,
        Driven::Detached { stop } => {
            // The job, or the relay, may have ended a moment ago.
            let state = tokio::time::timeout(STATE_TIMEOUT, reached.control.job(&job.id)).await;
            output::stderr_break();
            output::note(&detached_message(handle(job), stop, state.ok().and_then(Result::ok).as_ref()));
            return Ok(stop.into());
        }
    };
    if !form.json {
        explain(&outcome, &received_text(&outcome), view.shows_links());
    }
    Ok(exit::of_ending(&outcome.ending, None))
}

async fn raw(id: &str, follow: bool, reached: &Reached, context: &mut Context) -> Result<Exit, Failure> {
    let mut log = asked(reached.control.log(id, Start::Beginning, follow), context).await?;
    let (mut out, mut bytes) = (Out::new(), Vec::new());
    loop {
        let more = asked(log.read(&mut bytes), context).await?;
        out.bytes(&bytes)?;
        bytes.clear();
        if more.is_none() {
            return Ok(Exit::Completed);
        }
    }
}
