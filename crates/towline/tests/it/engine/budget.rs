//! The size of logs: read events make room, unread ones pause their job, and nothing is lost silently.

use towline::engine::JobState;
use towline::engine::{JobOptions, LogOverflow, StartAt};
use towline::{EngineConfig, Event};

use super::*;

const KB: usize = 1024;

fn small(job_kb: usize, all_kb: usize, log_overflow: LogOverflow) -> Engine {
    let config = EngineConfig {
        job_log_bytes: job_kb * KB,
        log_bytes: all_kb * KB,
        log_overflow,
        ..EngineConfig::default()
    };
    engine_with(config)
}

/// A task that emits this many numbered pieces of 1 KiB.
fn talker(engine: &Engine, pieces: usize) -> towline::engine::Task<()> {
    engine.spawn_with(JobOptions::default(), move |control| async move {
        for n in 0..pieces {
            control.emit(Event::Text(format!("{n:<1024}"))).await;
        }
    })
}

fn read_all(reader: &mut towline::engine::Reader) -> (String, u64) {
    let (mut text, mut missed) = (String::new(), 0);
    while let Some(batch) = reader.read().unwrap() {
        text += &text_of(&batch.events);
        missed += batch.missed;
    }
    (text, missed)
}

#[test]
fn a_reader_that_reads_along_misses_nothing_under_either_policy() {
    for overflow in [LogOverflow::DropRead, LogOverflow::Pause] {
        let engine = small(16, 1024, overflow);
        let task = talker(&engine, 1000);
        let (text, missed) = read_all(&mut task.job.reader(StartAt::Beginning));
        assert_eq!((text.len(), missed), (1000 * KB, 0), "{overflow:?}");
        assert!(text.split_whitespace().map(|n| n.parse::<usize>().unwrap()).eq(0..1000));
        assert!(task.job.info().log_bytes <= 32 * KB, "{}", task.job.info().log_bytes);
        // A late reader learns how much was dropped.
        let (late, missed) = read_all(&mut task.job.reader(StartAt::Beginning));
        assert_eq!(late.len() as u64 + missed, 1000 * KB as u64);
        assert!(missed > 900 * KB as u64);
    }
}

#[test]
fn a_job_nobody_reads_is_paused_and_continues_when_somebody_does() {
    for overflow in [LogOverflow::DropRead, LogOverflow::Pause] {
        let engine = small(16, 1024, overflow);
        let task = talker(&engine, 100);
        let mut foreground = Foreground::of(&engine);
        foreground.until_state(&task.job, JobState::Paused);
        assert!(task.job.info().log_bytes <= 20 * KB);
        let (text, missed) = read_all(&mut task.job.reader(StartAt::Beginning));
        assert_eq!((text.len(), missed), (100 * KB, 0));
        assert_eq!(task.job.state(), JobState::Completed);
    }
}

#[test]
fn a_full_job_can_be_cancelled_and_unpausing_does_not_help_it() {
    let engine = small(16, 1024, LogOverflow::Pause);
    let task = talker(&engine, 100);
    let mut foreground = Foreground::of(&engine);
    foreground.until_state(&task.job, JobState::Paused);
    task.job.unpause();
    assert_eq!(task.job.state(), JobState::Paused);
    task.job.cancel_now("enough");
    foreground.until_state(&task.job, JobState::Cancelled);
}

#[test]
fn the_common_budget_blocks_the_large_and_spares_the_small() {
    let engine = small(1024, 256, LogOverflow::DropRead);
    let mut foreground = Foreground::of(&engine);
    let large = talker(&engine, 500);
    foreground.until_state(&large.job, JobState::Paused);
    // Its log is within its own limit, but it has the common budget to itself.
    assert!(large.job.info().log_bytes <= 260 * KB);
    let small = talker(&engine, 32);
    foreground.until_state(&small.job, JobState::Completed);
    let (text, missed) = read_all(&mut large.job.reader(StartAt::Beginning));
    assert_eq!((text.len(), missed), (500 * KB, 0));
}

#[test]
fn room_that_others_make_lets_a_job_go_on_that_nobody_reads() {
    let engine = small(1024, 256, LogOverflow::DropRead);
    let mut foreground = Foreground::of(&engine);
    let unread = talker(&engine, 200);
    foreground.until_state(&unread.job, JobState::Completed);
    let waits = talker(&engine, 100);
    foreground.until_state(&waits.job, JobState::Paused);
    // Forgetting a job frees its log once there is no handle.
    assert!(engine.forget(unread.job.id()));
    drop(unread);
    foreground.until_state(&waits.job, JobState::Completed);
    // The read part of an ended job's log is dropped when another job needs the room.
    let read = talker(&engine, 100);
    foreground.until_state(&read.job, JobState::Completed);
    assert_eq!(read_all(&mut read.job.reader(StartAt::Beginning)).0.len(), 100 * KB);
    let last = talker(&engine, 150);
    foreground.until_state(&last.job, JobState::Completed);
    assert!(read_all(&mut read.job.reader(StartAt::Beginning)).1 > 0, "it says what is gone");
    assert_eq!(read_all(&mut last.job.reader(StartAt::Beginning)), (last.job.text_so_far(), 0));
}

#[test]
fn a_job_whose_log_was_read_empty_continues_even_if_other_logs_are_full() {
    let engine = small(1024, 128, LogOverflow::DropRead);
    let mut foreground = Foreground::of(&engine);
    let hoard = talker(&engine, 500);
    foreground.until_state(&hoard.job, JobState::Paused);
    // Another job uses up the budget; this one is read meanwhile and completes.
    let read = talker(&engine, 500);
    foreground.until_state(&read.job, JobState::Paused);
    let (text, missed) = read_all(&mut read.job.reader(StartAt::Beginning));
    assert_eq!((text.len(), missed), (500 * KB, 0));
    assert_eq!(hoard.job.state(), JobState::Paused);
}

#[test]
fn try_emit_gives_back_what_a_full_log_or_an_ended_job_does_not_take() {
    let engine = small(4, 1024, LogOverflow::Pause);
    let (out, control) = std::sync::mpsc::sync_channel(1);
    let task = engine.spawn_with(JobOptions::default(), move |control| async move {
        let mut taken = 0;
        while control.try_emit(Event::Text("x".repeat(KB))).is_ok() {
            taken += 1;
        }
        out.send(control).unwrap();
        taken
    });
    let control = control.recv_timeout(PATIENCE).unwrap();
    read_all(&mut task.job.reader(StartAt::Beginning));
    assert!((4..=5).contains(&task.wait().unwrap().unwrap()));
    assert_eq!(control.try_emit(Event::Text("late".to_owned())), Err(Event::Text("late".to_owned())));
    assert!(!task.job.text_so_far().contains("late"));
    // Emitting after the end does not wait.
    engine
        .spawn("late", async move { control.emit(Event::Text("late".to_owned())).await })
        .wait()
        .unwrap()
        .unwrap();
}

#[test]
fn what_a_task_emitted_is_its_text_before_and_after_its_end() {
    let engine = engine();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let task = engine.spawn_with(JobOptions::default(), |control| async move {
        control.emit(Event::Text("so far".to_owned())).await;
        ended.await.unwrap();
    });
    task.job.reader(StartAt::Beginning).read().unwrap();
    assert_eq!(task.job.text_so_far(), "so far");
    end.send(()).unwrap();
    task.wait().unwrap().unwrap();
    assert_eq!(task.job.text_so_far(), "so far");
}
