use std::{
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use towline_testkit::{CloseKind, Script, Server, records::ollama};

use crate::client::{Client, End, SOON};

#[test]
fn a_stalled_server_sees_the_peer_close() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
    let mut client = Client::connect(&server);
    client.get("/").head();
    assert!(server.closed(0).is_none());
    let before = Instant::now();
    // Half-closed: nothing is unread on the way back, so this is always a FIN.
    client.0.shutdown(Shutdown::Write).unwrap();
    let close = server.wait_for_close(0, SOON).unwrap();
    assert_eq!(close.kind, CloseKind::Fin);
    assert!(close.at >= before);
    assert!(server.wait_until_over(0, SOON));
    assert_eq!(server.open_connections(), 0);
}

#[test]
fn a_peer_that_closes_with_unread_bytes_is_seen_as_a_reset() {
    let server = Server::start(Script::request().send("unread").wait("sent"));
    let mut client = Client::connect(&server);
    client.get("/").expect("un");
    assert!(server.wait_until_at("sent", 1, SOON));
    drop(client);
    assert_eq!(server.wait_for_close(0, SOON).unwrap().kind, CloseKind::Reset);
}

#[test]
fn a_close_is_seen_at_once_in_every_waiting_step() {
    use towline_testkit::{Framing, Pace};
    let hour = Pace::Every(Duration::from_secs(3600));
    let waiting = [
        Script::request(),
        Script::request().stall(),
        Script::request().wait("never"),
        Script::request().pieces(["", ""], Framing::Raw, hour),
        Script::request().half_close().stall(),
    ];
    for script in waiting {
        let server = Server::start(script);
        let mut client = Client::connect(&server);
        client.get("/");
        assert!(server.wait_for_request(1, SOON).is_some());
        drop(client);
        assert!(server.wait_for_close(0, SOON).is_some());
        assert!(server.wait_until_over(0, SOON));
    }
}

#[test]
fn a_reset_reaches_the_peer_as_a_reset() {
    let server = Server::start(Script::request().send("part").wait("read").reset());
    let mut client = Client::connect(&server);
    client.get("/").expect("part");
    server.open("read");
    assert_eq!(client.rest(), (String::new(), End::Reset));
    assert!(server.wait_until_over(0, SOON));
    assert!(server.closed(0).is_none(), "the peer did not close");
}

#[test]
fn a_half_close_still_reads() {
    let server = Server::start(Script::request().send("bye").half_close().read_request().wait("read"));
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/1").rest(), ("bye".to_owned(), End::Fin));
    client.get("/2");
    assert_eq!(server.wait_for_request(2, SOON).unwrap().path(), "/2");
}

#[test]
fn a_script_that_runs_out_serves_again_or_closes() {
    let server = Server::start([Script::respond(200, "text/plain", "x"), Script::new().send("banner")]);
    let mut again = Client::connect(&server);
    for _ in 0..3 {
        again.get("/").head();
        again.expect("x");
    }
    assert_eq!(Client::connect(&server).rest(), ("banner".to_owned(), End::Fin));
    assert_eq!(server.requests_per_connection(), [3, 0]);
}

#[test]
fn dropping_the_server_closes_everything() {
    let server = Server::start([
        Script::request().stall(),
        Script::request().wait("never"),
        Script::new().forever([b'x'; 1 << 16]),
        Script::deaf().stall(),
    ]);
    let addr = server.addr();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&server)).collect();
    for client in &mut clients[..2] {
        client.get("/");
    }
    assert!(server.wait_for_request(2, SOON).is_some());
    drop(server);
    assert_eq!(clients[0].rest(), (String::new(), End::Fin));
    assert_eq!(clients[1].rest(), (String::new(), End::Fin));
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn a_wait_gives_up_in_time() {
    let server = Server::start(Script::request().stall());
    let mut client = Client::connect(&server);
    client.get("/");
    assert!(server.wait_for_close(0, Duration::from_millis(1)).is_none());
    assert!(!server.wait_for_connections(2, Duration::ZERO));
    assert!(!server.wait_until_at("nowhere", 1, Duration::ZERO));
}

#[test]
fn many_connections_are_kept_apart() {
    const MANY: usize = 200;
    let server = Server::start(Script::ndjson_open(["{}"]).wait("go").line("{}").end_chunks());
    let mut clients: Vec<Client> = (0..MANY).map(|_| Client::connect(&server)).collect();
    for (nth, client) in clients.iter_mut().enumerate() {
        client.get(&format!("/{nth}"));
    }
    assert!(server.wait_until_at("go", MANY as u64, SOON));
    server.open("go");
    for client in &mut clients {
        client.head();
        client.expect("3\r\n{}\n\r\n3\r\n{}\n\r\n0\r\n\r\n");
    }
    drop(clients);
    for id in 0..MANY {
        assert!(server.wait_for_close(id, SOON).is_some());
    }
}
