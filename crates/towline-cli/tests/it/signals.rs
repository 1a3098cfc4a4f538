//! Ctrl-C, SIGTERM and closed pipes.

use std::io::Read as _;
use std::process::Stdio;

use rustix::process::Signal;
use towline_testkit::records::ollama::{chat_text, status};
use towline_testkit::{Body, Script, Server, http};

use crate::program::{Live, SOON, run, towline};

fn stalling() -> Server {
    Server::start(Script::ndjson_open([chat_text("Hel"), chat_text("lo")]).stall())
}

#[test]
fn a_signal_cancels_and_keeps_what_came() {
    for (signal, code, reason) in [(Signal::INT, 130, "interrupted"), (Signal::TERM, 143, "terminated")] {
        let server = stalling();
        let mut live = Live::start(&mut run(&server.url(), &[]));
        live.expect("Hello");
        live.signal(signal);
        let ended = live.finish();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), "Hello"));
        assert_eq!(ended.stderr, format!("note: {reason}; kept 5 characters of the answer (2 records)\n"));
        assert!(server.wait_for_close(0, SOON).is_some());

        let server = stalling();
        let mut live = Live::start(&mut run(&server.url(), &["--json"]));
        live.expect("\"lo\"");
        live.signal(signal);
        let ended = live.finish();
        let end = ended.end();
        assert_eq!((ended.code, &end["outcome"]), (Some(code), &"cancelled".into()));
        assert_eq!(end["error"]["message"], format!("cancelled: {reason}"));
        assert_eq!((&end["error"]["fault"], &end["text_bytes"]), (&"caller".into(), &5.into()));
    }
}

#[test]
fn a_signal_before_the_first_token() {
    let server = Server::start(Script::request().stall());
    let live = Live::start(&mut run(&server.url(), &["--json"]));
    assert!(server.wait_for_request(1, SOON).is_some());
    live.signal(Signal::INT);
    let ended = live.finish();
    assert_eq!((ended.code, ended.lines().len()), (Some(130), 2), "{ended:?}");
    assert!(server.wait_for_close(0, SOON).is_some());
}

#[test]
fn a_signal_while_the_models_are_asked_for() {
    let server = Server::start(Script::request().stall());
    let live = Live::start(&mut towline(["run", "--host", &server.url(), "--json", "hi"]));
    assert!(server.wait_for_request(1, SOON).is_some());
    live.signal(Signal::TERM);
    let ended = live.finish();
    assert_eq!((ended.code, &ended.end()["outcome"]), (Some(143), &"cancelled".into()), "{ended:?}");
}

#[test]
fn a_signal_ends_a_program_whose_output_nobody_takes() {
    let line = http::chunk(http::line(chat_text(&"x".repeat(1000))));
    let server = Server::start(Script::request().head(200, http::NDJSON, Body::Chunked).forever(line));
    let (reader, writer) = std::io::pipe().unwrap();
    let live = Live::start_with_stdout(&mut run(&server.url(), &[]), Stdio::from(writer));
    // The program has read more than the pipe and the sockets can hold, so it is blocked in a write.
    assert!(server.wait_for_request(1, SOON).is_some());
    let mut some = [0; 1];
    (&reader).read_exact(&mut some).unwrap();
    live.signal(Signal::INT);
    live.signal(Signal::TERM);
    let ended = live.finish();
    // Of two signals at once, either may arrive first.
    assert!(matches!(ended.code, Some(130 | 143)), "{ended:?}");
    drop(reader);
}

#[test]
fn a_closed_pipe_ends_it_quietly_and_at_once() {
    // The server stalls: nothing is written that could fail.
    let server = stalling();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let live = Live::start_with_stdout(&mut run(&server.url(), &[]), Stdio::from(writer));
    let mut text = [0; 5];
    reader.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"Hello");
    drop(reader);
    let ended = live.finish();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(server.wait_for_close(0, SOON).is_some());
}

#[test]
fn a_closed_pipe_under_a_flood() {
    let line = http::chunk(http::line(chat_text("x")));
    for options in [&[][..], &["--json"][..]] {
        let server =
            Server::start(Script::request().head(200, http::NDJSON, Body::Chunked).forever(line.clone()));
        let (mut reader, writer) = std::io::pipe().unwrap();
        let live = Live::start_with_stdout(&mut run(&server.url(), options), Stdio::from(writer));
        reader.read_exact(&mut [0; 100]).unwrap();
        drop(reader);
        let ended = live.finish();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(server.wait_for_close(0, SOON).is_some());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let server = stalling();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Live::start_with_stdout(&mut run(&server.url(), &[]), Stdio::from(full)).finish();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("standard output cannot be written: No space left"), "{ended:?}");
    assert!(server.wait_for_close(0, SOON).is_some());
}

#[test]
fn a_signal_stops_a_pull() {
    let server = Server::start(Script::ndjson_open([status("pulling manifest")]).stall());
    let mut live = Live::start(&mut towline(["pull", "--host", &server.url(), "a", "b"]));
    live.expect("pulling manifest\n");
    live.signal(Signal::INT);
    let ended = live.finish();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("the same pull continues there"), "{ended:?}");
    assert_eq!(server.requests().len(), 1);
}
