//! `towline jobs`.

use std::time::Duration;

use towline::Span;
use towline::relay::{Change, Filter, Job, RelayConfig};

use super::{Context, UNARY_CLOCKS, asked};
use towline_app::text::{safe, units};

use crate::args::JobsArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json;
use crate::out::Out;
use crate::relayed::{Reached, reach, say_state};
use crate::table::Table;

/// So much of an id is shown where there is a short form.
const SHORT_ID: usize = 8;

/// Lists the relay's jobs.
pub async fn run(args: &JobsArgs, mut context: Context) -> Result<Exit, Failure> {
    let reached = reach(&args.relay, &mut context, UNARY_CLOCKS, RelayConfig::default()).await?;
    let filter = Filter { running: args.running.then_some(true), ..Filter::default() };
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
    let width = unique(&jobs);
    for job in &jobs {
        table.row(cells(job, args.long, width));
    }
    table.print(&mut out)?;
    Ok(Exit::Completed)
}

const SHORT: [&str; 7] = ["ID", "STATE", "MODEL", "NAME", "AGE", "SIZE", "RATE"];
const LONG: [&str; 12] = [
    "ID", "STATE", "MODEL", "NAME", "AGE", "SIZE", "RATE", "LAST", "DEADLINE", "READERS", "UPSTREAM", "PATH",
];

/// How much of each id it takes to tell them apart.
fn unique(jobs: &[Job]) -> usize {
    let mut ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    ids.sort_unstable();
    let common = |pair: &[&str]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    ids.windows(2).map(|pair| common(pair) + 1).max().unwrap_or(0).max(SHORT_ID)
}

fn cells(job: &Job, long: bool, width: usize) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().filter(|t| !t.is_empty()).unwrap_or("-".to_owned());
    let time = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |seconds| span(seconds).to_string());
    let id = if long { job.id.clone() } else { job.id.chars().take(width).collect() };
    let state = if long { say_state(job) } else { job.state.to_string() };
    let rate = job.tokens_per_second.map_or("-".to_owned(), |rate| format!("{rate:.1}/s"));
    let mut cells = vec![
        id,
        state,
        or_none(&job.model),
        or_none(&job.name),
        span(job.age_s).to_string(),
        units::bytes(job.bytes),
        rate,
    ];
    if long {
        let since = if job.state.is_ended() { None } else { job.since_last_s };
        cells.extend([
            time(since),
            time(job.deadline_s),
            job.readers.to_string(),
            or_none(&job.upstream),
            job.path.clone(),
        ]);
    }
    cells
}

/// A time of the relay's, for people.
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
            Change::Job(job) => format!("{}\n", safe::line(&cells(&job, args.long, SHORT_ID).join("  "))),
            Change::Removed(id) if args.json => json::line(&serde_json::json!({ "removed": id })),
            Change::Removed(id) => format!("{}  removed\n", id.chars().take(SHORT_ID).collect::<String>()),
            Change::Anew => continue,
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
    fn ids_are_as_long_as_it_takes() {
        assert_eq!(unique(&[]), SHORT_ID);
        assert_eq!(unique(&[job("aaaaaaaaaaaaa")]), SHORT_ID);
        assert_eq!(unique(&[job("aaaaaaaaaab"), job("b"), job("aaaaaaaaaac")]), 11);
    }

    #[test]
    fn what_is_missing_is_a_dash() {
        let cells = cells(&job("abcdefghijk"), true, SHORT_ID);
        assert_eq!(cells[..4], ["abcdefghijk", "failed: no^[[1m", "-", "-"]);
        assert_eq!(cells.len(), LONG.len());
    }
}
