//! The client never waits endlessly for a server: tests of each deadline and its default.
//!
//! If the server will certainly do nothing more, the runtime's clock is paused and jumps to the next deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use towline::client::{Api, Limits, Timeouts};
use towline::error::{ErrorKind, Fault};
use towline::event::Phase;
use towline::outcome::{Clock, FinishReason};
use towline::{Config, Ending, Item, Outcome, Stream};
use towline_testkit::ports::BlackHole;
use towline_testkit::records::{ollama, openai};
use towline_testkit::{Body, Framing, Pace, Script, Server, http};

use crate::client_support::{
    MILLISECOND, NO_TIMEOUTS, SHORT, SOON, beside, chat, client, client_to, client_with, has_received,
    next_end, next_event, read, read_until, soon, text,
};

const MINUTE: Duration = Duration::from_secs(60);

/// The end of a stream whose server does nothing more, and how long it took by the runtime's clock.
async fn end_in_stopped_time(stream: &mut Stream) -> (Outcome, Duration) {
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    // Not `soon`: that would be the next deadline.
    let end = match stream.next().await.unwrap() {
        Item::Event(event) => panic!("one event too many: {event:?}"),
        Item::End(outcome) => *outcome,
    };
    (end, before.elapsed())
}

fn timed_out(clock: Clock, limit: Duration, may_have_had_effect: bool) -> Ending {
    Ending::TimedOut { clock, limit, may_have_had_effect }
}

fn is_about(took: Duration, limit: Duration) -> bool {
    took <= limit + 10 * MILLISECOND && took + Duration::from_secs(1) >= limit
}

#[tokio::test]
async fn by_default_a_silent_network_is_given_up() {
    let hole = BlackHole::new().unwrap();
    let mut stream = client_to(&format!("http://{}", hole.addr()), |_| ()).chat(chat("m"));
    let (outcome, took) = end_in_stopped_time(&mut stream).await;
    assert_eq!(outcome.ending, timed_out(Clock::Connect, Duration::from_secs(10), false));
    assert_eq!(outcome.ending.error().unwrap().fault, Fault::Transport);
    assert!(is_about(took, Duration::from_secs(10)), "{took:?}");
}

#[tokio::test]
async fn by_default_a_server_that_never_answers_is_given_up() {
    // Before the head, within it, between head and first record, within the first record.
    let head = http::response_head(200, &[], Body::Chunked);
    let scripts = [
        Script::request().wait("there").stall(),
        Script::request().send(&head[..20]).wait("there").stall(),
        Script::request().send(&head).wait("there").stall(),
        Script::request().send(&head).chunk("{\"mod").wait("there").stall(),
    ];
    for script in scripts {
        let server = Arc::new(Server::start(script));
        let mut stream = client(&server).chat(chat("m"));
        let there = beside(&server, |server| server.wait_until_at("there", 1, SOON));
        tokio::select! {
            end = stream.next() => panic!("{end:?}"),
            there = there => assert!(there),
        }
        // The server's data has arrived; a poll or two reads it.
        for _ in 0..10 {
            tokio::select! { biased; end = stream.next() => panic!("{end:?}"), () = tokio::task::yield_now() => {} }
        }
        let (outcome, took) = end_in_stopped_time(&mut stream).await;
        assert_eq!(outcome.ending, timed_out(Clock::FirstEvent, 20 * MINUTE, true));
        assert!(is_about(took, 20 * MINUTE), "{took:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn by_default_a_server_that_falls_silent_is_given_up() {
    for half_line in ["", "{\"mod"] {
        let lines = [http::line(ollama::chat_text("Hel")), half_line.into()].concat();
        let script = Script::request().head(200, http::NDJSON, Body::Chunked).chunk(&lines).stall();
        let server = Server::start(script);
        let mut stream = client(&server).chat(chat("m"));
        assert_eq!(next_event(&mut stream).await, text("Hel"));
        let (outcome, took) = end_in_stopped_time(&mut stream).await;
        assert_eq!(outcome.ending, timed_out(Clock::Idle, 5 * MINUTE, true));
        assert_eq!(outcome.reply.text, "Hel");
        assert_eq!(outcome.stats.undecoded_bytes, half_line.len() as u64);
        assert!(is_about(took, 5 * MINUTE), "{took:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn by_default_a_refusal_that_never_ends_is_given_up() {
    let server = Server::start(
        Script::request().head(500, http::JSON, Body::Chunked).chunk("{\"error\":\"no memory").stall(),
    );
    let mut stream = client(&server).chat(chat("m"));
    read_until(&mut stream, |stream| stream.stats().received_bytes > 0).await;
    let (outcome, took) = end_in_stopped_time(&mut stream).await;
    let error = outcome.ending.error().unwrap();
    assert_eq!((outcome.ending.as_str(), error.status), ("failed", Some(500)));
    assert!(error.message.contains("no memory"), "{}", error.message);
    assert!(is_about(took, Duration::from_secs(5)), "{took:?}");
}

#[tokio::test]
async fn by_default_a_hang_after_the_terminal_record_costs_a_moment() {
    let server = Server::start(Script::ndjson_open(ollama::chat(&["Hi"])).stall());
    let mut stream = client(&server).chat(chat("m"));
    assert_eq!(next_event(&mut stream).await, text("Hi"));
    next_event(&mut stream).await;
    assert_eq!(stream.phase(), Phase::Finishing);
    let (outcome, took) = end_in_stopped_time(&mut stream).await;
    assert_eq!(outcome.ending, Ending::Completed(Some(FinishReason::Stop)));
    assert!(is_about(took, Duration::from_millis(250)), "{took:?}");
    assert!(server.wait_for_close(0, SOON).is_some(), "the connection is not kept");
}

#[tokio::test]
async fn the_total_clock_ends_a_stream_that_never_ends() {
    let timeouts = Timeouts { total: Some(SHORT), ..NO_TIMEOUTS };
    let line = http::chunk(http::line(ollama::chat_text("x")));
    for script in [
        Script::request().stall(),
        Script::ndjson_open([ollama::chat_text("x")]).stall(),
        // Neither records nor blank lines extend it.
        Script::request().head(200, http::NDJSON, Body::Chunked).forever(line.repeat(64)),
        Script::request().head(200, http::NDJSON, Body::Chunked).forever(http::chunk("\n".repeat(4096))),
    ] {
        let server = Server::start(script);
        let (_, outcome) = read(client(&server).chat(chat("m")).with_timeouts(timeouts)).await;
        assert_eq!(outcome.ending, timed_out(Clock::Total, SHORT, true));
        assert_eq!(outcome.ending.error().unwrap().fault, Fault::Caller);
        assert!(outcome.stats.total >= SHORT);
    }
}

#[tokio::test]
async fn bytes_without_records_run_out_of_another_clock_than_silence() {
    let timeouts =
        Timeouts { first_event: Some(SHORT), idle: Some(SHORT), record: Some(SHORT), ..NO_TIMEOUTS };
    let comments = || Script::request().head(200, http::SSE, Body::Chunked);
    let ever: Vec<&str> = vec![": ping\n\n"; 3000];
    let slowly = Pace::Every(10 * MILLISECOND);
    for (script, clock) in [
        (comments().pieces(&ever, Framing::Chunked, slowly.clone()), Clock::FirstEvent),
        (comments().forever(http::chunk(": ping\n\n".repeat(500))), Clock::FirstEvent),
        (comments().event(openai::text("x")).pieces(&ever, Framing::Chunked, slowly.clone()), Clock::Record),
        (comments().event(openai::text("x")).forever(http::chunk(": ping\n\n".repeat(500))), Clock::Record),
        // A line that never ends.
        (
            comments().event(openai::text("x")).chunk("data: ").trickle(
                [b'x'; 3000],
                Framing::Chunked,
                slowly,
            ),
            Clock::Record,
        ),
    ] {
        let server = Server::start(script);
        let client = client_with(&server, |config| config.api = Api::OpenAi);
        let (_, outcome) = read(client.chat(chat("m")).with_timeouts(timeouts)).await;
        assert_eq!(outcome.ending, timed_out(clock, SHORT, true));
    }
}

#[tokio::test]
async fn a_flood_after_the_terminal_record_is_not_read_endlessly() {
    for piece in [http::line(ollama::chat_text("more")), b"\n".repeat(4096)] {
        let piece = http::chunk(piece);
        let server = Server::start(Script::ndjson_open(ollama::chat(&["Hi"])).forever(piece));
        let (events, outcome) = read(client(&server).chat(chat("m"))).await;
        assert_eq!(outcome.ending, Ending::Completed(Some(FinishReason::Stop)));
        assert_eq!(outcome.reply.text, "Hi");
        assert_eq!(events.len(), 2, "nothing of the flood is told");
        assert!(server.wait_for_close(0, SOON).is_some());
    }
}

#[tokio::test]
async fn timeouts_can_be_moved_while_the_stream_runs() {
    let server = Server::start(
        Script::ndjson_open([ollama::chat_text("Hel")])
            .wait("more")
            .lines(ollama::chat(&["lo"]))
            .end_chunks(),
    );
    let mut stream = client(&server).chat(chat("m"));
    assert_eq!(next_event(&mut stream).await, text("Hel"));
    tokio::time::pause();
    // Later: the old deadline does not fire.
    stream.set_timeouts(Timeouts { idle: Some(60 * MINUTE), ..NO_TIMEOUTS });
    let waited = tokio::time::timeout(59 * MINUTE, stream.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    // Off: no time limit is reached.
    stream.set_timeouts(NO_TIMEOUTS);
    let waited = tokio::time::timeout(600 * MINUTE, stream.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    tokio::time::resume();
    server.open("more");
    assert_eq!(next_event(&mut stream).await, text("lo"));
}

#[tokio::test]
async fn a_clock_moved_into_the_past_ends_the_stream_at_once() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
    let mut stream = client(&server).chat(chat("m"));
    assert_eq!(next_event(&mut stream).await, text("Hel"));
    tokio::time::pause();
    let waited = tokio::time::timeout(4 * MINUTE, stream.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    let before = tokio::time::Instant::now();
    stream.set_timeouts(Timeouts { idle: Some(MINUTE), ..Timeouts::default() });
    let outcome = next_end(&mut stream).await;
    assert_eq!(outcome.ending, timed_out(Clock::Idle, MINUTE, true));
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_deadline_sooner_than_the_armed_one_is_kept() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
    let mut stream = client(&server).chat(chat("m"));
    assert_eq!(next_event(&mut stream).await, text("Hel"));
    tokio::time::pause();
    let waited = tokio::time::timeout(MINUTE, stream.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    stream.set_timeouts(Timeouts { idle: Some(2 * MINUTE), ..Timeouts::default() });
    tokio::time::resume();
    let (outcome, took) = end_in_stopped_time(&mut stream).await;
    assert_eq!(outcome.ending, timed_out(Clock::Idle, 2 * MINUTE, true));
    assert!(is_about(took, MINUTE), "{took:?}");
}

#[tokio::test]
async fn single_answers_have_deadlines_too() {
    let piece = Pace::Every(10 * MILLISECOND);
    let open = || Script::request().head(200, http::JSON, Body::Chunked);
    let scripts = [
        (Script::request().stall(), ErrorKind::TimedOut, "no first record"),
        (open().stall(), ErrorKind::TimedOut, "nothing further received"),
        (
            open().trickle([b' '; 3000], Framing::Chunked, piece),
            ErrorKind::TimedOut,
            "no further whole record",
        ),
        (Script::request().head(500, http::JSON, Body::Chunked).chunk("oh").stall(), ErrorKind::Server, "oh"),
        (Script::endless_error_body(500), ErrorKind::Server, "eee"),
        (open().forever(http::chunk([b' '; 4096])), ErrorKind::Limit, "reply limit of 100000 bytes"),
    ];
    for (script, kind, message) in scripts {
        let server = Server::start(script);
        let client = client_with(&server, |config| {
            let record = Some(4 * SHORT);
            config.timeouts = Timeouts { first_event: Some(SHORT), idle: Some(SHORT), record, ..NO_TIMEOUTS };
            config.limits = Limits { reply_bytes: 100_000, error_body_time: SHORT, ..Limits::default() };
        });
        let error = soon(client.list()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.message.contains(message), "{error:?}");
        assert!(server.wait_for_close(0, SOON).is_some());
    }
    // The total time limit covers everything, and a request without a connection has no effect.
    let hole = BlackHole::new().unwrap();
    let total = |config: &mut Config| config.timeouts = Timeouts { total: Some(SHORT), ..NO_TIMEOUTS };
    let error = client_to(&format!("http://{}", hole.addr()), total).list().await.unwrap_err();
    assert_eq!((error.kind, error.fault), (ErrorKind::TimedOut, Fault::Caller));
    let connect = |config: &mut Config| config.timeouts.connect = Some(SHORT);
    let error = client_to(&format!("http://{}", hole.addr()), connect).list().await.unwrap_err();
    assert!(!error.may_have_had_effect && error.fault == Fault::Transport, "{error:?}");
}

#[tokio::test]
async fn an_upload_is_waited_for_as_long_as_it_moves() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let server = Server::start(Script::respond(201, "text/plain", ""));
    let client = client_with(&server, |config| config.timeouts.first_event = Some(3 * MINUTE));
    let (mut writer, reader) = tokio::io::duplex(10);
    let writing = async move {
        // The second piece has room once the first is taken: the request has been sent by then.
        for _ in 0..2 {
            writer.write_all(b"0123456789").await.unwrap();
        }
        tokio::time::pause();
        for _ in 0..10 {
            tokio::time::sleep(2 * MINUTE).await;
            writer.write_all(b"0123456789").await.unwrap();
        }
        tokio::time::resume();
        writer.write_all(b"0123456789").await.unwrap();
    };
    let (uploaded, ()) = tokio::join!(client.upload_blob(&digest, 130, reader), writing);
    uploaded.unwrap();
    assert_eq!(server.requests()[0].body.len(), 130);

    // A source without more data is not waited for.
    let (_writer, reader) = tokio::io::duplex(10);
    let client = client.with_request_config(|config| config.timeouts.first_event = Some(SHORT));
    let error = client.upload_blob(&digest, 200, reader).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_stream_that_is_not_begun_has_no_timeouts() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hi"])));
    let stream =
        client(&server).chat(chat("m")).with_timeouts(Timeouts { total: Some(MINUTE), ..NO_TIMEOUTS });
    tokio::time::pause();
    tokio::time::advance(5 * MINUTE).await;
    tokio::time::resume();
    assert_eq!(server.connections(), 0, "nothing is sent before the first poll");
    let (_, outcome) = read(stream).await;
    assert!(outcome.is_completed(), "{outcome:?}");
}

#[tokio::test]
async fn received_bytes_are_taken_in_before_a_clock_counts() {
    let server = Server::start(Script::ndjson_open(ollama::chat(&["Hel", "lo"])).stall());
    let mut stream = client(&server).chat(chat("m"));
    assert_eq!(next_event(&mut stream).await, text("Hel"));
    let sent: usize = ollama::chat(&["Hel", "lo"]).iter().map(|line| line.len() + 1).sum();
    // All data is in the socket or the stream before the deadline is moved into the past.
    tokio::task::yield_now().await;
    let has_all = has_received(sent);
    if !has_all(&stream) {
        read_until(&mut stream, has_all).await;
    }
    stream.set_timeouts(Timeouts { idle: Some(Duration::ZERO), ..NO_TIMEOUTS });
    let (_, outcome) = read(stream).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    assert_eq!(outcome.reply.text, "Hello");
}
