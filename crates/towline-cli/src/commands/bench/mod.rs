//! `towline bench`: the load, the counts, the costs, and the report.

mod cost;
mod load;
mod report;
mod tally;

use std::time::Duration;

use towline::ChatRequest;

use load::Load;
use report::{Report, Subject};
use tally::Tally;

use super::{Context, answered};
use towline_app::text::safe;

use crate::args::BenchArgs;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::json;
use crate::output::{self, Out};
use crate::server::models::{self, Choice};
use crate::server::{Need, Server, ServerKind};

/// The default number of requests per stream.
const REQUESTS_PER_STREAM: usize = 4;

/// Measures a server.
pub async fn run(args: &BenchArgs, mut context: Context) -> Result<Exit, Failure> {
    let timeouts = args.timeouts.timeouts();
    let server =
        Server::find(&args.server, &context.environment, timeouts, args.api.into(), Need::Any).await?;
    let environment = context.environment.clone();
    let choosing = models::choose(args.model.as_deref(), &[], &environment, &server);
    let model = match answered(choosing, &server, &mut context, None).await? {
        Choice::Model(chosen) => chosen.model,
        Choice::Unclear(complaint) => return Err(Failure::Usage(complaint)),
    };
    let mut request = ChatRequest::new(&model).user(&args.prompt);
    for option in &args.options {
        option.add_to(&mut request.options).map_err(|error| Failure::usage(error.to_string()))?;
    }
    let streams = args.streams.get();
    let requests =
        args.requests.map_or(streams.saturating_mul(REQUESTS_PER_STREAM), |requests| requests.get());
    let load = Load { streams, requests, request };
    let live = output::stderr_is_terminal();
    let watch = |tally: &Tally, elapsed: Duration| {
        if live {
            output::stderr(&format!("\r{}\u{1b}[K", safe::line(&progress(tally, requests, elapsed))));
        }
    };
    let result = load::run(&load, &server.client, &context.stopper, watch).await;
    if live {
        output::stderr("\r\u{1b}[K");
    }
    let stop = context.stopper.stop();
    let in_process = matches!(server.kind, ServerKind::Builtin(_));
    let subject = Subject { server: server.shown(), model, in_process, interrupted: stop.is_some() };
    let report = Report { subject: &subject, load: &load, result: &result };
    let mut out = Out::new();
    if args.json {
        out.write(&json::line(&report.json()))?;
    } else {
        for line in report.lines() {
            out.line(&line)?;
        }
    }
    Ok(match stop {
        Some(stop) => stop.into(),
        None if result.tally.not_completed() > 0 => Exit::Failed,
        None => Exit::Completed,
    })
}

fn progress(tally: &Tally, requests: usize, elapsed: Duration) -> String {
    let mut text = format!("{} of {requests} requests, {} s", tally.done, elapsed.as_secs());
    match tally.not_completed() {
        0 => {}
        count => text.push_str(&format!(", {count} not completed")),
    }
    if !tally.gap.is_empty() {
        let millis = tally.gap.value_at_quantile(0.5) as f64 / 1e3;
        text.push_str(&format!(
            ", {} tokens, {millis:.1} ms a token",
            tally.gap.len() + tally.first_token.len()
        ));
    }
    text
}
