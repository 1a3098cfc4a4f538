//! The engine's jobs through a relay.

use std::time::Duration;

use towline::engine::JobState;
use towline::engine::{JobOptions, StreamSpec};
use towline::relay::Start;
use towline::{Deadline, Engine, EngineConfig, Job};

use super::{Relay, client, done, piece, writing};
use crate::client_support::chat;

const PATIENCE: Duration = Duration::from_secs(30);

/// A job that has received its first piece.
fn begun(engine: &Engine, relay: &Relay) -> Job {
    let job = engine.submit(StreamSpec::chat(&client(&relay.url), chat("m")), JobOptions::default());
    wait_for(|| !relay.shared.jobs.lock().unwrap().is_empty());
    relay.job(0).log.push(&piece("Hel"));
    wait_for(|| job.text_so_far() == "Hel");
    job
}

fn wait_for(mut is: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + PATIENCE;
    while !is() {
        assert!(std::time::Instant::now() < until, "it never happens");
        std::thread::yield_now();
    }
}

fn engine() -> Engine {
    Engine::start(EngineConfig::default()).unwrap()
}

#[test]
fn a_job_is_cancelled_on_the_relay_before_it_has_ended() {
    let (engine, relay) = (engine(), writing());
    let job = begun(&engine, &relay);
    assert_eq!(job.relay_id().as_deref(), Some("job0"));
    job.cancel("enough");
    let outcome = job.wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!((job.state(), outcome.reply.text.as_str()), (JobState::Cancelled, "Hel"));
    assert_eq!(*relay.job(0).state.borrow(), "cancelled");
}

#[test]
fn a_pause_holds_back_the_relays_server() {
    let (engine, relay) = (engine(), writing());
    let job = begun(&engine, &relay);
    job.pause();
    wait_for(|| *relay.job(0).paused.borrow());
    relay.job(0).log.push(&[piece("lo"), done()].concat());
    relay.job(0).log.close();
    assert_eq!((job.state(), job.text_so_far().as_str()), (JobState::Paused, "Hel"));
    job.unpause();
    let outcome = job.wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(outcome.reply.text, "Hello");
    wait_for(|| !*relay.job(0).paused.borrow());
}

#[test]
fn a_deadline_ends_the_job_here_and_there() {
    let (engine, relay) = (engine(), writing());
    let job = begun(&engine, &relay);
    job.set_deadline(Deadline::In(Duration::from_secs(3600)));
    wait_for(|| relay.job(0).deadline.lock().unwrap()["in_s"].is_number());
    job.set_deadline(Deadline::In(Duration::from_millis(20)));
    job.wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(job.state(), JobState::TimedOut);
    assert_eq!(*relay.job(0).state.borrow(), "cancelled");
}

#[test]
fn a_job_that_is_detached_runs_on_and_can_be_attached_again() {
    let (engine, relay) = (engine(), writing());
    let job = begun(&engine, &relay);
    let id = job.detach().unwrap();
    let outcome = job.wait_timeout(PATIENCE).unwrap().unwrap();
    assert!(outcome.ending.to_string().contains("continues on the relay as job0"), "{outcome}");
    assert_eq!((outcome.reply.text.as_str(), job.detach()), ("Hel", None));
    wait_for(|| relay.counts().reads == 0);
    assert_eq!(*relay.job(0).state.borrow(), "streaming");

    let prepared = StreamSpec::attach(&client(&relay.url), &id, Start::Beginning);
    let again = engine.submit(prepared, JobOptions::default());
    relay.job(0).log.push(&[piece("lo"), done()].concat());
    relay.job(0).log.close();
    let outcome = again.wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!((outcome.reply.text.as_str(), relay.count("POST /api/chat")), ("Hello", 1));
}

#[test]
fn a_job_of_a_server_cannot_be_detached() {
    let server = towline_testkit::Server::start(
        towline_testkit::Script::ndjson_open([towline_testkit::records::ollama::chat_text("Hel")]).stall(),
    );
    let engine = engine();
    let job = engine.chat(&towline::Client::new(&server.url()).unwrap(), chat("m"));
    wait_for(|| job.text_so_far() == "Hel");
    assert_eq!((job.relay_id(), job.detach()), (None, None));
    assert_eq!(job.state(), JobState::Streaming);
}
