//! From a call on the foreground's thread to a task that runs.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use towline::{Engine, EngineConfig};

use crate::Failure;
use crate::figures::{Times, thread_cpu_time};

const HOPS: usize = 20_000;
const SUBMITS: usize = 200_000;
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
    bare_threads()?.print("bare thread, message to running", "what the kernel takes of that");
    round_trips.print("submit to result, on the same thread", "");
    Ok(())
}

/// The same hop between two threads that do nothing else.
fn bare_threads() -> Result<Times, Failure> {
    let (send, receive) = sync_channel::<()>(1);
    let (answer, answered) = sync_channel::<Instant>(1);
    let thread =
        std::thread::spawn(move || while receive.recv().is_ok() && answer.send(Instant::now()).is_ok() {});
    let mut times = Times::default();
    for _ in 0..HOPS {
        let sent = Instant::now();
        send.send(())?;
        times.push(answered.recv()? - sent);
    }
    drop(send);
    thread.join().map_err(|_| "the thread panicked")?;
    Ok(times)
}

pub(crate) fn submits() -> Result<(), Failure> {
    let engine = Engine::start(EngineConfig::default())?;
    // The first use pays for memory.
    submit_from_threads(&engine, SUBMITS)?;
    let mut rates = Vec::new();
    for _ in 0..15 {
        let (submitted, ended, cpu) = submit_from_threads(&engine, SUBMITS)?;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = |time: Duration| SUBMITS as f64 / time.as_secs_f64();
        rates.push((rate(submitted), rate(ended), cpu));
    }
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (submitted, ended, cpu) = rates[rates.len() / 2];
    println!(
        "submits from {THREADS} threads  {submitted:>12.0}/s   to the end of all {ended:>12.0}/s   target ≥ 1,000,000/s"
    );
    println!("processor time of a submit, on the thread that submits: {cpu:.0?}");
    Ok(())
}

fn submit_from_threads(engine: &Engine, count: usize) -> Result<(Duration, Duration, Duration), Failure> {
    let begun = Instant::now();
    let cpu: Duration = std::thread::scope(|scope| {
        let submitting = || {
            let before = thread_cpu_time();
            for _ in 0..count / THREADS {
                drop(engine.spawn("submitted", async {}));
            }
            thread_cpu_time() - before
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(submitting)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
    });
    let submitted = begun.elapsed();
    // The table knows who has not ended.
    for job in engine.jobs() {
        job.wait()?;
    }
    Ok((submitted, begun.elapsed(), cpu / u32::try_from(count)?))
}
