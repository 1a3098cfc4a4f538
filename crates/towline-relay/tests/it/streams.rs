//! Streams with many readers, at any offset, across cuts.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use towline_core::http1::Method;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, ask, config, on_disk, until_gone};

/// An answer of about this many bytes, with every record different.
fn answer(bytes: usize) -> Vec<String> {
    let text = "and so the river went on, past the mill and the meadow, ".repeat(8);
    let mut records = Vec::new();
    let mut length = 0;
    while length < bytes {
        let record = ollama::chat_text(&format!("{} {text}", records.len()));
        length += record.len() + 1;
        records.push(record);
    }
    records.push(ollama::chat_done("stop", records.len() as u64));
    records
}

fn joined(records: &[String]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn random() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_position_can_be_read_from_while_it_grows_and_after() {
    let records = answer(3000);
    let whole = joined(&records);
    let (first, rest) = records.split_at(3);
    let script = Script::ndjson_open(first).wait("go").lines(rest).end_chunks();
    let server = Server::start(Routes::new().model("m", script));
    let relay = Relay::start(config(&server.url())).await;
    let id = relay.detached("m").await;
    let grown = joined(first).len();
    let mut readers = Vec::new();
    for position in [0, 1, grown / 2, grown] {
        let target = format!("/streams/{id}?live=raw&offset={:016}_{position:016}", 1);
        // An offset beyond the end is refused.
        let mut probe = relay.get(&format!("/streams/{id}?live=raw&offset=-1")).await;
        probe.until(grown).await;
        let reader = relay.get(&target).await;
        assert_eq!(reader.status, 200, "{position}");
        assert_eq!(reader.header("stream-next-offset"), format!("{:016}_{position:016}", 1));
        readers.push((position, reader));
    }
    server.open("go");
    for (position, mut reader) in readers {
        assert_eq!(reader.text().await, whole[position..], "{position}");
    }
    relay.ended(&id).await;
    for position in [0, 1, 77, whole.len() - 1, whole.len()] {
        let offset = format!("{:016}_{position:016}", 1);
        let mut reader = relay.get(&format!("/streams/{id}?live=raw&offset={offset}")).await;
        let closed = reader.header("stream-closed") == "true";
        assert_eq!(closed, position == whole.len());
        assert_eq!(reader.text().await, whole[position..], "{position}");
        let mut at_once = relay.get(&format!("/streams/{id}?offset={offset}")).await;
        assert_eq!(at_once.header("stream-closed"), "true");
        assert_eq!(at_once.text().await, whole[position..], "{position}");
    }
    let beyond = format!("{:016}_{:016}", 1, whole.len() + 1);
    assert_eq!(relay.get(&format!("/streams/{id}?offset={beyond}")).await.status, 410);
    assert_eq!(relay.get(&format!("/streams/{id}?offset={:016}_{:016}", 2, 0)).await.status, 410);
    relay.stop().await;
}

/// 100 streams of 1 MB, each read in pieces by a reader that is cut ten times, by a reset or a stall: no byte is
/// missing, none arrives twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cuts_lose_nothing() {
    const STREAMS: usize = 100;
    const CUTS: usize = 10;
    let records = answer(1 << 20);
    let whole = joined(&records);
    let sum = Sha256::digest(whole.as_bytes());
    let server = Server::start(Routes::new().model("m", Script::ndjson(&records)));
    let folder = tempfile::tempdir().unwrap();
    let relay = Arc::new(Relay::start(on_disk(config(&server.url()), folder.path())).await);
    let mut readers = tokio::task::JoinSet::new();
    let mut random = random();
    for nth in 0..STREAMS {
        let id = relay.detached("m").await;
        let mut cuts: Vec<usize> = (0..CUTS).map(|_| random(whole.len())).collect();
        cuts.sort_unstable();
        let relay = Arc::clone(&relay);
        let client = if nth % 2 == 0 { relay.client.clone() } else { relay.http2() };
        readers.spawn(async move {
            let (mut text, mut stalled) = (Vec::new(), Vec::new());
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let target = format!("/streams/{id}?live=raw&offset={:016}_{:016}", 1, text.len());
                let mut reader = ask(&client, Method::Get, &target, &[], "").await;
                assert_eq!(reader.status, 200);
                while text.len() + reader.read.len() < cut && reader.more().await.unwrap() {}
                text.extend_from_slice(&reader.read);
                if cut % 3 == 0 {
                    // The reader stays connected and stops reading.
                    stalled.push(reader);
                }
                // Otherwise the connection, or the stream on it, is reset here.
            }
            text
        });
    }
    while let Some(text) = readers.join_next().await {
        assert_eq!(Sha256::digest(text.unwrap()), sum);
    }
    let relay = Arc::into_inner(relay).unwrap();
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_reader_blocks_nobody() {
    const STALLED: usize = 20;
    let records = answer(1 << 20);
    let whole = joined(&records);
    let server = Server::start(Routes::new().model("m", Script::ndjson(&records)));
    let relay = Relay::start(config(&server.url())).await;
    let client = relay.http2();
    let id = relay.detached("m").await;
    let target = format!("/streams/{id}?live=raw&offset=-1");
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(ask(&client, Method::Get, &target, &[], "").await);
    }
    let mut reader = ask(&client, Method::Get, &target, &[], "").await;
    assert!(reader.text().await == whole);
    // And those resume at their offsets.
    for mut reader in stalled {
        assert!(reader.text().await == whole);
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_say_why_a_raw_tail_ends() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start(Routes::new().model("m", Script::ndjson(ollama::chat(&["x"]))));
    let relay = Relay::start(config(&server.url())).await;
    let id = relay.detached("m").await;
    let mut socket = tokio::net::TcpStream::connect(relay.endpoint.host_port()).await.unwrap();
    let head = format!(
        "GET /streams/{id}?live=raw HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("0\r\nstream-closed: true\r\n\r\n"), "{answer}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_clients_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = || on_disk(config("http://127.0.0.1:9"), folder.path());
    let relay = Relay::start(config()).await;
    let text = [("content-type", "text/plain")];
    let created = ask(&relay.client, Method::Put, "/streams/a/b", &text, "one ").await;
    assert_eq!(created.status, 201);
    let appended = relay.post("/streams/a/b", &text, "two").await;
    let offset = appended.header("stream-next-offset").to_owned();
    assert_eq!(appended.status, 204);
    relay.stop().await;
    let relay = Relay::start(config()).await;
    assert_eq!(relay.get("/streams/a/b").await.text().await, "one two");
    let known = relay.get(&format!("/streams/a/b?offset={offset}")).await;
    assert_eq!((known.status, known.header("stream-up-to-date")), (200, "true"));
    assert_eq!(relay.post("/streams/a/b", &text, " three").await.status, 204);
    assert_eq!(relay.get(&format!("/streams/a/b?offset={offset}")).await.text().await, " three");
    assert_eq!(relay.delete("/streams/a/b").await.status, 204);
    relay.stop().await;
    let relay = Relay::start(config()).await;
    assert_eq!(relay.get("/streams/a/b").await.status, 404);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_or_too_much_goes() {
    let server = Server::start(Routes::new().model("m", Script::ndjson(answer(5000))));
    let mut config = config(&server.url());
    config.retention.bytes = 12_000;
    let relay = Relay::start(config).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let id = relay.detached("m").await;
        relay.ended(&id).await;
        ids.push(id);
    }
    until_gone(&relay.client, &format!("/streams/{}", ids[1]), &[]).await;
    assert_eq!(relay.get(&format!("/streams/{}", ids[0])).await.status, 404);
    assert_eq!(relay.get(&format!("/streams/{}", ids[3])).await.status, 200);
    relay.stop().await;
}
