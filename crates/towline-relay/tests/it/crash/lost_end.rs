//! A machine that loses the last writes, as in a power cut between two syncs: the end of the journal is cut off.

use std::path::{Path, PathBuf};

use towline_core::http1::Method;
use towline_relay::Fsync;
use towline_testkit::{Server, fakemodel};

use super::load::{source, until_killed};
use super::{answer, assert_interrupted, restarts, start, status_at, written};
use crate::support::try_ask as ask;

/// The number of acknowledgements before the kill, so that there is an end to lose.
const EVENTS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_lost_end_are_refused_and_never_used_again() {
    let upstream = Server::start(fakemodel::plan());
    let mut refused = 0;
    for round in 0..restarts() {
        let folder = tempfile::tempdir().unwrap();
        let process = start(folder.path(), Fsync::default(), &upstream).await;
        let known = until_killed(process, round, EVENTS).await;
        // A different share each time, also in the middle of records.
        cut_journal(folder.path(), 3 + round as u64 % 5);
        let process = start(folder.path(), Fsync::default(), &upstream).await;
        for (id, (end, offset)) in &known.written {
            let Some(bytes) = written(&process, id).await else {
                refused += 1;
                continue;
            };
            assert_eq!(bytes, source(0, bytes.len() as u64), "{id}");
            let lost = (bytes.len() as u64) < *end;
            assert_eq!(status_at(&process, id, offset).await, if lost { 410 } else { 200 }, "{id}");
            if !lost {
                continue;
            }
            refused += 1;
            // Other bytes take the place of the lost ones; the old offset does not lead there.
            let target = format!("/streams/{id}");
            let others = vec![b'!'; usize::try_from(end - bytes.len() as u64).unwrap() + 100];
            let headers = [("content-type", "text/plain")];
            let appended = ask(&process.client, Method::Post, &target, &headers, &others).await.unwrap();
            assert_eq!(appended.status, 204, "{id}");
            assert_eq!(status_at(&process, id, offset).await, 410, "{id}");
            assert_eq!(status_at(&process, id, appended.header("stream-next-offset")).await, 200, "{id}");
        }
        for (id, read) in &known.read {
            let Some(bytes) = answer(&process, id).await else { continue };
            assert_interrupted(&process, id, &bytes).await;
            // The bytes that were read and the remaining ones agree as far as both go; the relay's own record follows.
            let same = bytes.iter().zip(read).take_while(|(left, read)| left == read).count();
            let own = std::str::from_utf8(&bytes[same..]).unwrap();
            let is_whole = same == read.len();
            assert!(is_whole || own.trim_start().lines().count() == 1, "{id}: {own}");
        }
        process.kill();
    }
    assert!(refused > 0, "nothing was lost, so nothing was tested");
}

/// Cuts off the last `1 / share` of the newest journal's data.
fn cut_journal(store: &Path, share: u64) {
    let mut journals: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(store).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            journals.push(path);
        }
    }
    journals.sort();
    let newest = journals.last().expect("the store has a journal");
    let file = std::fs::OpenOptions::new().write(true).open(newest).unwrap();
    let length = written_length(newest);
    file.set_len(length - length / share).unwrap();
}

/// Without the zeros that were reserved in advance.
fn written_length(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}
