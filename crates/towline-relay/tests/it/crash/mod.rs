//! The store after `kill -9` under load, and after the machine lost the last writes.
//!
//! `TOWLINE_CRASH_RESTARTS=100` sets the number of kills; a busy machine does the default in seconds.

mod load;
mod lost_end;

use std::path::Path;

use serde_json::Value;
use towline_core::http1::Method;
use towline_relay::Fsync;
use towline_testkit::{Server, fakemodel};

use crate::process::Process;
use crate::support::try_ask as ask;
use load::{Acknowledged, source, until_killed};

const RESTARTS: usize = 3;

fn restarts() -> usize {
    std::env::var("TOWLINE_CRASH_RESTARTS").map_or(RESTARTS, |text| text.parse().unwrap())
}

/// The number of acknowledgements before the kill: different each time, sometimes at the very beginning.
fn events(round: usize) -> usize {
    1 + round * 97 % 400
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fsync_always_a_kill_loses_nothing_acknowledged() {
    kill_again_and_again(Fsync::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fsync_by_default_a_kill_loses_nothing_acknowledged() {
    kill_again_and_again(Fsync::default()).await;
}

async fn kill_again_and_again(fsync: Fsync) {
    let upstream = Server::start(fakemodel::plan());
    let folder = tempfile::tempdir().unwrap();
    let mut last = Acknowledged::default();
    for round in 0..=restarts() {
        let process = start(folder.path(), fsync, &upstream).await;
        check(&process, &last).await;
        last = until_killed(process, round, events(round)).await;
    }
}

async fn start(store: &Path, fsync: Fsync, upstream: &Server) -> Process {
    let (store, upstream) = (store.to_str().unwrap().to_owned(), upstream.url());
    tokio::task::spawn_blocking(move || Process::start(&store, fsync, &upstream)).await.unwrap()
}

/// All acknowledged data is there, nothing else is in its place, and nothing hangs.
async fn check(process: &Process, known: &Acknowledged) {
    for (id, (end, offset)) in &known.written {
        let bytes = written(process, id).await.expect("an acknowledged stream is there");
        assert!(bytes.len() as u64 >= *end, "{id}: {} of {end} acknowledged bytes", bytes.len());
        assert_eq!(bytes, source(0, bytes.len() as u64), "{id}");
        assert_eq!(status_at(process, id, offset).await, 200, "{id}");
        // It continues where it is.
        let headers = [("content-type", "text/plain")];
        let more = source(bytes.len() as u64, 10);
        let target = format!("/streams/{id}");
        let appended = ask(&process.client, Method::Post, &target, &headers, &more).await.unwrap();
        assert_eq!(appended.status, 204, "{id}");
        assert_eq!(written(process, id).await.unwrap(), source(0, bytes.len() as u64 + 10), "{id}");
    }
    for (id, read) in &known.read {
        let bytes = answer(process, id).await.expect("a stream that was read is there");
        assert!(bytes.starts_with(read), "{id}: the log differs from what was read");
        assert_interrupted(process, id, &bytes).await;
    }
}

/// All bytes of an open stream; `None` if it is gone.
async fn written(process: &Process, id: &str) -> Option<Vec<u8>> {
    let (mut all, mut offset) = (Vec::new(), "-1".to_owned());
    loop {
        let target = format!("/streams/{id}?offset={offset}");
        let mut answer = ask(&process.client, Method::Get, &target, &[], b"").await.unwrap();
        if answer.status == 404 {
            return None;
        }
        assert_eq!(answer.status, 200, "{id}");
        answer.header("stream-next-offset").clone_into(&mut offset);
        let is_all = answer.header("stream-up-to-date") == "true";
        all.extend(answer.bytes().await);
        if is_all {
            return Some(all);
        }
    }
}

/// All bytes of an answer from its live tail, which ends because the stream is closed; `None` if it is gone.
async fn answer(process: &Process, id: &str) -> Option<Vec<u8>> {
    let target = format!("/streams/{id}?offset=-1&live=raw");
    let mut answer = ask(&process.client, Method::Get, &target, &[], b"").await.unwrap();
    if answer.status == 404 {
        return None;
    }
    assert_eq!(answer.status, 200, "{id}");
    Some(answer.bytes().await)
}

/// Checks that the answer ends with the relay's record and is closed, and that its job has the same outcome.
async fn assert_interrupted(process: &Process, id: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap();
    let last = text.lines().next_back().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["towline"]["outcome"], "interrupted", "{id}: {last}");
    assert!(text.ends_with('\n'));
    let target = format!("/towline/v1/jobs/{id}");
    let mut job = ask(&process.client, Method::Get, &target, &[], b"").await.unwrap();
    let job = job.json().await;
    assert_eq!(job["state"], "interrupted", "{id}: {job}");
    let end = job["offset"].as_str().unwrap();
    let target = format!("/streams/{id}?offset={end}");
    let at_end = ask(&process.client, Method::Get, &target, &[], b"").await.unwrap();
    assert_eq!((at_end.status, at_end.header("stream-closed")), (200, "true"), "{id}");
    let (incarnation, position) = end.split_once('_').unwrap();
    assert_eq!(position.parse::<usize>().unwrap(), bytes.len(), "{id}");
    let beyond = format!("{incarnation}_{:016}", bytes.len() + 1);
    assert_eq!(status_at(process, id, &beyond).await, 410, "{id}");
}

async fn status_at(process: &Process, id: &str, offset: &str) -> u16 {
    let target = format!("/streams/{id}?offset={offset}");
    ask(&process.client, Method::Get, &target, &[], b"").await.unwrap().status
}
