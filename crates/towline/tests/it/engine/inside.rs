//! The engine inside async code, and inside its own jobs.

use towline::Ending;
use towline::engine::JobState;
use towline::engine::{EngineError, Group, JobOptions, OnShutdown, StartAt};
use towline_testkit::{Server, fakemodel};

use super::*;

fn runtimes() -> [tokio::runtime::Runtime; 2] {
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let multi = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    [current.unwrap(), multi.unwrap()]
}

#[test]
fn an_engine_lives_its_whole_life_inside_async_code() {
    let server = Server::start(fakemodel::plan());
    for runtime in runtimes() {
        runtime.block_on(async {
            let engine = engine();
            let job = engine.chat(&client(&server), request("words:50"));
            let task = engine.spawn("a task", async { tokio::task::yield_now().await });
            let mut reader = job.reader(StartAt::Beginning);
            let mut text = String::new();
            while let Some(batch) = reader.next().await {
                text += &text_of(&batch.events);
            }
            let whole = (&job).await;
            assert_eq!(text, whole.reply.text);
            task.await.unwrap();
            let stays = engine.spawn("stays", std::future::pending::<()>());
            let report = engine.shutdown_async(OnShutdown::Cancel, PATIENCE).await.unwrap();
            assert_eq!(report.cut.len(), 1);
            assert!(stays.await.is_err());
        });
    }
}

#[test]
fn the_last_handle_may_be_dropped_in_async_code() {
    for runtime in runtimes() {
        let job = runtime.block_on(async {
            let engine = engine();
            let job = engine.spawn("stays", std::future::pending::<()>()).job;
            drop(engine);
            job
        });
        assert_eq!(job.state(), JobState::Cancelled);
    }
}

#[test]
fn calls_that_wait_are_refused_inside_a_job_and_awaiting_works() {
    let engine = engine();
    let other = engine.spawn("other", std::future::pending::<()>());
    eventually("it runs", || other.job.state() == JobState::Running);
    let (inner, handle) = (other.clone(), engine.downgrade());
    let task = engine.spawn("asks", async move {
        let would = EngineError::WouldDeadlock;
        let job = &inner.job;
        assert_eq!(job.wait().unwrap_err(), would);
        assert_eq!(job.wait_timeout(Duration::ZERO).unwrap_err(), would);
        assert_eq!(inner.wait().unwrap_err(), would);
        assert_eq!(job.reader(StartAt::Beginning).read().unwrap_err(), would);
        assert_eq!(job.reader(StartAt::Beginning).read_timeout(Duration::ZERO).unwrap_err(), would);
        let group = Group::of([job.clone()]);
        assert_eq!(group.wait_all().unwrap_err(), would);
        assert_eq!(group.wait_all_timeout(Duration::ZERO).unwrap_err(), would);
        assert_eq!(group.wait_first().unwrap_err(), would);
        assert_eq!(group.wait_failure().unwrap_err(), would);
        let engine = handle.upgrade().unwrap();
        assert_eq!(engine.shutdown(OnShutdown::Cancel, Duration::ZERO).unwrap_err(), would);
        assert_eq!(engine.shutdown_async(OnShutdown::Cancel, Duration::ZERO).await.unwrap_err(), would);
        assert!(would.to_string().contains("await"));
        // Methods that do not wait work here too.
        let sibling = engine.spawn("sibling", async { 7 });
        assert_eq!(sibling.await.unwrap(), 7);
        job.cancel("from a job");
        inner.await.unwrap_err().ending.clone()
    });
    let ending = task.wait().unwrap().unwrap();
    assert_eq!(ending, Ending::Cancelled { reason: "from a job".to_owned(), may_have_had_effect: true });
}

#[test]
fn a_job_may_drop_the_last_handle_of_its_engine() {
    let engine = engine();
    let bystander = engine.spawn("bystander", std::future::pending::<()>()).job;
    let (send, receive) = tokio::sync::oneshot::channel::<Engine>();
    let task = engine.spawn("drops the engine", async move {
        drop(receive.await.unwrap());
        "returned"
    });
    let weak = engine.downgrade();
    assert!(send.send(engine).is_ok());
    assert_eq!(task.wait().unwrap().unwrap(), "returned");
    assert!(matches!(outcome(&bystander).ending, Ending::Cancelled { .. }));
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_job_of_one_engine_may_await_a_job_of_another() {
    let (one, two) = (engine(), engine());
    let inner = two.spawn("inner", async { 7 });
    let outer = one.spawn_with(JobOptions::default(), |_| async move { inner.await.unwrap() + 1 });
    assert_eq!(outer.wait().unwrap().unwrap(), 8);
}
