//! Deadlines that change: a job ends at the last one, whichever thread set it and whenever.

use towline::engine::JobState;
use towline::engine::{JobOptions, StartAt};
use towline::outcome::Clock;
use towline::{Deadline, Ending, EngineConfig};
use towline_testkit::Server;

use super::*;

const SOON: Duration = Duration::from_millis(20);
const FAR: Duration = Duration::from_secs(3600);

fn timed_out(job: &Job) -> Duration {
    let ended = outcome(job);
    let Ending::TimedOut { clock: Clock::Total, limit, .. } = &ended.ending else {
        panic!("{:?}", ended.ending)
    };
    *limit
}

fn stream_and_task(engine: &Engine, server: &Server, deadline: Option<Duration>) -> [Job; 2] {
    let options = JobOptions { deadline, ..JobOptions::default() };
    let task = engine.spawn_with(options.clone(), |_| std::future::pending::<()>()).job;
    let stream = submit(engine, server, options);
    stream.reader(StartAt::Beginning).read().unwrap();
    eventually("the task runs", || task.state() == JobState::Running);
    [stream, task]
}

#[test]
fn it_is_what_was_set_at_the_start() {
    let (server, engine) = (Server::start(silent()), engine());
    let job = submit(&engine, &server, JobOptions { deadline: Some(SOON), ..JobOptions::default() });
    assert_eq!(timed_out(&job), SOON, "the outcome says what it was set to");
    assert_eq!(job.state(), JobState::TimedOut);
}

#[test]
fn it_is_moved_sooner_from_another_thread() {
    let (server, engine) = (Server::start(silent()), engine());
    for job in stream_and_task(&engine, &server, Some(FAR)) {
        let mover = job.clone();
        std::thread::spawn(move || mover.set_deadline(Deadline::In(SOON))).join().unwrap();
        assert!(timed_out(&job) < FAR);
        assert!(job.info().age >= SOON);
    }
}

#[test]
fn it_is_set_where_there_was_none_and_lifted() {
    let (server, engine) = (Server::start(silent()), engine());
    for job in stream_and_task(&engine, &server, None) {
        job.set_deadline(Deadline::ExtendBy(FAR));
        assert!(job.info().deadline_in.is_some_and(|left| left > FAR - PATIENCE));
        job.set_deadline(Deadline::Never);
        assert_eq!(job.info().deadline_in, None);
        job.set_deadline(Deadline::In(SOON));
        timed_out(&job);
    }
}

#[test]
fn it_is_moved_again_and_again_and_the_last_one_counts() {
    let (server, engine) = (Server::start(silent()), engine());
    for job in stream_and_task(&engine, &server, Some(FAR)) {
        for n in 0..1000 {
            job.set_deadline(if n % 2 == 0 { Deadline::In(FAR) } else { Deadline::ExtendBy(FAR) });
        }
        let at_last = Instant::now();
        job.set_deadline(Deadline::In(SOON));
        timed_out(&job);
        assert!(at_last.elapsed() >= SOON, "not before its time");
    }
}

#[test]
fn one_that_has_passed_can_be_moved_while_nobody_has_noticed() {
    let engine = engine_with(EngineConfig { threads: 1, ..EngineConfig::default() });
    let (server, task) = (Server::start(silent()), engine.spawn("task", std::future::pending::<()>()).job);
    let stream = chat(&engine, &server);
    stream.reader(StartAt::Beginning).read().unwrap();
    // The engine's only thread is blocked, so that it cannot notice.
    let (hold, held) = std::sync::mpsc::sync_channel::<()>(0);
    let holder = engine.spawn("holds the thread", async move { held.recv().unwrap() });
    eventually("the thread is held", || holder.job.state() == JobState::Running);
    for job in [&task, &stream] {
        job.set_deadline(Deadline::In(Duration::ZERO));
        assert_eq!(job.info().deadline_in, Some(Duration::ZERO));
        job.set_deadline(Deadline::ExtendBy(FAR));
    }
    hold.send(()).unwrap();
    holder.wait().unwrap().unwrap();
    engine.spawn("the others had their turn", tokio::task::yield_now()).wait().unwrap().unwrap();
    for job in [task, stream] {
        assert_eq!(job.outcome(), None, "{job:?}");
        job.set_deadline(Deadline::In(Duration::ZERO));
        timed_out(&job);
    }
}

#[test]
fn it_counts_while_queued_and_while_paused() {
    let (server, engine) =
        (Server::start(silent()), engine_with(EngineConfig { max_running: 2, ..EngineConfig::default() }));
    let [stream, task] = stream_and_task(&engine, &server, None);
    let queued = chat(&engine, &server);
    for job in [queued, stream, task] {
        job.pause();
        job.set_deadline(Deadline::In(FAR));
        assert_eq!(job.state(), JobState::Paused);
        job.set_deadline(Deadline::In(SOON));
        timed_out(&job);
    }
}

#[test]
fn waiting_with_a_limit_is_not_a_deadline() {
    let (server, engine) = (Server::start(silent()), engine());
    let job = chat(&engine, &server);
    assert_eq!(job.wait_timeout(SOON).unwrap(), None);
    assert!(
        job.reader(StartAt::Now).read_timeout(Duration::ZERO).unwrap().is_none() || !job.state().is_ended()
    );
    assert!(!job.state().is_ended(), "the job continues");
}
