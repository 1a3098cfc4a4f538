//! Bodies: every framing, every way to be cut off.

use std::sync::mpsc;
use std::time::Instant;

use towline_core::http1::HeadLimits;

use super::server::{CHUNKED, LAST_CHUNK, Server, chunk, refusing_address, response};
use super::*;

#[tokio::test]
async fn a_body_with_a_length() {
    let server = Server::answering(response(200, "", "hello"));
    let answer = fetch(&transport(), &server.endpoint(), post("{}")).await;
    assert_eq!(answer.unwrap(), (200, b"hello".to_vec()));
}

#[tokio::test]
async fn a_chunked_body_in_awkward_pieces() {
    let server = Server::start(|_, mut peer| {
        peer.request().unwrap();
        let wire = [CHUNKED.as_bytes(), &chunk("one\n"), &chunk("two\n"), LAST_CHUNK.as_bytes()].concat();
        for piece in wire.chunks(3) {
            peer.send(piece);
        }
        peer.wait_for_close().unwrap();
    });
    let answer = fetch(&transport(), &server.endpoint(), get()).await;
    assert_eq!(answer.unwrap(), (200, b"one\ntwo\n".to_vec()));
}

#[tokio::test]
async fn each_record_is_seen_before_the_next_is_sent() {
    let (seen, wait) = mpsc::sync_channel::<()>(1);
    let wait = std::sync::Mutex::new(wait);
    let server = Server::start(move |_, mut peer| {
        peer.request().unwrap();
        peer.send(CHUNKED);
        for record in 0..20 {
            peer.send_chunk(format!("{record}\n"));
            wait.lock().unwrap().recv().unwrap();
        }
        peer.send(LAST_CHUNK);
        peer.wait_for_close().unwrap();
    });
    let mut body = open(&transport(), &server.endpoint(), get()).await.unwrap().body;
    for record in 0..20 {
        let mut out = Vec::new();
        within(body.read(&mut out)).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{record}\n"));
        seen.send(()).unwrap();
    }
    assert_eq!(within(body.read(&mut Vec::new())).await.unwrap(), Read::End);
}

#[tokio::test]
async fn a_body_until_the_close_ends_with_it() {
    let server = Server::start(|_, mut peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.0 200 OK\r\n\r\nall of it");
    });
    let answer = fetch(&transport(), &server.endpoint(), get()).await;
    assert_eq!(answer.unwrap(), (200, b"all of it".to_vec()));
}

#[tokio::test]
async fn an_orderly_close_inside_the_framing_is_incomplete_and_what_came_is_kept() {
    for wire in [
        [CHUNKED.as_bytes(), &chunk("part\n")].concat(),
        [CHUNKED.as_bytes(), b"ff\r\npart\n"].concat(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart\n".to_vec(),
    ] {
        let server = Server::start(move |_, mut peer| {
            peer.request().unwrap();
            peer.send(&wire);
        });
        let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
        let (body, end) = read_all(&mut response.body).await;
        assert_eq!(body, b"part\n");
        assert_eq!(end.unwrap_err().kind(), &ErrorKind::Incomplete);
    }
}

#[tokio::test]
async fn a_reset_inside_the_body_is_a_reset() {
    let (seen, wait) = mpsc::sync_channel(1);
    let wait = std::sync::Mutex::new(wait);
    let server = Server::start(move |_, mut peer| {
        peer.request().unwrap();
        peer.send(CHUNKED);
        peer.send_chunk("part\n");
        wait.lock().unwrap().recv().unwrap();
        peer.reset();
    });
    let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
    let mut out = Vec::new();
    within(response.body.read(&mut out)).await.unwrap();
    assert_eq!(out, b"part\n");
    seen.send(()).unwrap();
    let error = within(response.body.read(&mut out)).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (&ErrorKind::Reset, Sent::Maybe));
}

#[tokio::test]
async fn malformed_chunks_break_the_protocol() {
    let server = Server::answering(format!("{CHUNKED}5\r\nhello\r\nzz\r\n"));
    let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
    let (body, end) = read_all(&mut response.body).await;
    assert_eq!(body, b"hello");
    assert!(matches!(end.unwrap_err().kind(), ErrorKind::Protocol(_)));
}

#[tokio::test]
async fn a_close_before_the_head_is_closed() {
    for start in ["", "HTTP/1.1 200 OK\r\nX: "] {
        let server = Server::start(move |_, mut peer| {
            peer.request().unwrap();
            peer.send(start);
        });
        let error = open(&transport(), &server.endpoint(), post("{}")).await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (&ErrorKind::Closed, Sent::Maybe));
    }
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let (closed, wait) = mpsc::sync_channel(1);
    let server = Server::start(move |_, mut peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\n");
        for _ in 0..100_000 {
            peer.send("X-Filler: 0123456789012345678901234567890123456789\r\n");
        }
        closed.send(peer.wait_for_close()).unwrap();
    });
    let error = open(&transport(), &server.endpoint(), get()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Limit { name: "head_bytes", value: 65536 });
    wait.recv().unwrap().unwrap();
}

#[tokio::test]
async fn the_head_limits_are_settings() {
    let server = Server::answering(response(200, "A: b\r\nC: d\r\n", ""));
    let transport = Transport::new(TransportConfig {
        limits: HeadLimits { headers: 2, ..HeadLimits::default() },
        ..TransportConfig::default()
    });
    let error = open(&transport, &server.endpoint(), get()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Limit { name: "headers", value: 2 });
}

#[tokio::test]
async fn what_is_not_http_is_said_so() {
    let server = Server::start(|_, mut peer| {
        peer.send("220 mail.example ESMTP\r\n");
        peer.request();
    });
    let error = open(&transport(), &server.endpoint(), get()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}");
    assert!(error.to_string().contains("220 mai"), "{error}");
}

#[tokio::test]
async fn dropping_a_body_closes_the_connection_at_once() {
    let (closed, wait) = mpsc::sync_channel(1);
    let server = Server::start(move |_, mut peer| {
        peer.request().unwrap();
        peer.send(CHUNKED);
        peer.send_chunk("one\n");
        peer.wait_for_close().unwrap();
        closed.send(Instant::now()).unwrap();
    });
    let mut response = open(&transport(), &server.endpoint(), get()).await.unwrap();
    within(response.body.read(&mut Vec::new())).await.unwrap();
    let dropped = Instant::now();
    drop(response);
    // Nothing runs here meanwhile: the thread of the test, which is the runtime, blocks.
    let seen = wait.recv_timeout(PATIENCE).unwrap();
    assert!(seen.duration_since(dropped) < Duration::from_millis(500));
}

#[tokio::test]
async fn dropping_a_request_before_its_answer_closes_the_connection() {
    let (asked, wait_asked) = tokio::sync::oneshot::channel();
    let asked = std::sync::Mutex::new(Some(asked));
    let (closed, wait) = mpsc::sync_channel(1);
    let server = Server::start(move |_, mut peer| {
        peer.request().unwrap();
        asked.lock().unwrap().take().unwrap().send(()).unwrap();
        closed.send(peer.wait_for_close()).unwrap();
    });
    let transport = transport();
    let connection = within(connect(&transport, &server.endpoint())).await.unwrap();
    tokio::select! {
        _ = connection.send(post("{}")) => panic!("the server never answers"),
        arrived = within(wait_asked) => arrived.unwrap(),
    }
    wait.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[tokio::test]
async fn nobody_listening_is_refused_with_nothing_sent() {
    let (_held, free) = refusing_address();
    let endpoint = Endpoint::http("127.0.0.1", free.port());
    let error = open(&transport(), &endpoint, get()).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (&ErrorKind::Refused, Sent::Nothing));
    assert_eq!(error.to_string(), format!("http://{free} refused the connection"));
}

#[tokio::test]
async fn a_name_without_address_is_resolve() {
    let error = open(&transport(), &Endpoint::http("no-such-host.invalid", 80), get()).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (&ErrorKind::Resolve, Sent::Nothing));
}

#[tokio::test]
async fn headers_that_would_change_the_request_are_refused_before_anything_is_sent() {
    let server = Server::start(|_, mut peer| {
        assert!(peer.request_head().is_none(), "nothing is sent");
    });
    for (name, value) in [("X-A", "b\r\nX-C: d"), ("Host", "elsewhere"), ("content-length", "7")] {
        let mut request = get();
        request.headers.push(name, value);
        let error = open(&transport(), &server.endpoint(), request).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidRequest(_)), "{name}");
        assert_eq!(error.sent(), Sent::Nothing);
    }
}
