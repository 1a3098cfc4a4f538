//! Jobs that wait for their turn.

use std::sync::{Arc, Mutex};

use towline::EngineConfig;
use towline::engine::JobState;
use towline::engine::{JobOptions, StreamSpec};
use towline_testkit::Server;

use super::*;

#[test]
fn the_highest_priority_runs_first_and_then_the_oldest() {
    let engine = engine_with(EngineConfig { max_running: 1, ..EngineConfig::default() });
    let before = occupy(&engine);
    let order = Arc::new(Mutex::new(Vec::new()));
    let jobs: Vec<_> = [("a", 0), ("b", 5), ("c", i32::MIN), ("d", 5), ("e", i32::MAX), ("f", 0)]
        .map(|(name, priority)| {
            let options = JobOptions { name: Some(name.to_owned()), priority, ..JobOptions::default() };
            let order = Arc::clone(&order);
            engine.spawn_with(options, |_| async move { order.lock().unwrap().push(name) })
        })
        .into_iter()
        .collect();
    assert!(jobs.iter().all(|task| task.job.state() == JobState::Queued));
    jobs[3].job.cancel("not this one");
    outcome(&jobs[3].job);
    before.cancel("its place is wanted");
    for task in &jobs {
        outcome(&task.job);
    }
    assert_eq!(*order.lock().unwrap(), ["e", "b", "a", "f", "c"]);
}

#[test]
fn streams_of_one_server_wait_for_each_other_and_for_nobody_else() {
    let config = EngineConfig { max_per_host: 2, ..EngineConfig::default() };
    let (busy, other, engine) = (Server::start(silent()), Server::start(silent()), engine_with(config));
    let mut foreground = Foreground::of(&engine);
    let first: Vec<_> = (0..4).map(|_| chat(&engine, &busy)).collect();
    let second = chat(&engine, &other);
    let task = engine.spawn("needs no server", async {});
    foreground.until_state(&second, JobState::Streaming);
    foreground.until_state(&task.job, JobState::Completed);
    for job in &first[..2] {
        foreground.until_state(job, JobState::Streaming);
    }
    assert_eq!((first[2].state(), first[3].state()), (JobState::Queued, JobState::Queued));
    first[1].cancel("makes room");
    foreground.until_state(&first[2], JobState::Streaming);
    assert_eq!(first[3].state(), JobState::Queued);
    // Leaving the queue does not free a permit.
    first[3].cancel("no more");
    foreground.until_state(&first[3], JobState::Cancelled);
    let last = chat(&engine, &busy);
    eventually("it is known", || foreground.engine.job(last.id()).is_some());
    assert_eq!(last.state(), JobState::Queued);
    assert_eq!(busy.connections(), 3);
}

#[test]
fn a_thousand_jobs_get_through_two_places() {
    let engine = engine_with(EngineConfig { max_running: 2, ..EngineConfig::default() });
    let running = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let jobs: Vec<_> = (0..1000)
        .map(|n| {
            let running = Arc::clone(&running);
            engine.spawn("one of many", async move {
                assert!(running.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2);
                tokio::task::yield_now().await;
                running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                n
            })
        })
        .collect();
    for (n, task) in jobs.iter().enumerate() {
        assert_eq!(task.wait().unwrap().unwrap(), n);
    }
}

#[test]
fn prepared_streams_can_be_changed_before_they_start() {
    let (server, engine) = (Server::start(silent()), engine());
    let prepared = StreamSpec::chat(&client(&server), request("m"));
    let timeouts = towline::client::Timeouts {
        idle: Some(Duration::from_millis(10)),
        ..towline::client::Timeouts::default()
    };
    let job =
        engine.submit(prepared.map(move |stream| stream.with_timeouts(timeouts)), JobOptions::default());
    let towline::Ending::TimedOut { clock: towline::outcome::Clock::Idle, .. } = outcome(&job).ending else {
        panic!("{:?}", outcome(&job).ending)
    };
    assert_eq!(outcome(&job).reply.text, "Hello");
}
