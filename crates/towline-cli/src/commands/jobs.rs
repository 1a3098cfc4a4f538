//! `towline jobs`.

use std::collections::HashMap;
use std::time::Duration;

use towline::event::Span;
use towline::relay::{Change, Filter, Job, RelayConfig};

use super::{Context, asked};
use crate::server::UNARY_TIMEOUTS;
use towline_app::answers::{handle, state_words};
use towline_app::text::{safe, units};

use crate::args::JobsArgs;
use crate::commands::relayed::reach;
use crate::exit::Exit;
use crate::exit::failure::Failure;
use crate::output::json;
use crate::output::table::Table;
use crate::output::{self, Out};
use towline_app::servers::Reached;
use towline_app::text::duration::TimeLimit;

/// Lists the answers on the relay.
pub async fn run(args: &JobsArgs, mut context: Context) -> Result<Exit, Failure> {
    let reached = reach(&args.relay, &mut context, UNARY_TIMEOUTS, RelayConfig::default()).await?;
    let filter = Filter {
        running: args.running.then_some(true),
        text: args.text.clone(),
        group: args.group.clone(),
        since: args.since.and_then(|TimeLimit(time)| time),
        ..Filter::default()
    };
    if args.watch {
        return watch(args, &filter, &reached, &mut context).await;
    }
    let jobs = asked(reached.control.list(&filter), &mut context).await?;
    let mut out = Out::new();
    if args.json {
        for job in jobs {
            out.write(&json::line(&job))?;
        }
        return Ok(Exit::Completed);
    }
    let mut table = Table::new(if args.long { &LONG } else { &SHORT });
    // A number belongs to the last job that got it.
    let last: HashMap<u32, &str> =
        jobs.iter().filter_map(|job| Some((job.number?, job.id.as_str()))).collect();
    for job in &jobs {
        let has_number = job.number.is_some_and(|number| last.get(&number) == Some(&job.id.as_str()));
        table.row(cells(job, has_number, args.long));
    }
    table.print_fitting(if args.long { &[] } else { &ELASTIC }, &mut out)?;
    if jobs.is_empty() {
        output::note(&nothing(args));
    }
    Ok(Exit::Completed)
}

/// The message for an empty list.
fn nothing(args: &JobsArgs) -> String {
    let is_narrowed = args.running || args.group.is_some() || args.since.is_some();
    match &args.text {
        Some(text) if is_narrowed => format!("no such answer has {text:?} in its name, question or model"),
        Some(text) => format!("no answer has {text:?} in its name, question or model"),
        None if is_narrowed => "the relay has no such answer".to_owned(),
        None => "the relay has no answers; towline run -d starts one".to_owned(),
    }
}

const SHORT: [&str; 9] =
    ["JOB", "NAME", "STATE", "QUESTION", "MODEL@SERVER", "TOKENS", "TOK/S", "AGE", "LEFT"];
const LONG: [&str; 15] = [
    "JOB",
    "NAME",
    "STATE",
    "QUESTION",
    "MODEL@SERVER",
    "TOKENS",
    "TOK/S",
    "AGE",
    "LEFT",
    "ID",
    "LAST",
    "READERS",
    "ASKED BY",
    "SIZE",
    "PATH",
];
/// The columns of the short form that are shortened on a narrow terminal, and their minimum width: first the
/// question, then the model's server, then the name.
const ELASTIC: [(usize, usize); 3] = [(3, 8), (4, 10), (1, 10)];

fn cells(job: &Job, has_number: bool, long: bool) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().filter(|t| !t.is_empty()).unwrap_or("-".to_owned());
    let time = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |seconds| span(seconds).to_string());
    let is_running = !job.state.is_ended();
    let mut cells = vec![
        job.number.filter(|_| has_number).map_or("-".to_owned(), |number| format!("%{number}")),
        handle(job).to_owned(),
        if long { state_words(job) } else { job.state.to_string() },
        // On one line, whatever it contains.
        or_none(&job.question).split_whitespace().collect::<Vec<_>>().join(" "),
        format!("{}@{}", or_none(&job.model), server(job)),
        job.tokens.map_or("-".to_owned(), |tokens| tokens.to_string()),
        job.tokens_per_second.map_or("-".to_owned(), |rate| format!("{rate:.1}")),
        age(job),
        time(job.deadline_s.filter(|_| is_running)),
    ];
    if long {
        cells.extend([
            job.id.clone(),
            time(job.since_last_s.filter(|_| is_running)),
            job.readers.to_string(),
            or_none(&job.asked_by),
            units::bytes(job.bytes),
            job.path.clone(),
        ]);
    }
    cells
}

/// The model server's name or address.
fn server(job: &Job) -> &str {
    let server = job.upstream.as_deref().unwrap_or("-");
    server.strip_prefix("http://").unwrap_or(server)
}

/// The time since it was asked.
fn age(job: &Job) -> String {
    let created: Option<jiff::Timestamp> = job.created_at.parse().ok();
    let ago = created.map(|created| jiff::Timestamp::now().duration_since(created).as_secs_f64());
    ago.map_or("-".to_owned(), |seconds| span(seconds.max(0.0).floor()).to_string())
}

/// A duration from the relay, for people.
pub fn span(seconds: f64) -> Span {
    Span(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
}

async fn watch(
    args: &JobsArgs,
    filter: &Filter,
    reached: &Reached,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let mut watch = reached.control.watch(filter);
    let mut out = Out::new();
    loop {
        let line = match asked(watch.next(), context).await? {
            Change::Job(job) if args.json => json::line(&*job),
            Change::Job(job) => format!("{}\n", safe::line(&cells(&job, true, args.long).join("  "))),
            Change::Removed(id) if args.json => json::line(&serde_json::json!({ "removed": id })),
            Change::Removed(id) => format!("{id}  removed\n"),
            Change::Reset => continue,
        };
        out.write(&line)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str) -> Job {
        serde_json::from_value(serde_json::json!({ "id": id, "state": "failed", "cause": "no\u{1b}[1m" }))
            .unwrap()
    }

    #[test]
    fn what_is_missing_is_a_dash() {
        let shown = cells(&job("abcdefghijk"), true, true);
        assert_eq!(shown[..6], ["-", "abcdefghijk", "failed: no^[[1m", "-", "-@-", "-"]);
        assert_eq!((shown.len(), cells(&job("a"), true, false).len()), (LONG.len(), SHORT.len()));
    }

    #[test]
    fn a_job_is_shown_by_its_name_question_model_and_server() {
        let job: Job = serde_json::from_value(serde_json::json!({
            "id": "a1", "state": "streaming", "name": "why-so", "number": 2, "question": "why\n so?", "model": "m:1b",
            "upstream": "http://10.0.0.5:11434", "tokens": 12, "tokens_per_second": 3.25, "deadline_s": 61.0,
        }))
        .unwrap();
        let shown = cells(&job, true, false);
        assert_eq!(shown[..7], ["%2", "why-so", "streaming", "why so?", "m:1b@10.0.0.5:11434", "12", "3.2"]);
        assert_eq!(shown[8], "61 s");
        assert_eq!(cells(&job, false, false)[0], "-", "another one has its number");
    }
}
