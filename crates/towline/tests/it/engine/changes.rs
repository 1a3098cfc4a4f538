//! Foregrounds that look only when they are woken see everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use towline::EngineConfig;
use towline::engine::JobState;
use towline::engine::{OnShutdown, Reader, StartAt};
use towline_testkit::{Server, fakemodel};

use super::*;

const JOBS: usize = 16;

fn start_jobs(engine: &Engine, server: &Server) -> HashMap<JobId, (Job, Reader, String)> {
    let client = client(server);
    let job = |_| engine.chat(&client, request("words:300"));
    (0..JOBS)
        .map(job)
        .map(|job| (job.id(), (job.clone(), job.reader(StartAt::Beginning), String::new())))
        .collect()
}

/// Reads the changes once, as a foreground does; returns whether all jobs have ended.
fn read_changes(engine: &Engine, jobs: &mut HashMap<JobId, (Job, Reader, String)>) -> bool {
    for info in engine.changes().jobs {
        let Some((_, reader, text)) = jobs.get_mut(&info.id) else { continue };
        while let Some(batch) = reader.try_read() {
            *text += &text_of(&batch.events);
        }
    }
    jobs.values().all(|(_, reader, _)| reader.is_ended())
}

fn assert_whole(jobs: &HashMap<JobId, (Job, Reader, String)>) {
    for (job, _, text) in jobs.values() {
        let whole = outcome(job);
        assert!(whole.is_completed());
        assert_eq!(*text, whole.reply.text);
    }
}

#[test]
fn a_descriptor_wakes_for_every_token() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let mut jobs = start_jobs(&engine, &server);
    while {
        assert!(is_readable(&engine, PATIENCE), "a wake-up was lost");
        !read_changes(&engine, &mut jobs)
    } {}
    assert_whole(&jobs);
    engine.changes();
    assert!(!is_readable(&engine, Duration::ZERO), "an idle engine wakes nobody");
}

#[test]
fn a_hook_wakes_for_every_token_and_is_called_once_a_look() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let (ring, rung) = sync_channel(JOBS * 4096);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let hook = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        ring.send(()).unwrap();
    };
    assert!(engine.on_change(hook).unwrap());
    assert!(!engine.on_change(|| ()).unwrap(), "there is one hook");
    let (mut jobs, mut looks) = (start_jobs(&engine, &server), 0);
    while {
        rung.recv_timeout(PATIENCE).expect("a wake-up was lost");
        looks += 1;
        !read_changes(&engine, &mut jobs)
    } {}
    assert_whole(&jobs);
    assert!(calls.load(Ordering::SeqCst) <= looks + 1);
}

#[test]
fn an_async_foreground_is_woken_for_every_token() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let jobs = start_jobs(&engine, &server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (_, (job, mut reader, mut text)) in jobs {
            while let Some(batch) = reader.next().await {
                text += &text_of(&batch.events);
            }
            assert_eq!(text, job.await.reply.text);
        }
    });
}

#[test]
fn a_hook_that_hangs_or_panics_delays_nobody() {
    let (server, engine) = (Server::start(fakemodel::plan()), engine());
    let (release, hang) = sync_channel::<()>(0);
    let (entered, hung) = sync_channel(1);
    let hook = move || {
        entered.try_send(()).ok();
        hang.recv().ok();
        panic!("the hook panics");
    };
    engine.on_change(hook).unwrap();
    hung.recv_timeout(PATIENCE).unwrap();
    let mut jobs = start_jobs(&engine, &server);
    for (job, ..) in jobs.values() {
        assert!(outcome(job).is_completed());
    }
    read_changes(&engine, &mut jobs);
    assert_whole(&jobs);
    // The first call panics, and the hook is still called again.
    release.send(()).unwrap();
    engine.spawn("a change", async {});
    hung.recv_timeout(PATIENCE).unwrap();
    // Now the hook hangs forever: the engine shuts down without it.
    engine.shutdown(OnShutdown::Finish, Duration::ZERO).unwrap();
    drop(release);
}

#[test]
fn a_hook_is_called_once_until_the_foreground_looks() {
    let engine = engine();
    let (ring, rung) = sync_channel(1024);
    engine.on_change(move || ring.send(()).unwrap()).unwrap();
    rung.recv_timeout(PATIENCE).expect("a first time at once");
    engine.changes();
    for _ in 0..100 {
        engine.spawn("a change", async {}).wait().unwrap().unwrap();
    }
    rung.recv_timeout(PATIENCE).unwrap();
    assert!(rung.try_recv().is_err());
    assert_eq!(engine.changes().jobs.len(), 100);
    assert!(rung.try_recv().is_err());
    engine.spawn("one more", async {});
    rung.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn the_first_look_finds_all_jobs_and_the_next_what_changed() {
    let engine = engine_with(EngineConfig { max_running: 1, ..EngineConfig::default() });
    let before = engine.spawn("before", async {}).job;
    outcome(&before);
    let first = engine.changes();
    assert!(first.all && first.jobs.len() == 1 && first.jobs[0].state == JobState::Completed);
    // A job may be listed again after its end was seen: waiters are notified before the foreground.
    let none = engine.changes();
    assert!(!none.all && none.jobs.iter().all(|job| job.id == before.id()));
    occupy(&engine);
    engine.changes();
    let queued = engine.spawn("queued", async {}).job;
    let changed = |what: &str| {
        let changed = engine.changes().jobs.into_iter().find(|job| job.id == queued.id());
        changed.unwrap_or_else(|| panic!("not listed: {what}"))
    };
    assert_eq!(changed("submitted").state, JobState::Queued);
    queued.rename("renamed");
    assert_eq!(&*changed("renamed").name, "renamed");
    queued.set_deadline(towline::Deadline::In(PATIENCE));
    assert!(changed("deadline").deadline_in.is_some());
    queued.pause();
    assert_eq!(changed("paused").state, JobState::Paused);
    assert!(engine.changes().jobs.iter().all(|job| job.id != queued.id()));
}

fn changed_count(engine: &Engine) -> usize {
    engine.changes().jobs.len()
}

#[test]
fn more_changes_than_are_listed_are_reported_as_all() {
    let engine = engine_with(EngineConfig { max_running: 0, max_ended: 10, ..EngineConfig::default() });
    engine.changes();
    let jobs: Vec<_> = (0..10_000).map(|_| engine.spawn("queued", async {}).job).collect();
    let changes = engine.changes();
    assert!(changes.all && changes.jobs.len() == 10_000);
    assert!(changes.jobs.is_sorted_by_key(|info| info.id));
    assert_eq!(changed_count(&engine), 0);
    jobs[7].rename("listed again");
    assert_eq!(changed_count(&engine), 1);
    engine.shutdown(OnShutdown::Cancel, PATIENCE).unwrap();
    let ended = engine.changes();
    assert!(ended.all && ended.jobs.len() == 10, "{}", ended.jobs.len());
}

#[test]
fn orders_from_many_threads_at_once_are_all_obeyed() {
    let engine = engine();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let engine = engine.clone();
            std::thread::spawn(move || {
                for n in 0..200 {
                    let task = engine.spawn("short-lived", std::future::pending::<()>());
                    task.job.pause();
                    task.job.set_deadline(towline::Deadline::In(PATIENCE));
                    if n % 2 == 0 {
                        task.job.unpause();
                    }
                    task.job.cancel("enough");
                    assert!(task.wait().unwrap().is_err());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
