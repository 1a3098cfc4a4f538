//! No thread or descriptor of an engine survives it. They are counted in a separate process.

use towline::Client;
use towline::engine::{OnShutdown, StartAt};
use towline_testkit::{Server, fakemodel};

use super::*;

const CHILD: &str = "TOWLINE_TEST_SERVER";

#[test]
#[cfg(target_os = "linux")]
fn no_thread_and_no_descriptor_survives() {
    // The server is in the parent process, so that its own threads do not count.
    if let Ok(url) = std::env::var(CHILD) {
        return count_in_this_process(&url);
    }
    let server = Server::start(fakemodel::plan());
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine::leaks::no_thread_and_no_descriptor_survives", "--test-threads=1"])
        .env(CHILD, server.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn count(of: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count()
}

/// The process's list still has threads for a moment after they were joined.
fn back_to(before: (usize, usize), extra_descriptors: usize) {
    eventually("all threads are gone", || count("task") == before.0);
    assert_eq!(count("fd"), before.1 + extra_descriptors);
}

fn count_in_this_process(url: &str) {
    // The first use of a runtime may open descriptors that stay open.
    run(url, |engine| drop(engine.shutdown(OnShutdown::Cancel, PATIENCE)));
    let before = (count("task"), count("fd"));
    let ends: [fn(Engine); 4] = [
        |engine| drop(engine.shutdown(OnShutdown::Cancel, PATIENCE).unwrap()),
        drop,
        |engine| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { drop(engine) });
        },
        |engine| {
            let weak = engine.downgrade();
            let task = engine.spawn("drops the engine", async move { drop(weak.upgrade()) });
            drop(engine);
            outcome(&task.job);
        },
    ];
    for (n, end) in ends.into_iter().enumerate() {
        run(url, end);
        if n == 3 {
            // The threads of an engine that one of them dropped cannot be joined.
            eventually("all descriptors are closed", || count("fd") == before.1);
        }
        back_to(before, 0);
    }
    // A handle that outlives the shutdown holds the descriptor for waking, and nothing else.
    let engine = engine();
    engine.fd().unwrap();
    let client = Client::new(url).unwrap();
    assert!(outcome(&engine.chat(&client, request("words:3"))).is_completed());
    drop(client);
    engine.shutdown(OnShutdown::Cancel, PATIENCE).unwrap();
    for job in engine.jobs() {
        engine.forget(job.id());
    }
    back_to(before, 1);
    drop(engine);
    back_to(before, 0);
}

/// An engine with everything in use.
fn run(url: &str, end: fn(Engine)) {
    let engine = engine();
    let client = Client::new(url).unwrap();
    engine.on_change(|| ()).unwrap();
    Foreground::of(&engine).look();
    assert!(outcome(&engine.chat(&client, request("words:30"))).is_completed());
    let stalled = engine.chat(&client, request("stall-after:1"));
    stalled.reader(StartAt::Beginning).read().unwrap();
    engine.chat(&client, request("never-answers"));
    engine.spawn("a task", std::future::pending::<()>());
    end(engine);
}
