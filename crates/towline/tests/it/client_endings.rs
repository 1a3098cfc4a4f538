//! Every way a response can end, at every position of the stream.

use tokio::task::JoinSet;
use towline::api::PullRequest;
use towline::client::{Api, Timeouts};
use towline::error::{ErrorKind, Fault};
use towline::outcome::{Clock, FinishReason};
use towline::{Ending, Outcome};
use towline_testkit::records::{ollama, openai};
use towline_testkit::{Body, Script, Server, http};

use crate::client_support::{
    NO_TIMEOUTS, SHORT, SOON, chat, client, client_with, has_received, joined, read, read_until,
};

/// The position of the end in the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
enum CutPoint {
    BeforeFirst,
    MidStream,
    MidLine,
    MidTerminal,
    /// The terminal record is complete except for its newline.
    TerminalUnended,
    AfterTerminal,
}

const CUT_POINTS: [CutPoint; 6] = [
    CutPoint::BeforeFirst,
    CutPoint::MidStream,
    CutPoint::MidLine,
    CutPoint::MidTerminal,
    CutPoint::TerminalUnended,
    CutPoint::AfterTerminal,
];

impl CutPoint {
    /// The body up to here.
    fn body(self) -> Vec<u8> {
        let lines = [http::line(ollama::chat_text("Hel")), http::line(ollama::chat_text("lo"))].concat();
        let terminal = ollama::chat_done("stop", 2);
        match self {
            Self::BeforeFirst => Vec::new(),
            Self::MidStream => lines,
            Self::MidLine => [&lines[..], self.half_line()].concat(),
            Self::MidTerminal => [&lines[..], self.half_line()].concat(),
            Self::TerminalUnended => [&lines[..], terminal.as_bytes()].concat(),
            Self::AfterTerminal => [&lines[..], terminal.as_bytes(), b"\n"].concat(),
        }
    }

    /// The remaining part of a line that is cut here.
    fn half_line(self) -> &'static [u8] {
        match self {
            Self::MidLine => br#"{"model":"m","message":{"role":"assistant","content":" the"#,
            Self::MidTerminal => br#"{"model":"m","message":{"role":"assistant","content":""},"done":true"#,
            Self::BeforeFirst | Self::MidStream | Self::TerminalUnended | Self::AfterTerminal => b"",
        }
    }

    fn text(self) -> &'static str {
        if self == Self::BeforeFirst { "" } else { "Hello" }
    }

    /// Whether the next byte begins a line.
    fn is_between_lines(self) -> bool {
        matches!(self, Self::BeforeFirst | Self::MidStream | Self::AfterTerminal)
    }
}

/// How the response ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    LastChunk,
    ConnectionClose,
    FinInChunks,
    FinWithinLength,
    HalfClose,
    Reset,
    Stall,
    ErrorLine,
    ErrorLineUnended,
    Garbage,
}

const ENDS: [End; 10] = [
    End::LastChunk,
    End::ConnectionClose,
    End::FinInChunks,
    End::FinWithinLength,
    End::HalfClose,
    End::Reset,
    End::Stall,
    End::ErrorLine,
    End::ErrorLineUnended,
    End::Garbage,
];

impl End {
    /// The server waits for the gate "end" once everything before the end is sent.
    fn script(self, cut: CutPoint) -> Script {
        let body = cut.body();
        let framing = match self {
            Self::ConnectionClose => Body::UntilClose,
            Self::FinWithinLength => Body::Length(body.len() as u64 + 1),
            Self::LastChunk
            | Self::FinInChunks
            | Self::HalfClose
            | Self::Reset
            | Self::Stall
            | Self::ErrorLine
            | Self::ErrorLineUnended
            | Self::Garbage => Body::Chunked,
        };
        let head = Script::request().head(200, http::NDJSON, framing);
        let open = match framing {
            Body::Chunked => head.chunk(body),
            Body::Length(_) | Body::UntilClose => head.send(body),
        };
        let open = open.wait("end");
        match self {
            Self::LastChunk => open.end_chunks(),
            Self::ConnectionClose | Self::FinInChunks | Self::FinWithinLength => open.close(),
            Self::HalfClose => open.half_close().stall(),
            Self::Reset => open.reset(),
            Self::Stall => open.stall(),
            Self::ErrorLine => open.line(ollama::error("boom")).end_chunks(),
            Self::ErrorLineUnended => open.chunk(r#"{"error":"boom","StatusCode":502}"#).end_chunks(),
            Self::Garbage => open.line("<html>").end_chunks(),
        }
    }
}

/// Reads to the end, which the server sends after everything before it has arrived.
async fn run(cut: CutPoint, end: End) -> Outcome {
    let server = Server::start(end.script(cut));
    let mut stream = client(&server).chat(chat("m"));
    let mut events = read_until(&mut stream, has_received(cut.body().len())).await;
    if end == End::Stall {
        stream.set_timeouts(Timeouts { first_event: Some(SHORT), idle: Some(SHORT), ..NO_TIMEOUTS });
    }
    server.open("end");
    let (rest, outcome) = read(stream).await;
    events.extend(rest);
    assert_eq!(joined(&events), outcome.reply.text, "the reply is what was yielded");
    outcome
}

/// The true outcome.
fn check(cut: CutPoint, end: End, outcome: &Outcome) {
    let case = format!("{end:?} at {cut:?}: {outcome:?}");
    assert_eq!(outcome.reply.text, cut.text(), "{case}");
    assert!(outcome.ending.may_have_had_effect(), "{case}");
    assert!(outcome.retried.is_empty(), "{case}");
    assert_eq!(outcome.stats.first_event.is_some(), outcome.stats.records > 0, "{case}");

    let writes_more = matches!(end, End::ErrorLine | End::ErrorLineUnended | End::Garbage);
    let is_whole = cut == CutPoint::AfterTerminal || (cut == CutPoint::TerminalUnended && !writes_more);
    let records_before = if cut == CutPoint::BeforeFirst { 0 } else { 2 };
    if is_whole {
        assert_eq!(outcome.ending, Ending::Completed(Some(FinishReason::Stop)), "{case}");
        assert_eq!(outcome.stats.records, 3, "{case}");
        assert_eq!(outcome.reply.usage.as_ref().unwrap().completion_tokens, Some(2), "{case}");
        return;
    }
    let is_error = matches!(end, End::ErrorLine | End::ErrorLineUnended) && cut.is_between_lines();
    assert_eq!(outcome.stats.records, records_before + u64::from(is_error), "{case}");
    match end {
        End::LastChunk | End::ConnectionClose => {
            assert_error(outcome, "truncated", ErrorKind::Truncated, Fault::Server, &case);
        }
        End::FinInChunks | End::FinWithinLength | End::HalfClose => {
            assert_error(outcome, "truncated", ErrorKind::Truncated, Fault::Transport, &case);
        }
        End::Reset => {
            assert_error(outcome, "failed", ErrorKind::ConnectionLost, Fault::Transport, &case);
        }
        End::Stall => {
            let clock = if cut == CutPoint::BeforeFirst { Clock::FirstEvent } else { Clock::Idle };
            let timed_out = Ending::TimedOut { clock, limit: SHORT, may_have_had_effect: true };
            assert_eq!(outcome.ending, timed_out, "{case}");
            assert_eq!(outcome.ending.error().unwrap().fault, Fault::Server, "{case}");
        }
        End::ErrorLine | End::ErrorLineUnended if is_error => {
            assert_error(outcome, "failed", ErrorKind::Server, Fault::Server, &case);
            let error = outcome.ending.error().unwrap();
            assert_eq!(error.message, "boom", "{case}");
            assert_eq!(error.status, (end == End::ErrorLineUnended).then_some(502), "{case}");
        }
        End::ErrorLine | End::ErrorLineUnended | End::Garbage => {
            assert_error(outcome, "failed", ErrorKind::Protocol, Fault::Protocol, &case);
        }
    }
    if !writes_more {
        assert_eq!(outcome.stats.undecoded_bytes, cut.half_line().len() as u64, "{case}");
    }
}

fn assert_error(outcome: &Outcome, ending: &str, kind: ErrorKind, origin: Fault, case: &str) {
    let error = outcome.ending.error().unwrap();
    assert_eq!((outcome.ending.as_str(), error.kind, error.fault), (ending, kind, origin), "{case}");
}

#[tokio::test]
async fn every_ending_at_every_cut_point_is_reported_truly() {
    let mut running = JoinSet::new();
    for cut in CUT_POINTS {
        for end in ENDS {
            running.spawn(async move { check(cut, end, &run(cut, end).await) });
        }
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_cancel_keeps_what_came_unless_the_answer_is_whole() {
    for cut in CUT_POINTS {
        let server = Server::start(End::Stall.script(cut));
        let mut stream = client(&server).chat(chat("m"));
        let mut events = read_until(&mut stream, has_received(cut.body().len())).await;
        stream.cancel("enough");
        stream.cancel("twice changes nothing");
        assert!(server.wait_for_close(0, SOON).is_some(), "closed before the next read");
        let (rest, outcome) = read(stream).await;
        events.extend(rest);
        let cancelled = Ending::Cancelled { reason: "enough".into(), may_have_had_effect: true };
        let is_whole = matches!(cut, CutPoint::TerminalUnended | CutPoint::AfterTerminal);
        let expected = if is_whole { Ending::Completed(Some(FinishReason::Stop)) } else { cancelled };
        assert_eq!(outcome.ending, expected, "{cut:?}");
        assert_eq!(outcome.reply.text, cut.text());
        assert_eq!(joined(&events), cut.text());
    }
}

#[tokio::test]
async fn openai_streams_end_by_their_own_terminal() {
    let all = openai::chat(&["Hel", "lo"]);
    let [before, usage, done] = [&all[..4], &all[4..5], &all[5..]];
    assert!(before[3].contains("\"stop\"") && usage[0].contains("usage") && done[0] == "[DONE]");
    let stop = Ending::Completed(Some(FinishReason::Stop));
    // Complete after the finish reason, whatever happens then; the usage is used if it arrives.
    for (payloads, tokens) in [(&all[..4], None), (&all[..5], Some(2)), (&all[..], Some(2))] {
        for script in [
            Script::sse(payloads),
            Script::sse_open(payloads).close(),
            Script::sse_open(payloads).stall(),
            Script::sse_open(payloads).event(openai::text("more")).event("{").end_chunks(),
        ] {
            let server = Server::start(script);
            let client = client_with(&server, |config| config.api = Api::OpenAi);
            let (_, outcome) = read(client.chat(chat("m"))).await;
            assert_eq!(outcome.ending, stop, "{outcome:?}");
            assert_eq!(outcome.reply.text, "Hello");
            assert_eq!(outcome.reply.usage.and_then(|usage| usage.completion_tokens), tokens);
        }
    }
    // Ollama's own `/v1` loses errors in the middle: only the end without a finish reason is visible.
    for (script, origin) in
        [(Script::sse(&all[..3]), Fault::Server), (Script::sse_open(&all[..3]).close(), Fault::Transport)]
    {
        let server = Server::start(script);
        let client = client_with(&server, |config| config.api = Api::OpenAi);
        let (_, outcome) = read(client.chat(chat("m"))).await;
        assert_error(&outcome, "truncated", ErrorKind::Truncated, origin, &format!("{outcome:?}"));
        assert_eq!(outcome.reply.text, "Hello");
    }
}

#[tokio::test]
async fn progress_ends_by_success_only() {
    let lines = [ollama::status("pulling manifest"), ollama::progress("sha256:aa", 5, 10)];
    let whole = Script::ndjson(lines.iter().cloned().chain([ollama::status("success")]));
    let cut = Script::ndjson(lines.clone());
    let failed = Script::ndjson(lines.into_iter().chain([ollama::error("no such model")]));
    for (script, ending) in [(whole, "completed"), (cut, "truncated"), (failed, "failed")] {
        let server = Server::start(script);
        let request = PullRequest { model: "m".into(), insecure: false };
        let (events, outcome) = read(client(&server).pull(request)).await;
        assert_eq!(outcome.ending.as_str(), ending);
        assert_eq!(events.len(), if ending == "completed" { 3 } else { 2 });
        assert_eq!(server.requests()[0].path(), "/api/pull");
    }
}
