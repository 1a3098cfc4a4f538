//! Endless or false data from a server is cut off at a named limit.

use towline::client::Limits;
use towline::error::{ErrorKind, Fault};
use towline::outcome::FinishReason;
use towline::{Ending, Error, Outcome};
use towline_testkit::records::ollama;
use towline_testkit::{Body, Script, Server, http};

use crate::client_support::{SOON, chat, client, client_with, read};

fn failure(outcome: &Outcome) -> &Error {
    match &outcome.ending {
        Ending::Failed(error) => error,
        Ending::Completed(_) | Ending::Truncated(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } => {
            panic!("not failed: {outcome:?}")
        }
    }
}

fn answered() -> Script {
    Script::request().head(200, http::NDJSON, Body::Chunked)
}

#[tokio::test]
async fn what_is_endless_is_cut_off_at_its_limit() {
    let text = http::chunk(http::line(ollama::chat_text(&"x".repeat(1000))));
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(64);
    for (script, limit) in [
        (Script::endless_line(), "line limit of 33554432 bytes"),
        (Script::endless_header(), "head_bytes = 65536"),
        (Script::request().forever(interim), "interim_heads = 16"),
        (answered().send("0\r\n").forever("X-Trailer: 0123456789\r\n".repeat(64)), "TRAILER_BYTES = 16384"),
        (answered().send("1;x=").forever([b'e'; 4096]), "CHUNK_LINE_BYTES = 16384"),
        (answered().forever(text.repeat(64)), "reply limit of 1000000 bytes"),
    ] {
        let server = Server::start(script);
        let client = client_with(&server, |config| config.limits.reply_bytes = 1_000_000);
        let (_, outcome) = read(client.chat(chat("m"))).await;
        let error = failure(&outcome);
        assert_eq!((error.kind, error.fault), (ErrorKind::Limit, Fault::Protocol), "{error:?}");
        assert!(error.message.contains(limit) && error.may_have_had_effect, "{error:?}");
        assert!(outcome.reply.text.len() <= 1_001_000);
        assert!(server.wait_for_close(0, SOON).is_some());
    }
}

#[tokio::test]
async fn an_endless_refusal_is_read_to_its_limit() {
    let server = Server::start(Script::endless_error_body(500));
    let (_, outcome) = read(client(&server).chat(chat("m"))).await;
    let error = failure(&outcome);
    assert_eq!((error.kind, error.status), (ErrorKind::Server, Some(500)));
    assert!(error.message.starts_with("eee") && error.message.len() < 1000);
    assert!(outcome.stats.received_bytes <= (64 << 10) + (64 << 10), "{:?}", outcome.stats);
    assert!(server.wait_for_close(0, SOON).is_some());
}

#[tokio::test]
async fn limits_are_the_callers_to_set() {
    let server = Server::start(Script::ndjson(ollama::chat(&[&"x".repeat(1000)])));
    for (line_bytes, is_whole) in [(500, false), (2000, true)] {
        let client =
            client_with(&server, |config| config.limits = Limits { line_bytes, ..Limits::default() });
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert_eq!(outcome.is_completed(), is_whole, "{outcome:?}");
    }
}

#[tokio::test]
async fn endless_trailers_after_the_terminal_record_do_not_matter() {
    let script =
        Script::ndjson_open(ollama::chat(&["Hi"])).send("0\r\n").forever("X-Trailer: 0\r\n".repeat(64));
    let server = Server::start(script);
    let (_, outcome) = read(client(&server).chat(chat("m"))).await;
    assert_eq!(outcome.ending, Ending::Completed(Some(FinishReason::Stop)));
}

#[tokio::test]
async fn what_is_not_http_or_not_the_protocol_fails_as_such() {
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    for (script, message) in [
        (Script::request().send("SSH-2.0-OpenSSH\r\n").stall(), "SSH-2.0"),
        (Script::request().send(b"\x15\x03\x01\x00\x02\x02\x16").stall(), "TLS"),
        (
            Script::request().send(head("Content-Length: 1\r\nContent-Length: 2\r\n")).stall(),
            "Content-Length is not",
        ),
        (Script::request().send(head("Transfer-Encoding: gzip\r\n")).stall(), "transfer encoding"),
        (Script::request().send(head("Content-Encoding: br\r\n")).stall(), "content encoding"),
        (answered().send("zz\r\n").stall(), "chunk"),
        (answered().send("3\r\nabcd\r\n").stall(), "chunk"),
        (
            Script::respond(200, "text/html", "<!DOCTYPE html>\n<html>log in</html>"),
            "a web page, not with its protocol: log in",
        ),
        (Script::ndjson(["[1]"]), "not an object"),
    ] {
        let server = Server::start(script);
        let (_, outcome) = read(client(&server).chat(chat("m"))).await;
        let error = failure(&outcome);
        assert_eq!((error.kind, error.fault), (ErrorKind::Protocol, Fault::Protocol), "{error:?}");
        assert!(error.message.contains(message), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_head_is_lost() {
    for script in [
        Script::request().close(),
        Script::request().send("HTTP/1.1 200").close(),
        Script::request().reset(),
        Script::read_head_then_reset(),
    ] {
        let server = Server::start(script);
        let (events, outcome) = read(client(&server).chat(chat("m"))).await;
        let error = failure(&outcome);
        assert_eq!((error.kind, error.fault), (ErrorKind::ConnectionLost, Fault::Transport), "{error:?}");
        assert!(error.may_have_had_effect && events.is_empty());
        assert_eq!(server.requests().len(), 1, "and it is not sent again");
    }
}

trait ReadHeadThenReset {
    fn read_head_then_reset() -> Script;
}

impl ReadHeadThenReset for Script {
    fn read_head_then_reset() -> Script {
        Script::new().read_head().reset()
    }
}

#[tokio::test]
async fn an_empty_success_is_a_truncated_answer() {
    for script in [
        Script::respond(200, http::NDJSON, ""),
        Script::ndjson::<&str>([]),
        Script::request().head(200, http::NDJSON, Body::UntilClose).close(),
        Script::respond(200, http::NDJSON, "\r\n\n"),
        Script::request().send("HTTP/1.1 204 No Content\r\n\r\n"),
    ] {
        let server = Server::start(script);
        let (events, outcome) = read(client(&server).chat(chat("m"))).await;
        let Ending::Truncated(error) = &outcome.ending else { panic!("{outcome:?}") };
        assert_eq!(error.fault, Fault::Server);
        assert!(error.message.contains("before its first record"), "{error:?}");
        assert!(events.is_empty() && outcome.reply.text.is_empty());
    }
}

#[tokio::test]
async fn a_body_longer_than_its_length_ends_at_its_length() {
    let whole: String = ollama::chat(&["Hel", "lo"]).iter().map(|line| format!("{line}\n")).collect();
    let cut = whole.len() - 5;
    for (length, ending) in [(whole.len(), "completed"), (cut, "truncated")] {
        let head = http::response_head(200, &[], Body::Length(length as u64));
        let server = Server::start(Script::request().send([&head, whole.as_bytes(), b"and more"].concat()));
        let client = client(&server);
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert_eq!((outcome.ending.as_str(), outcome.reply.text.as_str()), (ending, "Hello"));
        // The bytes after it belong to no request: the connection is not reused.
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert_eq!(outcome.ending.as_str(), ending);
        assert_eq!(server.connections(), 2);
    }
}
