//! Load on a relay until it is killed, and a record of its acknowledgements.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use towline::Client;
use towline_core::http1::Method;

use crate::process::Process;
use crate::support::{chat, soon, try_ask as ask};

/// The number of streams that a client writes, and of answers that the relay records, in one round.
const WRITERS: usize = 4;
const JOBS: usize = 6;
/// The longest append, in bytes.
const APPEND_BYTES: u64 = 3000;

/// The acknowledged data: appends by their response, bytes of answers by a read.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// For each stream: the number of bytes, and the offset that came with the last one.
    pub(super) written: BTreeMap<String, (u64, String)>,
    /// For each stream: the bytes that were read.
    pub(super) read: BTreeMap<String, Vec<u8>>,
}

/// The bytes of every written stream: those at a position are known.
pub(super) fn source(from: u64, length: u64) -> Vec<u8> {
    (from..from + length).map(|at| b'a' + (at.wrapping_mul(2_654_435_761) >> 16) as u8 % 26).collect()
}

/// Writes and reads until `events` have been acknowledged, then kills.
pub(super) async fn until_killed(process: Process, round: usize, events: usize) -> Acknowledged {
    let (progress, mut acknowledged) = mpsc::channel::<()>(1);
    let mut writers = JoinSet::new();
    let mut readers = JoinSet::new();
    for nth in 0..WRITERS {
        let id = format!("round-{round}-{nth}");
        let (target, headers) = (format!("/streams/{id}"), [("content-type", "text/plain")]);
        let created = ask(&process.client, Method::Put, &target, &headers, b"").await.unwrap();
        assert_eq!(created.status, 201);
        writers.spawn(write(process.client.clone(), id, progress.clone()));
    }
    for _ in 0..JOBS {
        let body = chat("slow:300:20000");
        let headers = [("towline-detach", "true"), ("content-type", "application/json")];
        let mut begun =
            ask(&process.client, Method::Post, "/api/chat", &headers, body.as_bytes()).await.unwrap();
        assert_eq!(begun.status, 202);
        let id = begun.json().await["id"].as_str().unwrap().to_owned();
        readers.spawn(read(process.client.clone(), id, progress.clone()));
    }
    drop(progress);
    for _ in 0..events {
        soon(acknowledged.recv()).await.expect("the load continues until the relay is killed");
    }
    process.kill();
    drop(acknowledged);
    let mut known = Acknowledged::default();
    while let Some(written) = soon(writers.join_next()).await {
        let (id, end, offset) = written.unwrap();
        known.written.insert(id, (end, offset));
    }
    while let Some(read) = soon(readers.join_next()).await {
        let (id, bytes) = read.unwrap();
        known.read.insert(id, bytes);
    }
    known
}

async fn write(client: Client, id: String, progress: mpsc::Sender<()>) -> (String, u64, String) {
    let (mut end, mut offset) = (0, "-1".to_owned());
    let mut length = 1;
    loop {
        // Of every size up to the longest, in any order.
        length = (length * 37 + 11) % APPEND_BYTES + 1;
        let target = format!("/streams/{id}");
        let headers = [("content-type", "text/plain")];
        match ask(&client, Method::Post, &target, &headers, &source(end, length)).await {
            Some(answer) => {
                assert_eq!(answer.status, 204);
                end += length;
                offset = answer.header("stream-next-offset").to_owned();
            }
            None => return (id, end, offset),
        }
        // Acknowledgements after the kill are not counted.
        let _nobody_counts = progress.send(()).await;
    }
}

async fn read(client: Client, id: String, progress: mpsc::Sender<()>) -> (String, Vec<u8>) {
    let target = format!("/streams/{id}?offset=-1&live=raw");
    let Some(mut answer) = ask(&client, Method::Get, &target, &[], b"").await else {
        return (id, Vec::new());
    };
    while let Ok(more) = answer.more().await {
        assert!(more, "an answer that still runs ended normally");
        let _nobody_counts = progress.send(()).await;
    }
    (id, answer.read)
}
