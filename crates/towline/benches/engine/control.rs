//! How soon orders are obeyed while the server is silent.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use towline::engine::{EngineConfig, StartAt};
use towline::{ChatRequest, Client, Deadline, Engine, Job};
use towline_testkit::paced::PacedServer;

use crate::Failure;
use crate::figures::Times;

const CANCELS: usize = 2_000;
const DEADLINES: usize = 300;

/// One record at once, the next one in a quarter of an hour.
const SILENT: &str = "paced:0.001:100";

fn silent_stream(engine: &Engine, client: &Client) -> Result<Job, Failure> {
    let job = engine.chat(client, ChatRequest::new(SILENT).user("x"));
    job.reader(StartAt::Beginning).read()?;
    Ok(job)
}

pub(crate) fn cancel() -> Result<(), Failure> {
    let (server, engine) = (PacedServer::start(), Engine::start(EngineConfig::default())?);
    let client = Client::new(&server.url())?;
    let mut times = Times::default();
    for _ in 0..CANCELS {
        let job = silent_stream(&engine, &client)?;
        let cancelled = Instant::now();
        job.cancel("measured");
        job.wait()?;
        times.push(cancelled.elapsed());
    }
    times.print("cancel to outcome, server silent", "target p99 ≤ 5 ms");
    Ok(())
}

/// Deadlines that another thread moves: set far away, moved again and again, and at last near.
pub(crate) fn deadline() -> Result<(), Failure> {
    let (server, engine) = (PacedServer::start(), Engine::start(EngineConfig::default())?);
    let client = Client::new(&server.url())?;
    let (send, moved) = sync_channel::<(Job, usize)>(1);
    let (answer, due) = sync_channel::<Instant>(1);
    let mover = std::thread::spawn(move || {
        for (job, n) in moved {
            job.set_deadline(Deadline::In(Duration::from_secs(600)));
            for step in 0..n % 10 {
                job.set_deadline(Deadline::ExtendBy(Duration::from_millis(step as u64)));
            }
            let time = Duration::from_millis(3 + n as u64 % 7);
            let at = Instant::now() + time;
            job.set_deadline(Deadline::In(time));
            if answer.send(at).is_err() {
                return;
            }
        }
    });
    let mut times = Times::default();
    for n in 0..DEADLINES {
        let job = silent_stream(&engine, &client)?;
        send.send((job.clone(), n))?;
        let at = due.recv()?;
        job.wait()?;
        times.push(Instant::now().saturating_duration_since(at));
    }
    drop(send);
    mover.join().map_err(|_| "the mover panicked")?;
    times.print("moved deadline to outcome, lateness", "target ≤ 5 ms");
    Ok(())
}
