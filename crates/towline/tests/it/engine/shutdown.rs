//! The end of an engine, phase by phase.

use std::sync::mpsc::sync_channel;

use towline::engine::JobState;
use towline::engine::{JobOptions, OnShutdown, ShutdownReport, StartAt, StreamSpec};
use towline::{Ending, EngineConfig};
use towline_testkit::Server;

use super::*;

fn names(infos: &[towline::engine::JobInfo]) -> Vec<&str> {
    infos.iter().map(|info| &*info.name).collect()
}

fn named(name: &str) -> JobOptions {
    JobOptions { name: Some(name.to_owned()), ..JobOptions::default() }
}

#[test]
fn finishing_lets_running_and_queued_jobs_end() {
    let config = EngineConfig { max_running: 1, ..EngineConfig::default() };
    let (server, engine) = (Server::start(gated()), engine_with(config));
    let prepared = StreamSpec::chat(&client(&server), request("m"));
    engine.submit(prepared.clone(), named("streams"));
    assert!(server.wait_until_at("go", 1, PATIENCE));
    engine.submit(prepared, named("queued"));
    engine.spawn("fails", async { panic!("in its own time") });
    let ending = engine.clone();
    let shutdown = std::thread::spawn(move || ending.shutdown(OnShutdown::Finish, PATIENCE).unwrap());
    eventually("it refuses", || engine.spawn("probe", async {}).job.state() == JobState::Failed);
    server.open("go");
    let report = shutdown.join().unwrap();
    let finished = names(&report.finished);
    assert_eq!(finished[..3], ["streams", "queued", "fails"]);
    assert_eq!((report.cut.len(), report.stuck.len()), (0, 0));
}

#[test]
fn what_has_not_finished_when_the_grace_time_is_up_is_cut() {
    let (server, engine) = (Server::start(silent()), engine());
    let job = submit(&engine, &server, named("silent"));
    job.reader(StartAt::Beginning).read().unwrap();
    let report = engine.shutdown(OnShutdown::Finish, Duration::from_millis(5)).unwrap();
    assert_eq!((names(&report.cut), report.finished.len()), (vec!["silent"], 0));
    assert_eq!(report.cut[0].state, JobState::Cancelled);
    assert!(!job.outcome().unwrap().reply.text.is_empty(), "what was received is kept");
}

/// Delays the caller that cancels the first job until the next one could have started in its place.
struct Blocking {
    next: Job,
}

impl Wake for Blocking {
    fn wake(self: Arc<Self>) {
        let until = Instant::now() + Duration::from_millis(50);
        while self.next.outcome().is_none() && Instant::now() < until {
            std::thread::yield_now();
        }
    }
}

#[test]
fn jobs_that_wait_for_their_turn_never_begin_when_the_engine_ends() {
    for (on_shutdown, grace) in [(OnShutdown::Cancel, PATIENCE), (OnShutdown::Finish, Duration::ZERO)] {
        let engine = engine_with(EngineConfig { max_running: 1, ..EngineConfig::default() });
        let first = occupy(&engine);
        let waiting: Vec<_> = (0..10).map(|_| engine.spawn("waits", async {}).job).collect();
        let mut end = first.into_future();
        let blocking = Waker::from(Arc::new(Blocking { next: waiting[0].clone() }));
        assert!(end.as_mut().poll(&mut Context::from_waker(&blocking)).is_pending());
        let report = engine.shutdown(on_shutdown, grace).unwrap();
        assert_eq!(report.cut.len(), 11);
        for job in waiting {
            let Ending::Cancelled { may_have_had_effect: false, .. } = outcome(&job).ending else {
                panic!("{job:?} began")
            };
        }
    }
}

#[test]
fn cancelling_lets_tasks_clean_up_within_the_grace_time() {
    let engine = engine();
    engine.spawn("done before", async {}).wait().unwrap().unwrap();
    let cleans = engine.spawn_with(named("cleans"), |control| async move {
        control.cancelled().await;
        tokio::task::yield_now().await;
        "clean"
    });
    let stubborn = engine.spawn_with(named("stubborn"), |_| std::future::pending::<()>());
    for job in [&cleans.job, &stubborn.job] {
        eventually("it runs", || job.state() == JobState::Running);
    }
    let report = engine.shutdown(OnShutdown::Cancel, Duration::from_millis(20)).unwrap();
    assert_eq!(names(&report.cut), ["cleans", "stubborn"]);
    assert_eq!((report.finished.len(), report.stuck.len()), (0, 0));
    assert_eq!(cleans.take_value(), Some("clean"));
    assert!(stubborn.job.outcome().is_some());
}

#[test]
fn an_engine_that_is_shut_down_refuses_and_says_so() {
    let (server, engine) = (Server::start(silent()), engine());
    let report = engine.shutdown(OnShutdown::Finish, PATIENCE).unwrap();
    assert!(report.finished.is_empty() && report.cut.is_empty() && report.stuck.is_empty());
    let stream = chat(&engine, &server);
    let task = engine.spawn("late", async { 1 });
    for job in [&stream, &task.job] {
        let Ending::Failed(error) = &outcome(job).ending else { panic!("{job:?}") };
        assert!(error.message.contains("shut down") && !error.may_have_had_effect);
    }
    assert!(task.wait().unwrap().is_err());
    assert!(!engine.on_change(|| ()).unwrap());
    assert_eq!((server.connections(), engine.jobs().len()), (0, 0));
}

#[test]
fn a_second_shutdown_waits_for_the_first_and_has_its_report() {
    let engine = engine();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let task = engine.spawn("ends late", ended);
    eventually("it runs", || task.job.state() == JobState::Running);
    let first = {
        let engine = engine.clone();
        std::thread::spawn(move || engine.shutdown(OnShutdown::Finish, PATIENCE).unwrap())
    };
    eventually("the first has begun", || engine.spawn("probe", async {}).wait().unwrap().is_err());
    let second = {
        let engine = engine.clone();
        std::thread::spawn(move || engine.shutdown(OnShutdown::Cancel, Duration::ZERO).unwrap())
    };
    assert_eq!(task.job.state(), JobState::Running, "the first still lets it finish");
    end.send(()).unwrap();
    let names_of = |report: &ShutdownReport| {
        report.finished.iter().map(|info| info.name.to_string()).collect::<Vec<_>>()
    };
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    assert!(names_of(&first).contains(&"ends late".to_owned()));
    assert_eq!(names_of(&first), names_of(&second));
}

#[test]
fn code_that_does_not_return_is_reported_as_stuck_and_stays_cancelling() {
    let engine = engine();
    let (release, held) = sync_channel::<()>(0);
    let stuck = engine.spawn("stuck", async move { held.recv().unwrap() });
    eventually("it runs", || stuck.job.state() == JobState::Running);
    let report = engine.shutdown(OnShutdown::Cancel, Duration::ZERO).unwrap();
    assert_eq!((names(&report.stuck), report.cut.len()), (vec!["stuck"], 0));
    assert_eq!(report.stuck[0].state, JobState::Cancelling);
    assert_eq!(stuck.job.state(), JobState::Cancelling, "it still runs");
    release.send(()).unwrap();
    outcome(&stuck.job);
    assert_eq!(stuck.take_value(), Some(()));
}

#[test]
fn dropping_the_last_handle_cancels_and_joins() {
    let (server, engine) = (Server::start(silent()), engine());
    let stream = chat(&engine, &server);
    stream.reader(StartAt::Beginning).read().unwrap();
    let cleans = engine.spawn_with(JobOptions::default(), |control| async move {
        control.cancelled().await;
        "clean"
    });
    eventually("it runs", || cleans.job.state() == JobState::Running);
    let clone = engine.clone();
    drop(engine);
    assert_eq!(cleans.job.state(), JobState::Running, "another handle keeps the engine");
    drop(clone);
    assert_eq!((stream.state(), cleans.take_value()), (JobState::Cancelled, Some("clean")));
    assert!(!stream.text_so_far().is_empty() && stream.reader(StartAt::Beginning).try_read().is_some());
}

#[test]
fn jobs_that_are_submitted_while_it_shuts_down_end_one_way_or_the_other() {
    for _ in 0..20 {
        let engine = engine();
        let submitting = {
            let engine = engine.clone();
            std::thread::spawn(move || {
                (0..200).map(|n| engine.spawn("late", async move { n })).collect::<Vec<_>>()
            })
        };
        engine.shutdown(OnShutdown::Cancel, PATIENCE).unwrap();
        for (n, task) in submitting.join().unwrap().into_iter().enumerate() {
            match task.wait().unwrap() {
                Ok(value) => assert_eq!(value, n),
                Err(outcome) => assert!(!outcome.is_completed()),
            }
        }
    }
}

#[test]
fn a_stream_that_is_dropped_by_the_end_of_its_engine_keeps_what_it_received() {
    let engine = engine_with(EngineConfig { threads: 1, ..EngineConfig::default() });
    let server = Server::start(silent());
    let stream = chat(&engine, &server);
    eventually("it has received", || stream.text_so_far() == "Hello");
    let (release, held) = sync_channel::<()>(0);
    let stuck = engine.spawn("stuck", async move { held.recv().unwrap() });
    eventually("the only thread is held", || stuck.job.state() == JobState::Running);
    let report = engine.shutdown(OnShutdown::Finish, Duration::ZERO).unwrap();
    assert_eq!(report.stuck.len(), 2);
    release.send(()).unwrap();
    let ended = outcome(&stream);
    assert!(matches!(ended.ending, Ending::Cancelled { .. }));
    assert_eq!((ended.reply.text.as_str(), ended.stats.records), ("Hello", 2));
}
