//! How long the engine takes from the order to the end.

use std::time::Instant;

use towline::engine::{JobOptions, StreamSpec};
use towline::{ChatRequest, Client, Ending, Engine, EngineConfig, Job, Message};
use towline_testkit::paced::PacedServer;

use crate::figures::Times;

const STREAMS: usize = 64;
const ROUNDS: usize = 16;

/// Of 64 answers at 200 tokens a second, each is cancelled while the others go on.
pub(crate) fn all() {
    println!("64 answers at 200 tokens a second, cancelled one after the other, {ROUNDS} times");
    let server = PacedServer::start();
    let client = Client::new(&server.url()).expect("the server's own address");
    let engine = Engine::start(EngineConfig::default()).expect("threads");
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        let jobs: Vec<Job> = (0..STREAMS).map(|_| submit(&engine, &client)).collect();
        for job in &jobs {
            while job.info().tokens == 0 {
                std::thread::yield_now();
            }
        }
        for job in jobs {
            let ordered = Instant::now();
            job.cancel("a measurement");
            let outcome = job.wait().expect("not one of the engine's own tasks");
            times.push(ordered.elapsed());
            assert!(matches!(outcome.ending, Ending::Cancelled { .. }), "{outcome:?}");
        }
    }
    times.print("  from the order to the end", "p99 ≤ 5 ms");
    println!();
}

fn submit(engine: &Engine, client: &Client) -> Job {
    let request = ChatRequest::new("paced:200:1000000").message(Message::user("Go."));
    engine.submit(StreamSpec::chat(client, request), JobOptions::default())
}
