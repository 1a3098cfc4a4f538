//! Each state is reported once per visit, in order, and is true.

use towline::client::RetryPolicy;
use towline::engine::JobState;
use towline::engine::{JobOptions, OnShutdown, StartAt};
use towline::{Client, Ending, EngineConfig};
use towline_testkit::{Body, Script, Server, http::NDJSON, ports, records::ollama};

use super::*;

fn one_at_a_time() -> Engine {
    engine_with(EngineConfig { max_running: 1, ..EngineConfig::default() })
}

#[test]
fn a_stream_goes_through_its_states_once_each() {
    let script = Script::request().wait("head").head(200, NDJSON, Body::Chunked).wait("first");
    let script =
        script.line(ollama::chat_text("a")).wait("last").line(ollama::chat_done("stop", 1)).end_chunks();
    let (server, engine) = (Server::start(script), one_at_a_time());
    let mut foreground = Foreground::of(&engine);
    let before = occupy(&engine);
    let job = chat(&engine, &server);
    let recorder = Recorder::of(&job);
    foreground.until_state(&job, JobState::Queued);
    before.cancel("its place is wanted");
    foreground.until_state(&job, JobState::Waiting);
    server.open("head");
    server.open("first");
    foreground.until_state(&job, JobState::Streaming);
    server.open("last");
    foreground.until_state(&job, JobState::Completed);
    let all =
        [JobState::Queued, JobState::Connecting, JobState::Waiting, JobState::Streaming, JobState::Completed];
    assert_eq!(recorder.states(), all);
    let seen = &foreground.states[&job.id()];
    assert!(
        seen.iter().all(|state| all.contains(state))
            && seen.is_sorted_by_key(|state| all.iter().position(|s| s == state))
    );
}

#[test]
fn a_refused_connection_is_never_shown_as_streaming() {
    let (refusing, engine) = (ports::Refusing::new().unwrap(), one_at_a_time());
    let before = occupy(&engine);
    let client = Client::new(&refusing.addr().to_string()).unwrap();
    let client = client.with_request_config(|config| config.retry = RetryPolicy::NEVER);
    let job = engine.chat(&client, request("m"));
    let recorder = Recorder::of(&job);
    before.cancel("its place is wanted");
    assert_eq!(recorder.states(), [JobState::Queued, JobState::Connecting, JobState::Failed]);
}

#[test]
fn every_ending_has_its_state() {
    let cases = [
        ("normal", JobState::Completed),
        ("truncate-after:2", JobState::Truncated),
        ("error-after:2", JobState::Failed),
        ("close-after:2", JobState::Truncated),
        ("error-status:500", JobState::Failed),
    ];
    let (server, engine) = (Server::start(towline_testkit::fakemodel::plan()), engine());
    for (model, state) in cases {
        let job = engine.chat(&client(&server), request(model));
        assert_eq!(JobState::of_ending(&outcome(&job).ending), state, "{model}");
        assert_eq!((job.state(), job.info().deadline_in), (state, None), "{model}");
    }
}

#[test]
fn counters_and_names_are_what_they_say() {
    let (server, engine) = (Server::start(silent()), engine());
    let options = JobOptions {
        name: Some("my name".to_owned()),
        group: Some("mine".to_owned()),
        deadline: Some(PATIENCE),
        ..JobOptions::default()
    };
    let job = submit(&engine, &server, options);
    let mut reader = job.reader(StartAt::Beginning);
    let mut text = String::new();
    while text != "Hello" {
        text += &text_of(&reader.read().unwrap().unwrap().events);
    }
    let info = job.info();
    assert_eq!(
        (&*info.name, info.group.as_deref(), info.model.as_deref()),
        ("my name", Some("mine"), Some("m"))
    );
    assert_eq!((info.id, info.state, info.records, info.tokens), (job.id(), JobState::Streaming, 2, 2));
    assert!(info.received_bytes > 100 && info.tokens_per_second > 0.0 && info.log_bytes > 0);
    assert!(info.since_last_event.unwrap() <= info.age && info.deadline_in.unwrap() <= PATIENCE);
    job.rename("another");
    assert_eq!(&*job.name(), "another");
    assert_eq!(job.text_so_far(), "Hello");
    assert!(job.result().is_none() && job.outcome().is_none());
    assert_eq!(engine.job(job.id()).map(|job| job.id()), Some(job.id()));
    job.cancel("enough");
    outcome(&job);
    let info = job.info();
    assert_eq!((info.state, info.since_last_event, info.deadline_in), (JobState::Cancelled, None, None));
    assert_eq!(job.info().age, info.age);
    let Some(Err(cancelled)) = job.result() else { panic!("a cancelled job has no whole answer") };
    assert_eq!((cancelled.reply.text.as_str(), job.text_so_far().as_str()), ("Hello", "Hello"));
    assert!(!format!("{job:?}").contains("Hello"));
}

#[test]
fn a_retry_asks_the_same_again_with_the_same_limits() {
    let (server, engine) = (Server::start([silent(), Script::ndjson(ollama::chat(&["whole"]))]), engine());
    let options = JobOptions {
        name: Some("named".to_owned()),
        priority: 3,
        deadline: Some(PATIENCE),
        ..JobOptions::default()
    };
    let first = submit(&engine, &server, options);
    first.reader(StartAt::Beginning).read().unwrap();
    first.cancel("again, please");
    outcome(&first);
    let second = first.retry().expect("a stream can be repeated");
    assert_ne!(first.id(), second.id());
    assert_eq!(&*second.name(), "named");
    assert!(second.info().deadline_in.is_some() || second.outcome().is_some());
    assert_eq!(outcome(&second).reply.text, "whole");
    assert!(engine.spawn("once", async {}).job.retry().is_none());
    engine.shutdown(OnShutdown::Cancel, PATIENCE).unwrap();
    let refused = first.retry().expect("the engine is there, if only to refuse");
    assert!(
        matches!(&outcome(&refused).ending, Ending::Failed(error) if error.message.contains("shut down"))
    );
    drop(engine);
    assert!(first.retry().is_none());
}

#[test]
fn ended_jobs_are_kept_up_to_a_number_the_first_that_ended_goes_first() {
    let engine = engine_with(EngineConfig { max_ended: 2, ..EngineConfig::default() });
    let (free, freed) = tokio::sync::oneshot::channel::<()>();
    let oldest = engine.spawn("oldest", freed);
    for name in ["a", "b", "c"] {
        engine.spawn(name, async {}).wait().unwrap().unwrap();
    }
    assert!(!engine.forget(oldest.job.id()), "it has not ended");
    free.send(()).unwrap();
    oldest.wait().unwrap().unwrap().unwrap();
    let names: Vec<_> = engine.jobs().iter().map(|job| job.name().to_string()).collect();
    assert_eq!(names, ["oldest", "c"], "by age; kept by end");
    assert!(engine.forget(oldest.job.id()) && engine.job(oldest.job.id()).is_none());
    assert!(!engine.forget(oldest.job.id()), "it is not known");
    assert!(oldest.job.outcome().is_some(), "a handle keeps its job");
}

#[test]
fn who_hears_of_an_end_can_forget_the_job_and_has_its_place() {
    let engine = one_at_a_time();
    for n in 0..4000 {
        let job = engine.spawn("short", async {}).job;
        if n % 4 == 0 {
            outcome(&job);
        } else {
            while job.outcome().is_none() {
                std::hint::spin_loop();
            }
        }
        assert!(engine.forget(job.id()));
    }
    assert!(engine.jobs().is_empty());
}
