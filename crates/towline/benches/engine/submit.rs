//! From a call on the foreground's thread to a task that runs.

use std::time::{Duration, Instant};

use towline::engine::EngineConfig;
use towline::{Engine, EngineConfig as Config};

use crate::Failure;
use crate::figures::Times;

const HOPS: usize = 20_000;
const SUBMITS: usize = 1_000_000;
const THREADS: usize = 4;

/// One task at a time, so that each finds the engine asleep, as a person's next command does.
pub(crate) fn hop() -> Result<(), Failure> {
    let engine = Engine::start(EngineConfig::default())?;
    let (mut hops, mut round_trips) = (Times::default(), Times::default());
    for _ in 0..HOPS {
        let submitted = Instant::now();
        let running =
            engine.spawn("hop", async { Instant::now() }).wait()?.map_err(|outcome| outcome.to_string())?;
        round_trips.push(submitted.elapsed());
        hops.push(running - submitted);
    }
    hops.print("submit to running", "target p50 ≤ 10 µs");
    round_trips.print("submit to result, on the same thread", "");
    Ok(())
}

pub(crate) fn submits() -> Result<(), Failure> {
    let engine = Engine::start(Config::default())?;
    // The first use pays for memory.
    submit_from_threads(&engine, SUBMITS / 10)?;
    let mut rates = Vec::new();
    for _ in 0..3 {
        let (submitted, ended) = submit_from_threads(&engine, SUBMITS)?;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = |time: Duration| SUBMITS as f64 / time.as_secs_f64();
        rates.push((rate(submitted), rate(ended)));
    }
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (submitted, ended) = rates[rates.len() / 2];
    println!(
        "submits from {THREADS} threads  {submitted:>12.0}/s   to the end of all {ended:>12.0}/s   target ≥ 1,000,000/s"
    );
    Ok(())
}

fn submit_from_threads(engine: &Engine, count: usize) -> Result<(Duration, Duration), Failure> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..count / THREADS {
                    drop(engine.spawn("submitted", async {}));
                }
            });
        }
    });
    let submitted = begun.elapsed();
    // The table knows who has not ended.
    for job in engine.jobs() {
        job.wait()?;
    }
    Ok((submitted, begun.elapsed()))
}
