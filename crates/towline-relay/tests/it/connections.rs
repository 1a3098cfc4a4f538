//! Connections without requests are closed, and do not keep others out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use towline_relay::Listen;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, SOON, config, connect, soon};

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_connection_ends_by_itself() {
    let server = Server::start(Routes::new());
    let mut config = config(&server.url());
    let limits = &mut config.limits;
    (limits.header_time, limits.idle_time, limits.body_time) =
        (Duration::from_millis(300), Duration::from_millis(300), Duration::from_millis(300));
    let relay = Relay::start(config).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [&preface[..], b"\0\0\0\x04\0\0\0\0\0"].concat();
    let states: [&[u8]; 9] = [
        b"",
        b"G",
        b"PRI * HTTP/2.0\r\n",
        preface,
        &settings,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /api/blobs/sha256:x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
    ];
    let began = Instant::now();
    for state in states.map(|state| (state, connect(&relay, state))) {
        let (bytes, mut stream) = state;
        let mut said = Vec::new();
        // Closed or reset, but not left open.
        if let Err(error) = stream.read_to_end(&mut said) {
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::ConnectionReset,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
    assert!(began.elapsed() < SOON);
    relay.stop().await;
}

/// The client is at fault, not the model server.
#[tokio::test(flavor = "multi_thread")]
async fn half_an_upload_is_its_clients_fault() {
    let server = Server::start(Routes::new().path("/api/blobs/sha256:x", Script::ndjson(["{}"])));
    for (is_cut, body_time, status) in [(false, Duration::from_millis(300), "408"), (true, SOON, "400")] {
        let mut config = config(&server.url());
        config.limits.body_time = body_time;
        let relay = Relay::start(config).await;
        let head = b"POST /api/blobs/sha256:x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc";
        let mut stream = connect(&relay, head);
        if is_cut {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_shuts_nobody_out() {
    let server = Server::start(Routes::new());
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("relay.sock");
    let mut config = config(&server.url());
    config.listen.push(Listen::Unix(socket.clone()));
    config.limits.connections = 8;
    let relay = Relay::start(config).await;
    let _flood: Vec<TcpStream> = (0..12).map(|_| connect(&relay, b"")).collect();
    let mut unix = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    unix.set_read_timeout(Some(SOON)).unwrap();
    unix.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    unix.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    // At a full listener, others are closed after 2 s.
    assert_eq!(soon(relay.get("/healthz")).await.status, 200);
    relay.stop().await;
}
