//! Tasks: their results, and the effect of their panics.

use towline::Ending;
use towline::engine::JobOptions;
use towline::engine::JobState;
use towline::error::ErrorKind;

use super::*;

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("dropped badly");
    }
}

fn failure(job: &Job) -> String {
    let ended = outcome(job);
    let Ending::Failed(error) = &ended.ending else { panic!("{:?}", ended.ending) };
    assert_eq!(error.kind, ErrorKind::Task);
    error.message.clone()
}

#[test]
fn a_value_is_returned_once_to_the_first_caller() {
    let engine = engine();
    let task = engine.spawn("makes a text", async { "made".to_owned() });
    let clone = task.clone();
    assert_eq!(task.wait().unwrap().unwrap(), "made");
    let again = clone.wait().unwrap().unwrap_err();
    assert!(again.is_completed(), "it completed, and its value was taken");
    assert_eq!(clone.take_value(), None);
    assert_eq!((task.job.state(), &*task.job.name()), (JobState::Completed, "makes a text"));
    assert_eq!(
        outcome(&engine.spawn_with(JobOptions::default(), |_| async {}).job).ending,
        Ending::Completed(None)
    );
}

#[test]
fn a_panic_ends_its_job_as_failed_and_nothing_else() {
    let engine = engine();
    let bystander = engine.spawn("bystander", std::future::pending::<()>());
    let in_poll = engine.spawn("poll", async { panic!("polled badly") });
    assert!(failure(&in_poll.job).contains("polled badly"));
    let formatted = engine.spawn("formatted", async { panic!("number {}", 7) });
    assert!(failure(&formatted.job).contains("number 7"));
    let in_drop = engine.spawn("drop", async {
        let _guard = PanicsInDrop;
        std::future::pending::<()>().await;
    });
    eventually("it runs", || in_drop.job.state() == JobState::Running);
    in_drop.job.cancel("stop");
    assert!(failure(&in_drop.job).contains("dropped badly"));
    assert_eq!(bystander.job.state(), JobState::Running);
    assert_eq!(engine.spawn("after", async { 1 }).wait().unwrap().unwrap(), 1);
}

#[test]
fn a_stream_that_panics_keeps_what_it_received() {
    // Every submission runs a closure of the caller; a panic in it is the caller's own.
    let (server, engine) = (Server::start(silent()), engine());
    let prepared = StreamSpec::chat(&client(&server), request("m"));
    let panics = prepared.map(|_| panic!("made badly"));
    let submitted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        engine.submit(panics, JobOptions::default());
    }));
    assert!(submitted.is_err() && engine.jobs().is_empty());
    assert!(chat(&engine, &server).state() != JobState::Failed);
}

#[test]
fn a_cancelled_task_has_ended_only_when_its_future_is_gone() {
    let engine = engine();
    let (gone, dropped) = std::sync::mpsc::sync_channel::<JobState>(1);
    struct Tells(Arc<std::sync::OnceLock<Job>>, std::sync::mpsc::SyncSender<JobState>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.1.send(self.0.get().unwrap().state()).unwrap();
        }
    }
    let own = Arc::new(std::sync::OnceLock::new());
    let guard = Tells(Arc::clone(&own), gone);
    let task = engine.spawn("task", async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    own.set(task.job.clone()).unwrap();
    eventually("it runs", || task.job.state() == JobState::Running);
    task.job.cancel("stop");
    assert_eq!(dropped.recv_timeout(PATIENCE).unwrap(), JobState::Cancelling);
    outcome(&task.job);
    assert_eq!(task.job.state(), JobState::Cancelled);
}

#[test]
fn tasks_use_the_runtime_they_run_on() {
    let engine = engine();
    let task = engine.spawn("uses timers and sockets", async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
    });
    assert!(task.wait().unwrap().unwrap() > 0);
}

#[test]
fn work_that_blocks_delays_no_other_job_on_a_thread_of_its_own() {
    let engine = engine();
    let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
    let working = engine.spawn("blocks", async {
        tokio::task::spawn_blocking(move || held.recv().unwrap()).await.unwrap();
    });
    assert_eq!(engine.spawn("other", async { 1 }).wait().unwrap().unwrap(), 1);
    release.send(()).unwrap();
    working.wait().unwrap().unwrap();
}

#[test]
fn one_blocked_thread_leaves_the_other_one_to_the_other_jobs() {
    let engine = engine_with(EngineConfig { threads: 2, ..EngineConfig::default() });
    let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
    let blocking = engine.spawn("blocks", async move { held.recv().unwrap() });
    eventually("it blocks", || blocking.job.state() == JobState::Running);
    let server = Server::start(silent());
    let stream = chat(&engine, &server);
    eventually("the other thread reads", || stream.text_so_far() == "Hello");
    release.send(()).unwrap();
    blocking.wait().unwrap().unwrap();
}
