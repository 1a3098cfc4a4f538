//! The pool: what is used again and what is not.

use std::sync::mpsc;

use super::server::{CHUNKED, LAST_CHUNK, Server, chunk, response};
use super::*;

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let wire = [CHUNKED.as_bytes(), &chunk("one\n"), LAST_CHUNK.as_bytes()].concat();
    let server = Server::answering(wire);
    let transport = transport();
    for _ in 0..5 {
        let answer = fetch(&transport, &server.endpoint(), post("{}")).await;
        assert_eq!(answer.unwrap().1, b"one\n");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_end_is_reported_when_the_connection_is_already_back() {
    let server = Server::answering(response(200, "", "x"));
    let (transport, endpoint) = (transport(), server.endpoint());
    let mut response = open(&transport, &endpoint, get()).await.unwrap();
    let (_, end) = read_all(&mut response.body).await;
    end.unwrap();
    let connection = within(connect(&transport, &endpoint)).await.unwrap();
    assert!(connection.reused);
    // Asking again after the end is harmless.
    assert_eq!(within(response.body.read(&mut Vec::new())).await.unwrap(), Read::End);
}

#[tokio::test]
async fn a_response_without_body_gives_its_connection_back_at_once() {
    for wire in ["HTTP/1.1 204 No Content\r\n\r\n".into(), response(200, "", "")] {
        let server = Server::answering(wire);
        let (transport, endpoint) = (transport(), server.endpoint());
        let _response = open(&transport, &endpoint, get()).await.unwrap();
        assert!(within(connect(&transport, &endpoint)).await.unwrap().reused);
    }
}

#[tokio::test]
async fn what_says_close_or_has_leftovers_is_not_used_again() {
    for wire in [
        response(200, "Connection: close\r\n", "x"),
        response(200, "", "x") + "leftover",
        format!("{CHUNKED}{LAST_CHUNK}HTTP/1.1 200 OK\r\n"),
        response(200, "Transfer-Encoding: chunked\r\n", LAST_CHUNK),
        "HTTP/1.1 204 No Content\r\n\r\nleftover".into(),
    ] {
        let server = Server::answering(wire);
        let (transport, endpoint) = (transport(), server.endpoint());
        fetch(&transport, &endpoint, get()).await.unwrap();
        let connection = within(connect(&transport, &endpoint)).await.unwrap();
        assert!(!connection.reused);
    }
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_is_replaced() {
    let (closed, wait) = mpsc::sync_channel(1);
    let server = Server::start(move |number, mut peer| {
        peer.request().unwrap();
        peer.send(response(200, "", "x"));
        if number == 0 {
            drop(peer);
            closed.send(()).unwrap();
        } else {
            peer.wait_for_close().unwrap();
        }
    });
    let (transport, endpoint) = (transport(), server.endpoint());
    fetch(&transport, &endpoint, get()).await.unwrap();
    // Blocks the runtime, so only the kernel can know of the close.
    wait.recv_timeout(PATIENCE).unwrap();
    let connection = within(connect(&transport, &endpoint)).await.unwrap();
    assert!(!connection.reused);
    within(connection.send(get())).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_spoke_in_the_pool_is_not_trusted() {
    let (spoken, wait) = mpsc::sync_channel(1);
    let server = Server::start(move |_, mut peer| {
        peer.request().unwrap();
        peer.send(response(200, "", "x"));
        if peer.request().is_some() {
            peer.send(response(200, "", "y"));
            peer.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
            spoken.send(()).unwrap();
        }
        drop(peer.wait_for_close());
    });
    let (transport, endpoint) = (transport(), server.endpoint());
    fetch(&transport, &endpoint, get()).await.unwrap();
    fetch(&transport, &endpoint, get()).await.unwrap();
    wait.recv_timeout(PATIENCE).unwrap();
    assert!(!within(connect(&transport, &endpoint)).await.unwrap().reused);
}

#[tokio::test]
async fn the_pool_keeps_no_more_than_it_may() {
    let server = Server::answering(response(200, "", "x"));
    let config = TransportConfig {
        pool: PoolConfig { max_idle_per_host: 2, ..PoolConfig::default() },
        ..TransportConfig::default()
    };
    let (transport, endpoint) = (Transport::new(config), server.endpoint());
    let mut open_bodies = Vec::new();
    for _ in 0..4 {
        open_bodies.push(open(&transport, &endpoint, get()).await.unwrap().body);
    }
    for body in &mut open_bodies {
        read_all(body).await.1.unwrap();
    }
    let mut reused = 0;
    let mut connections = Vec::new();
    for _ in 0..4 {
        let connection = within(connect(&transport, &endpoint)).await.unwrap();
        reused += usize::from(connection.reused);
        connections.push(connection);
    }
    assert_eq!(reused, 2);
}

#[tokio::test(start_paused = true)]
async fn an_old_idle_connection_is_not_used() {
    let server = Server::answering(response(200, "", "x"));
    let (transport, endpoint) = (transport(), server.endpoint());
    let answer = async { connect(&transport, &endpoint).await.unwrap().send(get()).await.unwrap() };
    let mut body = answer.await.body;
    while body.read(&mut Vec::new()).await.unwrap() != Read::End {}
    tokio::time::advance(Duration::from_secs(89)).await;
    let connection = connect(&transport, &endpoint).await.unwrap();
    assert!(connection.reused);
    let mut body = connection.send(get()).await.unwrap().body;
    while body.read(&mut Vec::new()).await.unwrap() != Read::End {}
    tokio::time::advance(Duration::from_secs(90)).await;
    assert!(!connect(&transport, &endpoint).await.unwrap().reused);
}

#[tokio::test]
async fn a_unix_socket_is_a_server_like_any_other() {
    use super::server::Peer;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("towline.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let heads = std::thread::spawn(move || {
        let mut peer = Peer { stream: listener.accept().unwrap().0 };
        let first = peer.request().unwrap();
        peer.send(response(200, "", "one"));
        let second = peer.request().unwrap();
        peer.send(response(200, "", "two"));
        (first.head, second.head)
    });
    let (transport, endpoint) = (transport(), Endpoint::unix(&path));
    assert_eq!(fetch(&transport, &endpoint, get()).await.unwrap().1, b"one");
    assert_eq!(fetch(&transport, &endpoint, get()).await.unwrap().1, b"two");
    let (first, second) = heads.join().unwrap();
    assert!(first.contains("Host: localhost\r\n"));
    assert_eq!(first, second);

    let missing = Endpoint::unix(folder.path().join("nobody.sock"));
    let error = open(&transport, &missing, get()).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (&ErrorKind::ConnectFailed, Sent::Nothing));
}

#[tokio::test]
async fn a_used_connection_that_is_closed_with_408_is_replaced() {
    let server = Server::start(|number, mut peer| {
        peer.request().unwrap();
        peer.send(response(200, "", "x"));
        if number < 2 && peer.request().is_some() {
            peer.send(response(408, "Connection: close\r\n", "too late"));
        }
        drop(peer.wait_for_close());
    });
    let (transport, endpoint) = (transport(), server.endpoint());
    fetch(&transport, &endpoint, post("{}")).await.unwrap();
    assert_eq!(fetch(&transport, &endpoint, post("{}")).await.unwrap(), (200, b"x".to_vec()));
    assert_eq!(server.connections(), 2);
    // What cannot be sent again is answered as the server did.
    let reader = Box::pin(tokio::io::repeat(b'x'));
    let streamed = Request { body: RequestBody::Stream { len_bytes: 9, reader }, ..post("") };
    assert_eq!(fetch(&transport, &endpoint, streamed).await.unwrap().0, 408);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_408_to_a_request_that_was_received_is_an_answer() {
    for (first, second) in [("Connection: close\r\n", ""), ("", "")] {
        let server = Server::start(move |_, mut peer| {
            peer.request().unwrap();
            peer.send(response(408, first, ""));
            if peer.request().is_some() {
                peer.send(response(408, second, ""));
            }
            drop(peer.wait_for_close());
        });
        let (transport, endpoint) = (transport(), server.endpoint());
        for _ in 0..2 {
            assert_eq!(fetch(&transport, &endpoint, post("{}")).await.unwrap().0, 408);
        }
        assert_eq!(server.connections(), if first.is_empty() { 1 } else { 2 });
    }
}
