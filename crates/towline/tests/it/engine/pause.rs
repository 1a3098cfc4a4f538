//! A paused job reads nothing and loses nothing.

use towline::engine::JobState;
use towline::engine::{JobOptions, OnShutdown, StartAt};
use towline::{EngineConfig, Event};
use towline_testkit::{Script, Server, http, records::ollama};

use super::*;

/// More than the buffers of a loopback connection hold.
const FLOOD_BYTES: u64 = 32 << 20;

#[test]
fn a_paused_stream_holds_the_server_back_and_continues_where_it_was() {
    let line = ollama::chat_text(&"x".repeat(1000));
    let script = Script::ndjson_open([&line])
        .wait("flood")
        .flood(http::chunk(http::line(&line)), FLOOD_BYTES)
        .line(ollama::chat_done("stop", 1))
        .end_chunks()
        .wait("flooded");
    let (server, engine) = (Server::start(script), engine());
    let job = chat(&engine, &server);
    let mut reader = job.reader(StartAt::Beginning);
    let mut received = text_of(&reader.read().unwrap().unwrap().events).len();
    let recorder = Recorder::of(&job);
    job.pause();
    job.pause();
    assert_eq!(job.state(), JobState::Paused);
    server.open("flood");
    assert!(!server.wait_until_at("flooded", 1, Duration::from_millis(300)), "the server is held back");
    assert!(server.sent_bytes(0) < FLOOD_BYTES);
    assert_eq!(reader.try_read(), None);
    job.unpause();
    while let Some(batch) = reader.read().unwrap() {
        received += text_of(&batch.events).len();
    }
    let ended = outcome(&job);
    assert!(ended.is_completed() && server.wait_until_at("flooded", 1, PATIENCE));
    assert_eq!(received, ended.reply.text.len());
    assert_eq!(
        recorder.states(),
        [JobState::Streaming, JobState::Paused, JobState::Streaming, JobState::Completed]
    );
}

#[test]
fn a_paused_stream_can_be_cancelled() {
    let (server, engine) = (Server::start(silent()), engine());
    let job = chat(&engine, &server);
    job.reader(StartAt::Beginning).read().unwrap();
    job.pause();
    let recorder = Recorder::of(&job);
    job.cancel("no");
    assert_eq!(recorder.states_but_cancelling(), [JobState::Paused, JobState::Cancelled]);
}

#[test]
fn a_paused_task_is_not_polled_until_it_is_unpaused_or_cancelled() {
    let engine = engine_with(EngineConfig { threads: 1, ..EngineConfig::default() });
    let (send, receive) = tokio::sync::oneshot::channel::<u32>();
    let task = engine.spawn("paused", receive);
    // The only thread has left the first job when it has done the second.
    engine.spawn("second", async {}).wait().unwrap().unwrap();
    task.job.pause();
    send.send(7).unwrap();
    engine.spawn("another continues", async {}).wait().unwrap().unwrap();
    assert_eq!((task.job.state(), task.take_value()), (JobState::Paused, None));
    task.job.unpause();
    assert_eq!(task.wait().unwrap().unwrap(), Ok(7));

    let cleans = engine.spawn_with(JobOptions::default(), |control| async move {
        control.cancelled().await;
        "cleaned up"
    });
    eventually("it runs", || cleans.job.state() == JobState::Running);
    cleans.job.pause();
    cleans.job.cancel("stop");
    assert_eq!(cleans.wait().unwrap().unwrap(), "cleaned up");
    assert_eq!(cleans.job.state(), JobState::Cancelled);
}

#[test]
fn pausing_before_its_turn_keeps_a_stream_from_connecting() {
    let (server, engine) =
        (Server::start(gated()), engine_with(EngineConfig { max_running: 1, ..Default::default() }));
    let before = occupy(&engine);
    let job = chat(&engine, &server);
    job.pause();
    before.cancel("its place is wanted");
    outcome(&before);
    engine.shutdown(OnShutdown::Finish, Duration::ZERO).unwrap();
    assert_eq!((server.connections(), job.state()), (0, JobState::Cancelled));
}

#[test]
fn interleaved_pauses_lose_nothing() {
    let (server, engine) = (Server::start(towline_testkit::fakemodel::plan()), engine());
    let job = engine.chat(&client(&server), request("words:3000"));
    let switch = job.clone();
    let switching = std::thread::spawn(move || {
        while switch.outcome().is_none() {
            switch.pause();
            switch.unpause();
        }
    });
    let (mut reader, mut events) = (job.reader(StartAt::Beginning), Vec::new());
    while let Some(batch) = reader.read().unwrap() {
        assert_eq!(batch.missed, 0);
        events.extend(batch.events);
    }
    switching.join().unwrap();
    let ended = outcome(&job);
    assert!(ended.is_completed());
    assert_eq!(text_of(&events), ended.reply.text);
    assert!(matches!(events.last(), Some(Event::Usage(_))));
}
