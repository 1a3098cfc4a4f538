//! Cancelling is not cancelled.

use std::sync::mpsc::sync_channel;

use towline::engine::JobState;
use towline::engine::{JobOptions, StartAt};
use towline::{Ending, EngineConfig};
use towline_testkit::{Body, CloseKind, Script, Server, http};

use super::*;

#[test]
fn a_silent_stream_ends_at_once_and_keeps_what_it_received() {
    let (server, engine) = (Server::start(silent()), engine());
    let job = chat(&engine, &server);
    let mut reader = job.reader(StartAt::Beginning);
    // The reader's position decides: the job may be ahead of it.
    let mut read = String::new();
    while read != "Hello" {
        read += &text_of(&reader.read().unwrap().unwrap().events);
    }
    let recorder = Recorder::of(&job);
    job.cancel("seen enough");
    job.cancel("a later reason does not count");
    let ended = outcome(&job);
    assert_eq!(
        ended.ending,
        Ending::Cancelled { reason: "seen enough".to_owned(), may_have_had_effect: true }
    );
    assert_eq!(ended.reply.text, "Hello");
    assert!(server.wait_for_close(0, PATIENCE).is_some());
    assert_eq!(recorder.states_but_cancelling(), [JobState::Streaming, JobState::Cancelled]);
    let last = reader.try_read().expect("the end can be read");
    assert_eq!((last.events.len(), last.outcome.is_some(), reader.is_ended()), (0, true, true));
    job.cancel("too late");
    job.pause();
    assert_eq!(job.state(), JobState::Cancelled);
}

#[test]
fn a_stream_that_is_still_connecting_or_waiting_is_cancelled_too() {
    let hole = towline_testkit::ports::BlackHole::new().unwrap();
    let (server, engine) = (Server::start(Script::request().stall()), engine());
    let connecting = engine.chat(&Client::new(&hole.addr().to_string()).unwrap(), request("m"));
    let waiting = chat(&engine, &server);
    let mut foreground = Foreground::of(&engine);
    foreground.until_state(&connecting, JobState::Connecting);
    foreground.until_state(&waiting, JobState::Waiting);
    for (job, effect) in [(connecting, false), (waiting, true)] {
        job.cancel("no");
        let ending = &outcome(&job).ending;
        assert_eq!(*ending, Ending::Cancelled { reason: "no".to_owned(), may_have_had_effect: effect });
    }
}

#[test]
fn a_cancelled_stream_is_not_tried_again() {
    // Refused with `Retry-After`, while the body of the refusal is still in flight.
    let head = http::response_head(503, &[("Retry-After", "20")], Body::Chunked);
    let server = Server::start(Script::request().send(head).chunk("busy").stall());
    for cancel in [true, false] {
        let engine = engine();
        let job = chat(&engine, &server);
        eventually("the refusal arrives", || job.info().received_bytes > 0);
        if cancel {
            job.cancel("no");
        } else {
            job.set_deadline(towline::Deadline::In(Duration::ZERO));
        }
        let ended =
            job.wait_timeout(Duration::from_secs(10)).unwrap().expect("it must not wait to try again");
        // The server refused before the cancel, so the refusal ended the job.
        assert_eq!((job.state(), ended.retried.len()), (JobState::Failed, 0));
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_task_that_cleans_up_is_cancelling_until_it_is_done() {
    let engine = engine();
    let (cleaned, wait) = tokio::sync::oneshot::channel::<()>();
    let (said, heard) = sync_channel(1);
    let task = engine.spawn_with(JobOptions::default(), |control| async move {
        control.cancelled().await;
        said.send(control.is_cancelled()).unwrap();
        wait.await.unwrap();
        "clean"
    });
    let mut foreground = Foreground::of(&engine);
    foreground.until_state(&task.job, JobState::Running);
    task.job.cancel("stop");
    assert!(heard.recv_timeout(PATIENCE).unwrap());
    // The job has received the cancel and is cleaning up: not cancelled yet.
    assert_eq!((task.job.state(), task.job.outcome()), (JobState::Cancelling, None));
    foreground.until_state(&task.job, JobState::Cancelling);
    cleaned.send(()).unwrap();
    foreground.until_state(&task.job, JobState::Cancelled);
    assert_eq!(task.wait().unwrap().unwrap(), "clean", "the result of a task that was cancelled is kept");
    assert!(task.wait().unwrap().is_err(), "it is there once");
}

#[test]
fn cancel_now_does_not_let_it_clean_up() {
    let engine = engine();
    let task = engine.spawn_with(JobOptions::default(), |control| async move {
        control.cancelled().await;
        std::future::pending::<()>().await;
    });
    eventually("it runs", || task.job.state() == JobState::Running);
    task.job.cancel("please");
    task.job.cancel_now("now");
    let ending = &task.wait().unwrap().unwrap_err().ending;
    assert_eq!(*ending, Ending::Cancelled { reason: "please".to_owned(), may_have_had_effect: true });
}

#[test]
fn the_deadline_of_a_task_that_cleans_up_ends_its_cleaning_as_cancelled() {
    let engine = engine();
    let task = engine.spawn_with(JobOptions::default(), |_| std::future::pending::<()>());
    eventually("it runs", || task.job.state() == JobState::Running);
    task.job.cancel("stop");
    task.job.set_deadline(towline::Deadline::In(Duration::ZERO));
    assert!(task.wait().unwrap().is_err());
    assert_eq!(task.job.state(), JobState::Cancelled);
}

#[test]
fn a_queued_job_is_cancelled_without_having_begun() {
    let (server, engine) =
        (Server::start(silent()), engine_with(EngineConfig { max_running: 0, ..EngineConfig::default() }));
    let stream = chat(&engine, &server);
    let task = engine.spawn_with(JobOptions::default(), |_| std::future::pending::<()>()).job;
    for job in [stream, task] {
        let recorder = Recorder::of(&job);
        job.cancel("no more");
        let Ending::Cancelled { may_have_had_effect: false, .. } = outcome(&job).ending else {
            panic!("{job:?}")
        };
        assert_eq!(recorder.states_but_cancelling(), [JobState::Queued, JobState::Cancelled]);
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn dropping_handles_and_readers_stops_nothing() {
    let (server, engine) = (Server::start(gated()), engine());
    let job = chat(&engine, &server);
    let id = job.id();
    drop(job.reader(StartAt::Beginning));
    drop(job);
    assert!(server.wait_until_at("go", 1, PATIENCE));
    server.open("go");
    let job = engine.job(id).expect("the engine knows it");
    assert_eq!(outcome(&job).reply.text, "ab");
    assert!(server.closed(0).is_none_or(|close| close.kind == CloseKind::Fin));
}
