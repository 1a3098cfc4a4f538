//! Request bodies, and answers that come before they are sent; and answers that nobody reads.

use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;

use tokio::io::AsyncRead;

use super::server::{CHUNKED, LAST_CHUNK, Server, response};
use super::*;

fn streamed(len_bytes: u64, reader: impl AsyncRead + Send + 'static) -> Request {
    let reader: Pin<Box<dyn AsyncRead + Send>> = Box::pin(reader);
    Request { body: RequestBody::Stream { len_bytes, reader }, ..Request::new(Method::Post, "/api/blobs/x") }
}

#[tokio::test]
async fn a_large_body_arrives_whole_from_memory_and_from_a_reader() {
    const BODY_BYTES: usize = 5 << 20;
    let body: Vec<u8> = (0..BODY_BYTES).map(|at| (at / 7) as u8).collect();
    let expected = body.clone();
    let server = Server::start(move |_, mut peer| {
        while let Some(request) = peer.request() {
            assert_eq!(request.header("content-length"), Some("5242880"));
            assert!(request.body == expected);
            peer.send(response(201, "", ""));
        }
    });
    let transport = transport();
    assert_eq!(fetch(&transport, &server.endpoint(), post(body.clone())).await.unwrap().0, 201);
    // What the reader has beyond the announced length is not taken.
    let reader = std::io::Cursor::new([&body[..], b"more"].concat());
    let request = streamed(BODY_BYTES as u64, reader);
    assert_eq!(fetch(&transport, &server.endpoint(), request).await.unwrap().0, 201);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_is_read_and_not_a_broken_pipe() {
    // Refuses as soon as it has the head, reads none of the body, and closes; or stays and never reads.
    for closes in [true, false] {
        let server = Server::start(move |_, mut peer| {
            peer.request_head().unwrap();
            peer.send(response(413, "Connection: close\r\n", "too large"));
            if !closes {
                peer.stream.set_read_timeout(None).unwrap();
                std::thread::park_timeout(PATIENCE);
            }
        });
        let request = streamed(1 << 40, tokio::io::repeat(7));
        let answer = fetch(&transport(), &server.endpoint(), request).await.unwrap();
        assert_eq!(answer, (413, b"too large".to_vec()));
    }
}

#[tokio::test]
async fn an_answer_may_begin_before_the_body_is_sent_and_both_go_on() {
    const BODY_BYTES: usize = 4 << 20;
    let server = Server::start(|_, mut peer| {
        while peer.request_head().is_some() {
            peer.send(CHUNKED);
            let mut left = BODY_BYTES;
            let mut buffer = vec![0; 64 * 1024];
            while left > 0 {
                let read = peer.stream.read(&mut buffer).unwrap();
                left -= read;
                peer.send_chunk(format!("{read}\n"));
            }
            peer.send(LAST_CHUNK);
        }
    });
    let transport = transport();
    for _ in 0..2 {
        let request = streamed(BODY_BYTES as u64, tokio::io::repeat(7));
        let (status, counts) = fetch(&transport, &server.endpoint(), request).await.unwrap();
        let text = String::from_utf8(counts).unwrap();
        let total: usize = text.lines().map(|count| count.parse::<usize>().unwrap()).sum();
        assert_eq!((status, total), (200, BODY_BYTES));
    }
    assert_eq!(server.connections(), 1, "sent and answered in full, the connection is used again");
}

#[tokio::test]
async fn an_answer_that_ends_before_the_body_was_sent_costs_the_connection() {
    let server = Server::start(|_, mut peer| {
        peer.request_head().unwrap();
        peer.send(response(200, "", "enough"));
        drop(peer.wait_for_close());
    });
    let (transport, endpoint) = (transport(), server.endpoint());
    let answer = fetch(&transport, &endpoint, streamed(1 << 40, Never)).await;
    assert_eq!(answer.unwrap().1, b"enough");
    assert!(!within(connect(&transport, &endpoint)).await.unwrap().reused);
}

#[tokio::test]
async fn a_body_shorter_than_announced_or_unreadable_is_the_callers_error() {
    let server = Server::start(|_, mut peer| {
        peer.request_head().unwrap();
        peer.wait_for_close().unwrap();
    });
    let short = streamed(10, std::io::Cursor::new(b"abc"));
    let error = open(&transport(), &server.endpoint(), short).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest(_)));
    assert!(error.to_string().contains("ended after 3 of 10"), "{error}");
}

#[tokio::test]
async fn an_unread_flood_stays_with_the_server() {
    const FLOOD_BYTES: usize = 400 << 20;
    let (stuck, wait) = mpsc::sync_channel(1);
    let server = Server::start(move |_, mut peer| {
        peer.request().unwrap();
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {FLOOD_BYTES}\r\n\r\n"));
        // A write that has to wait this long has filled every buffer there is.
        peer.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let piece = vec![b'x'; 64 * 1024];
        let mut written = 0;
        while written < FLOOD_BYTES {
            match peer.stream.write(&piece) {
                Ok(bytes) => written += bytes,
                Err(_) => break,
            }
        }
        stuck.send(written).unwrap();
        drop(peer.wait_for_close());
    });
    let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
    // The runtime runs on while nobody polls the body.
    let written = tokio::task::spawn_blocking(move || wait.recv_timeout(PATIENCE).unwrap()).await.unwrap();
    assert!(written < 16 << 20, "{written} bytes left the server unasked");
    let mut out = Vec::new();
    within(response.body.read(&mut out)).await.unwrap();
    assert!(out.capacity() <= 2 * READ_BYTES);
}

/// Never has anything and never ends.
struct Never;

impl AsyncRead for Never {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_sent_in_chunks_to_its_end() {
    let server = Server::start(|_, mut peer| {
        while let Some(head) = peer.request_head() {
            assert!(
                head.contains("Transfer-Encoding: chunked\r\n") && !head.contains("Content-Length"),
                "{head}"
            );
            let mut body = Vec::new();
            while !body.ends_with(b"\r\n000000\r\n\r\n") {
                let mut byte = [0];
                peer.stream.read_exact(&mut byte).unwrap();
                body.push(byte[0]);
            }
            assert_eq!(body, b"000005\r\nhello\r\n000006\r\n world\r\n000000\r\n\r\n");
            peer.send(response(201, "", ""));
        }
    });
    let transport = transport();
    for _ in 0..2 {
        let parts = tokio::io::AsyncReadExt::chain(&b"hello"[..], &b" world"[..]);
        let body = RequestBody::StreamToEnd(Box::pin(parts));
        let request = Request { body, ..Request::new(Method::Post, "/api/blobs/x") };
        assert_eq!(fetch(&transport, &server.endpoint(), request).await.unwrap().0, 201);
    }
    assert_eq!(server.connections(), 1);
}
