//! Jobs whose work is done elsewhere: the state is true until the work itself reports its end.

use std::sync::mpsc::{Receiver, sync_channel};

use towline::engine::{End, External, OnShutdown, Order};
use towline::error::{ErrorKind, Fault};
use towline::{Deadline, Ending, Error};

use super::*;

fn start(engine: &Engine, options: JobOptions) -> (Job, External, Receiver<Order>) {
    let (sender, orders) = sync_channel(16);
    let (job, external) = engine.spawn_external(options, move |order| sender.send(order).unwrap_or(()));
    (job, external, orders)
}

fn next(orders: &Receiver<Order>) -> Order {
    orders.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn it_is_queued_until_the_work_begins_and_ends_as_the_work_says() {
    let engine = engine();
    let (job, work, orders) = start(&engine, JobOptions::default());
    assert_eq!(next(&orders), Order::Begin);
    assert_eq!(job.state(), JobState::Queued, "it was told to begin and has not");
    work.begun();
    assert_eq!(job.state(), JobState::Running);
    work.try_emit(Event::Text("half".to_owned())).unwrap();
    assert_eq!(job.text_so_far(), "half");
    work.end(End::Completed);
    assert_eq!(outcome(&job).ending, Ending::Completed(None));

    let (job, work, _orders) = start(&engine, JobOptions::default());
    let error = Error::new(ErrorKind::Task, Fault::Caller, "ValueError: no");
    work.end(End::Failed(error.clone()));
    assert_eq!(outcome(&job).ending, Ending::Failed(error));

    let (job, work, _orders) = start(&engine, JobOptions::default());
    drop(work);
    assert_eq!(outcome(&job).ending.as_str(), "failed", "nobody is left to end it");
}

#[test]
fn cancelling_is_not_cancelled() {
    let engine = engine();
    let (job, work, orders) = start(&engine, JobOptions::default());
    assert_eq!(next(&orders), Order::Begin);
    work.begun();
    job.cancel("enough");
    assert_eq!(next(&orders), Order::Stop);
    assert_eq!((job.state(), job.outcome()), (JobState::Cancelling, None));
    job.cancel_now("now");
    assert_eq!(next(&orders), Order::Stop, "told again, and still only the work can end it");
    assert_eq!(job.state(), JobState::Cancelling);
    work.end(End::Stopped);
    assert_eq!(
        outcome(&job).ending,
        Ending::Cancelled { reason: "enough".to_owned(), may_have_had_effect: true }
    );

    let (survivor, work, orders) = start(&engine, JobOptions::default());
    assert_eq!(next(&orders), Order::Begin);
    survivor.cancel("enough");
    work.end(End::Completed);
    assert_eq!(outcome(&survivor).ending, Ending::Completed(None));
}

#[test]
fn a_deadline_can_be_moved_and_lets_the_work_clean_up() {
    let engine = engine();
    let options = JobOptions { deadline: Some(PATIENCE * 100), ..JobOptions::default() };
    let (job, work, orders) = start(&engine, options);
    assert_eq!(next(&orders), Order::Begin);
    work.begun();
    job.set_deadline(Deadline::In(Duration::ZERO));
    assert_eq!(next(&orders), Order::Stop);
    assert_eq!((job.state(), job.outcome()), (JobState::Cancelling, None));
    work.end(End::Stopped);
    assert_eq!(outcome(&job).ending.as_str(), "timed_out");
}

#[test]
fn one_that_waits_for_its_turn_never_begins_when_it_is_stopped() {
    let engine = engine_with(EngineConfig { max_running: 1, ..EngineConfig::default() });
    let (_running, work, orders) = start(&engine, JobOptions::default());
    assert_eq!(next(&orders), Order::Begin);
    let (waiting, _work, never) = start(&engine, JobOptions::default());
    waiting.cancel("not needed");
    assert_eq!(outcome(&waiting).ending.as_str(), "cancelled");
    assert_eq!(next(&never), Order::Stop);
    work.end(End::Completed);
}

#[test]
fn pausing_is_passed_on() {
    let engine = engine();
    let (job, work, orders) = start(&engine, JobOptions::default());
    assert_eq!(next(&orders), Order::Begin);
    work.begun();
    job.pause();
    assert_eq!((next(&orders), job.state()), (Order::Pause, JobState::Paused));
    job.unpause();
    assert_eq!((next(&orders), job.state()), (Order::Resume, JobState::Running));
    work.end(End::Completed);
    outcome(&job);
}

#[test]
fn a_shutdown_reports_work_that_does_not_stop() {
    let engine = engine();
    let (job, _work, orders) = start(&engine, JobOptions::default());
    assert_eq!(next(&orders), Order::Begin);
    let report = engine.shutdown(OnShutdown::Cancel, Duration::ZERO).unwrap();
    assert_eq!(report.stuck.iter().map(|info| info.id).collect::<Vec<_>>(), [job.id()]);
    assert_eq!(next(&orders), Order::Stop);
}

#[test]
fn a_foreground_can_be_woken_by_others() {
    let engine = engine();
    engine.fd().unwrap();
    engine.changes();
    assert!(!is_readable(&engine, Duration::ZERO));
    engine.wake_foreground();
    assert!(is_readable(&engine, PATIENCE));
}
