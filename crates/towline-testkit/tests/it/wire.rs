use std::{
    io::Read,
    time::{Duration, Instant},
};

use towline_testkit::{Body, Framing, Pace, Script, Server, http, records::ollama};

use crate::client::{Client, End, SOON};

/// The bytes after the response head, up to the connection's end.
fn body_of(script: Script) -> (String, End) {
    let server = Server::start(script.close());
    let mut client = Client::connect(&server);
    client.get("/").head();
    client.rest()
}

#[test]
fn ndjson_is_one_chunk_per_line() {
    let (body, end) = body_of(Script::ndjson(["{}", r#"{"a":1}"#]));
    assert_eq!((body.as_str(), end), ("3\r\n{}\n\r\n8\r\n{\"a\":1}\n\r\n0\r\n\r\n", End::Fin));
}

#[test]
fn sse_is_one_chunk_per_event() {
    let (body, end) = body_of(Script::sse(["{}", "[DONE]"]));
    let expected = "a\r\ndata: {}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    assert_eq!((body.as_str(), end), (expected, End::Fin));
}

#[test]
fn an_open_stream_closed_is_cut_inside_the_chunked_body() {
    let (body, end) = body_of(Script::ndjson_open(["{}"]));
    assert_eq!((body.as_str(), end), ("3\r\n{}\n\r\n", End::Fin));
}

#[test]
fn heads_say_how_the_body_ends() {
    let server = Server::start([
        Script::request().head(200, http::NDJSON, Body::Chunked).close(),
        Script::respond(503, "text/plain", "busy"),
        Script::request().head(200, http::SSE, Body::UntilClose).send("data: x").close(),
    ]);
    let expected = [
        ("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n", "busy"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n", "data: x"),
    ];
    for (head, body) in expected {
        let mut client = Client::connect(&server);
        assert_eq!(client.get("/").head(), head);
        client.expect(body);
    }
}

#[test]
fn a_content_length_may_lie() {
    let server = Server::start(Script::lying_length(http::JSON, 1000, "{}"));
    let mut client = Client::connect(&server);
    assert!(client.get("/").head().contains("Content-Length: 1000\r\n"));
    assert_eq!(client.rest(), ("{}".to_owned(), End::Fin));
}

#[test]
fn requests_are_recorded_with_head_and_body() {
    let server = Server::start(Script::respond(200, http::JSON, "{}"));
    let mut client = Client::connect(&server);
    client.send("POST /api/chat?x=1 HTTP/1.1\r\nHOST:  Test \r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("8\r\n{\"model\"\r\n5;ext=1\r\n:\"m\"}\r\n0\r\nTrailer: t\r\n\r\n");
    client.head();
    client.expect("{}").get("/again").head();

    let requests = server.requests();
    let [chat, again] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(
        (chat.method.as_str(), chat.path(), chat.target.as_str()),
        ("POST", "/api/chat", "/api/chat?x=1")
    );
    assert_eq!((chat.header("host"), chat.model().as_deref()), (Some("Test"), Some("m")));
    assert_eq!(chat.body, br#"{"model":"m"}"#);
    assert_eq!((again.path(), again.nth_on_connection), ("/again", 1));
    assert_eq!(again.head, b"GET /again HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!((server.connections(), server.requests_per_connection()), (1, vec![2]));
}

#[test]
fn a_request_written_byte_by_byte_is_one_request() {
    let server = Server::start(Script::respond(200, http::JSON, "{}"));
    let mut client = Client::connect(&server);
    client.0.set_nodelay(true).unwrap();
    for byte in "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc".chars() {
        client.send(&byte.to_string());
    }
    client.head();
    assert_eq!(server.requests()[0].body, b"abc");
}

#[test]
fn a_head_can_be_read_alone() {
    let server = Server::start(Script::new().read_head().head(413, "text/plain", Body::Length(0)).close());
    let mut client = Client::connect(&server);
    client.send("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 413 "));
    assert_eq!(server.requests()[0].body, b"");
}

#[test]
fn endless_things_go_on_until_the_peer_closes() {
    for script in [Script::endless_header(), Script::endless_error_body(500), Script::endless_line()] {
        let server = Server::start(script);
        let mut client = Client::connect(&server);
        client.get("/");
        client.0.read_exact(&mut vec![0; 1 << 20]).unwrap();
        drop(client);
        assert!(server.wait_for_close(0, SOON).is_some());
        assert!(server.wait_until_over(0, SOON));
    }
}

#[test]
fn a_flood_stops_where_nobody_reads() {
    const TOTAL: u64 = 200_000_000;
    let piece = http::chunk(http::line(ollama::chat_text("flood")).repeat(1000));
    let server = Server::start(Script::ndjson_open([""; 0]).flood(&piece, TOTAL).wait("flooded"));
    let mut client = Client::connect(&server);
    client.get("/").head();
    assert!(server.wait_for_request(1, SOON).is_some());
    assert!(server.sent_bytes(0) < TOTAL / 2, "the kernel's buffers are smaller");
    // Then it continues to the end.
    std::io::copy(&mut (&client.0).take(TOTAL), &mut std::io::sink()).unwrap();
    assert!(server.wait_until_at("flooded", 1, SOON));
    assert!(server.sent_bytes(0) >= TOTAL);
}

#[test]
fn a_deaf_server_floods_without_reading() {
    let server = Server::start(Script::deaf().send("HTTP/1.1 200 OK\r\n\r\n").forever("x"));
    let mut client = Client::connect(&server);
    client.expect("HTTP/1.1 200 OK\r\n\r\nxxxx").send("never read");
    drop(client);
    assert!(server.wait_for_close(0, SOON).is_some());
    assert!(server.requests().is_empty());
}

#[test]
fn pieces_keep_an_absolute_schedule() {
    let pace = Pace::per_second(200.0);
    let script = Script::request().pieces(["a", "b", "c", "d", "e"], Framing::Raw, pace).close();
    let server = Server::start(script);
    let mut client = Client::connect(&server);
    let begun = Instant::now();
    client.get("/").expect("abcde");
    assert!(begun.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_trickle_is_chunked_byte_by_byte() {
    let trickle = Script::request().head(200, http::NDJSON, Body::Chunked);
    let (body, _) = body_of(trickle.trickle("{}\n", Framing::Chunked, Pace::FlatOut).end_chunks());
    assert_eq!(body, "1\r\n{\r\n1\r\n}\r\n1\r\n\n\r\n0\r\n\r\n");
}

#[test]
fn a_unix_socket_plays_scripts_too() {
    use std::{io::Write, os::unix::net::UnixStream};

    let path = std::env::temp_dir().join(format!("towline-testkit-{}.sock", std::process::id()));
    let server = Server::listen_unix(&path, Script::respond(200, "text/plain", "hello").stall()).unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    drop(client);
    assert!(server.wait_for_close(0, SOON).is_some());
    drop(server);
    assert!(!path.exists());
}
