//! Exchanges with real servers, as sent over the wire: each has its expected meaning, at every cut.

use std::time::{Duration, Instant};

use serde_json::Value;
use towline_core::api::{
    EmbedResponse, EmbeddingsResponse, ListResponse, PsResponse, ShowResponse, StatusResponse,
    VersionResponse,
};
use towline_core::dialect::Dialect;
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::event::Event;
use towline_core::http1::{BodyDecoder, HeadLimits, HeadParser, Method};
use towline_core::outcome::{Ending, FinishReason, Outcome};
use towline_core::stream::{BodyEnd, Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};
use towline_testkit::captured::{self, Capture, Meaning};
use towline_testkit::corpus;

use crate::support::{drain, same, without_times};

/// The maximum length of a response that is cut at every position: the work grows with the square of its length.
const EVERY_CUT_BYTES: usize = 2 << 10;

/// A client's reading of an exchange if this much of the response arrives.
struct Reading {
    events: Vec<Event>,
    outcome: Outcome,
    /// The part of the body that arrived.
    body_bytes: usize,
}

/// HTTP decides whether the body ended cleanly or was cut. If the head is incomplete, there is no
/// stream.
fn read(capture: &Capture, dialect: Dialect, length: usize, at_once: bool) -> Option<Reading> {
    let begin = Instant::now();
    let mut life = Lifecycle::new(dialect, Timeouts::default(), Limits::default(), begin);
    life.sent(begin);
    let mut head = HeadParser::new(method(capture), HeadLimits::default());
    let (mut body, mut events, mut outcome) = (None, Vec::new(), None);
    let (mut body_bytes, mut now) = (0, begin);
    let whole = [(Duration::ZERO, 0..capture.response.len())];
    for (after, place) in if at_once { &whole[..] } else { &capture.pieces } {
        now = begin + *after;
        life.tick(now);
        let mut piece = &capture.response[place.start.min(length)..place.end.min(length)];
        if body.is_none() {
            let Some((head, used)) = head.push(piece).unwrap() else { continue };
            piece = &piece[used..];
            let content_type = head.headers.get("content-type").unwrap_or_default().to_owned();
            life.opened(&Opened { status: head.status, content_type, retry_after: None }, now);
            body = Some(BodyDecoder::new(head.framing));
        }
        let mut bytes = Vec::new();
        body.as_mut()?.push(piece, &mut bytes).unwrap();
        body_bytes += bytes.len();
        life.bytes(&bytes, now);
        outcome = outcome.or(drain(&mut life, &mut events));
    }
    let end = if body?.finish().is_ok() { BodyEnd::Clean } else { BodyEnd::Cut };
    life.ended(end, now.max(begin + if at_once { Duration::ZERO } else { capture.closed }));
    let outcome =
        outcome.or_else(|| drain(&mut life, &mut events)).expect("a stream that ended has an outcome");
    Some(Reading { events, outcome, body_bytes })
}

fn method(capture: &Capture) -> Method {
    match capture.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "DELETE" => Method::Delete,
        _ => Method::Post,
    }
}

fn streams() -> impl Iterator<Item = (Capture, Dialect)> {
    captured::load().into_iter().filter_map(|capture| {
        let dialect = Dialect::of_path(&capture.path).filter(|_| capture.method == "POST")?;
        Some((capture, dialect))
    })
}

#[test]
fn every_stream_means_what_it_says() {
    let mut count = 0;
    for (capture, dialect) in streams() {
        let name = &capture.name;
        let timed = read(&capture, dialect, capture.response.len(), false).unwrap();
        check(name, &timed, &capture.meaning);
        let (first, last) = (capture.pieces[0].0, capture.closed);
        if let Some(after) = timed.outcome.stats.first_event {
            assert!(first <= after && after <= last, "{name}: {after:?} is not when its first record came");
        }
        let at_once = read(&capture, dialect, capture.response.len(), true).unwrap();
        assert_eq!(timed.events, at_once.events, "{name}");
        assert_eq!(without_times(timed.outcome), without_times(at_once.outcome), "{name}");
        count += 1;
    }
    assert!(count > 50, "only {count}");
}

fn check(name: &str, reading: &Reading, meaning: &Meaning) {
    let Reading { events, outcome, .. } = reading;
    let reply = &outcome.reply;
    let ending = match meaning.ending {
        Some(ending) => format!("{ending:?}").to_lowercase(),
        None => "failed".to_owned(),
    };
    assert_eq!(outcome.ending.as_str(), ending, "{name}: {outcome:?}");
    assert_eq!((&reply.text, &reply.thinking), (&meaning.text, &meaning.thinking), "{name}");
    assert_eq!(outcome.stats.records, meaning.records, "{name}");
    assert_eq!(outcome.not_understood.count, 0, "{name}");
    let reason = match &outcome.ending {
        Ending::Completed(reason) => reason.as_ref().map(FinishReason::as_str),
        Ending::Truncated(_) | Ending::Failed(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } => None,
    };
    assert_eq!(reason, meaning.reason.as_deref(), "{name}");
    if let Some(words) = &meaning.error {
        check_error(name, &outcome.ending.error().unwrap(), words, meaning.status);
    }
    let last = |is_kind: fn(&Event) -> bool| events.iter().rfind(|event| is_kind(event));
    let first_progress = events.iter().find(|event| matches!(event, Event::Progress(_)));
    let progress = meaning.progress.clone().unzip();
    for (found, wanted) in [
        (last(|event| matches!(event, Event::ToolCall(_))), meaning.tool_call.clone().map(Into::into)),
        (last(|event| matches!(event, Event::Usage(_))), meaning.usage.clone().map(corpus::Event::Usage)),
        (first_progress, progress.0.map(corpus::Event::Progress)),
        (last(|event| matches!(event, Event::Progress(_))), progress.1.map(corpus::Event::Progress)),
    ] {
        let is_same = match (found, &wanted) {
            (Some(found), Some(wanted)) => same(found, wanted),
            (found, wanted) => found.is_none() && wanted.is_none(),
        };
        assert!(is_same, "{name}: {found:?} is not {wanted:?}");
    }
}

/// An error has the server's own words.
fn check_error(name: &str, error: &Error, words: &str, status: u16) {
    let is_refusal = status >= 400;
    assert_eq!(error.status.filter(|_| is_refusal), Some(status).filter(|_| is_refusal), "{name}: {error:?}");
    assert_eq!(error.fault, Fault::Server, "{name}: {error:?}");
    if words.is_empty() {
        assert!(error.message.contains("no explanation"), "{name}: {error}");
    } else if is_refusal {
        assert_eq!(error.words(), words, "{name}");
    } else {
        assert!(error.message.contains(words), "{name}: {error} has not {words:?}");
    }
}

#[test]
fn every_stream_cut_anywhere_ends_truthfully() {
    for (capture, dialect) in streams() {
        let whole = read(&capture, dialect, capture.response.len(), true).unwrap();
        let length = capture.response.len();
        let far = if length <= EVERY_CUT_BYTES { 1 } else { (length / 199) | 1 };
        let tail = length.saturating_sub(300);
        for cut in (0..tail).step_by(far).chain(tail..=length) {
            let name = format!("{} cut at {cut}", capture.name);
            // The transport reports a cut in the head.
            let Some(part) = read(&capture, dialect, cut, true) else {
                assert!(
                    cut < capture.response.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4,
                    "{name}"
                );
                continue;
            };
            let is_complete = capture.meaning.complete_at.is_some_and(|at| at <= part.body_bytes);
            assert_eq!(part.outcome.is_completed(), is_complete, "{name}: {:?}", part.outcome);
            let (some, all) = (&part.outcome.reply, &whole.outcome.reply);
            assert!(all.text.starts_with(&some.text), "{name}: {:?}", some.text);
            assert!(all.thinking.starts_with(&some.thinking), "{name}: {:?}", some.thinking);
            if capture.meaning.status >= 400 {
                let error = part.outcome.ending.error().unwrap();
                assert_eq!(error.status, Some(capture.meaning.status), "{name}: {error:?}");
            } else if !is_complete && !matches!(whole.outcome.ending, Ending::Failed(_)) {
                let error = part.outcome.ending.error().unwrap();
                assert_eq!(error.kind, ErrorKind::Truncated, "{name}: {error:?}");
            }
        }
    }
}

/// The body of a complete exchange.
fn body(capture: &Capture) -> (u16, Vec<u8>) {
    let (head, used) =
        HeadParser::new(method(capture), HeadLimits::default()).push(&capture.response).unwrap().unwrap();
    let (mut body, mut bytes) = (BodyDecoder::new(head.framing), Vec::new());
    body.push(&capture.response[used..], &mut bytes).unwrap();
    body.finish().unwrap();
    (head.status, bytes)
}

#[test]
fn every_other_answer_is_typed_or_an_error_in_the_servers_words() {
    let (mut errors, mut typed) = (0, 0);
    for capture in captured::load() {
        if capture.method == "POST" && Dialect::of_path(&capture.path).is_some() {
            continue;
        }
        let (name, (status, body)) = (&capture.name, body(&capture));
        assert_eq!(status, capture.meaning.status, "{name}");
        if let Some(words) = &capture.meaning.error {
            check_error(name, &Error::from_status(status, &body, None), words, status);
            errors += 1;
            continue;
        }
        assert_eq!(Error::in_answer(&body), None, "{name}");
        typed += u32::from(check_typed(&capture.path, &body));
    }
    assert!(errors >= 8 && typed == 7, "{errors} errors, {typed} typed");
}

/// Whether the answer of this path has a type; asserts its contents.
fn check_typed(path: &str, body: &[u8]) -> bool {
    let json = || serde_json::from_slice::<Value>(body).unwrap();
    match path {
        "/api/tags" => {
            let answer: ListResponse = serde_json::from_slice(body).unwrap();
            assert_eq!(answer.models.len(), json()["models"].as_array().unwrap().len());
            for (model, json) in answer.models.iter().zip(json()["models"].as_array().unwrap()) {
                assert_eq!(
                    (&*model.name, Some(model.size)),
                    (json["name"].as_str().unwrap(), json["size"].as_u64())
                );
                assert_eq!(model.extra["capabilities"], json["capabilities"]);
                assert_eq!(model.details.extra["context_length"], json["details"]["context_length"]);
            }
        }
        "/api/ps" => {
            let answer: PsResponse = serde_json::from_slice(body).unwrap();
            assert!(!answer.models.is_empty());
            for (model, json) in answer.models.iter().zip(json()["models"].as_array().unwrap()) {
                assert_eq!(Some(model.size), json["size"].as_u64());
                assert_eq!(Some(model.context_length), json["context_length"].as_u64());
                assert_eq!(model.expires_at, json["expires_at"]);
            }
        }
        "/api/show" => {
            let answer: ShowResponse = serde_json::from_slice(body).unwrap();
            assert!(answer.modelfile.contains("\nFROM "), "{}", answer.modelfile);
            assert_eq!(json()["capabilities"], serde_json::json!(answer.capabilities));
            assert_eq!(Value::Object(answer.model_info), json()["model_info"]);
        }
        "/api/status" => {
            let answer: StatusResponse = serde_json::from_slice(body).unwrap();
            assert_eq!(Some(answer.cloud.disabled), json()["cloud"]["disabled"].as_bool());
        }
        "/api/version" => {
            let answer: VersionResponse = serde_json::from_slice(body).unwrap();
            assert_eq!(answer.version, json()["version"]);
        }
        "/api/embed" => {
            let answer: EmbedResponse = serde_json::from_slice(body).unwrap();
            assert_eq!(answer.embeddings[0].len(), json()["embeddings"][0].as_array().unwrap().len());
            assert_eq!(Some(answer.total_duration), json()["total_duration"].as_u64());
        }
        "/api/embeddings" => {
            let answer: EmbeddingsResponse = serde_json::from_slice(body).unwrap();
            assert_eq!(answer.embedding.len(), json()["embedding"].as_array().unwrap().len());
        }
        _ => return false,
    }
    true
}
