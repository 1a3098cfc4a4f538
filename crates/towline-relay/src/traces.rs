//! Traces: a span for each answer, sent to a collector as OTLP over HTTP in JSON.
//!
//! The names follow OpenTelemetry's conventions for generative AI. No span contains a prompt, an answer or
//! the text of an error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use towline::forward;
use towline::relay::AnswerState;
use towline_core::http1::{Headers, Method};

use crate::config::UpstreamConfig;
use crate::error::Error;
use crate::meta::{JobRecord, Meta};
use crate::metrics::Measured;
use crate::secret;
use crate::upstream::Upstream;

/// The maximum number of spans that wait for the collector. Further ones are dropped.
const MOST: usize = 4096;
/// Time between two requests to the collector.
const EVERY: Duration = Duration::from_secs(2);
/// How long the collector may take for a request.
const PATIENCE: Duration = Duration::from_secs(10);
const TRACEPARENT: &str = "traceparent";

/// The context of an answer's span in a trace (W3C Trace Context).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpanContext {
    /// 32 hexadecimal digits.
    trace: String,
    /// The client's span, 16 hexadecimal digits.
    parent: Option<String>,
    /// The span of the answer.
    span: String,
}

impl SpanContext {
    /// A span in the trace that the client's `traceparent` names, or in a new one; `None` if the client's
    /// trace is not sampled.
    pub(crate) fn of(traceparent: Option<&str>) -> Option<Self> {
        let random = || secret::hex(&secret::bytes::<16>());
        let span = secret::hex(&secret::bytes::<8>());
        let Some((trace, parent, is_recorded)) = traceparent.and_then(parsed) else {
            return Some(Self { trace: random(), parent: None, span });
        };
        is_recorded.then(|| Self { trace: trace.to_owned(), parent: Some(parent.to_owned()), span })
    }

    /// The headers for a model server, with this span as the parent of its own.
    pub(crate) fn carried_on(&self, headers: &Headers) -> Headers {
        let others = headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(TRACEPARENT));
        let mut carried: Headers = others.collect();
        carried.push(TRACEPARENT, format!("00-{}-{}-01", self.trace, self.span));
        carried
    }
}

/// The trace, the span, and whether it is recorded.
fn parsed(text: &str) -> Option<(&str, &str, bool)> {
    let mut parts = text.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_some = |part: &str| part.bytes().any(|byte| byte != b'0');
    let is_whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    // A later version may have more parts after these.
    let is_known = version != "ff" && (version != "00" || parts.next().is_none());
    let is_recorded = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (is_whole && is_known && is_some(trace) && is_some(parent)).then_some((trace, parent, is_recorded))
}

/// Spans that wait for the collector.
#[derive(Debug)]
pub(crate) struct Traces {
    collector: Arc<Upstream>,
    waiting: Mutex<Vec<Value>>,
    is_failing: AtomicBool,
}

/// Spans that are being sent. When it is dropped, unsent spans return to the queue.
struct Sending<'a> {
    traces: &'a Traces,
    spans: Vec<Value>,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.traces.waiting().splice(..0, self.spans.drain(..));
    }
}

impl Traces {
    /// # Errors
    /// An unusable collector.
    pub(crate) fn new(collector: &UpstreamConfig) -> Result<Self, Error> {
        let collector = Upstream::new(collector)?;
        Ok(Self { collector, waiting: Mutex::default(), is_failing: AtomicBool::new(false) })
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Value>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the span of an answer that has ended.
    pub(crate) fn ended(&self, context: &SpanContext, meta: &Meta, state: &AnswerState, measured: &Measured) {
        let Some(span) = meta.job.as_ref().and_then(|record| span(context, meta, record, state, measured))
        else {
            return;
        };
        let mut waiting = self.waiting();
        if waiting.len() < MOST {
            waiting.push(span);
        }
    }

    /// Sends the waiting spans periodically. Never returns.
    ///
    /// # Cancel safety
    /// Spans that are being sent when the future is dropped return to the queue, so the collector may receive
    /// them twice.
    pub(crate) async fn keep_sending(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            self.send().await;
        }
    }

    /// Sends the waiting spans; spans that the collector does not accept are dropped.
    ///
    /// # Cancel safety
    /// Like [`keep_sending`](Self::keep_sending).
    pub(crate) async fn send(&self) {
        let mut sending = Sending { traces: self, spans: std::mem::take(&mut *self.waiting()) };
        if sending.spans.is_empty() {
            return;
        }
        let resource = attributes(&[
            ("service.name", Some(json!({ "stringValue": "towline-relay" }))),
            ("service.version", Some(json!({ "stringValue": env!("CARGO_PKG_VERSION") }))),
        ]);
        let scope = json!({ "scope": { "name": "towline-relay" }, "spans": sending.spans });
        let body =
            json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": [scope] }] });
        let sent = tokio::time::timeout(PATIENCE, self.post(body.to_string())).await;
        sending.spans.clear();
        let is_taken = matches!(sent, Ok(Some(200..=299)));
        // Counted once, however often it is retried.
        if self.is_failing.swap(!is_taken, Ordering::Relaxed) == is_taken {
            match is_taken {
                true => tracing::info!("the collector accepts traces again"),
                false => {
                    tracing::warn!(collector = self.collector.name(), "the collector does not accept traces")
                }
            }
        }
    }

    /// The status of the collector's response; `None` if there is none.
    async fn post(&self, body: String) -> Option<u16> {
        let request = forward::Request {
            method: Method::Post,
            target: "/v1/traces".to_owned(),
            headers: [("content-type", "application/json")].into_iter().collect(),
            body: forward::Body::Bytes(Bytes::from(body)),
        };
        let mut response = self.collector.client().ready().await.ok()?.send(request).await.ok()?;
        let mut rest = Vec::new();
        while std::future::poll_fn(|cx| response.body.poll_read(cx, &mut rest)).await.ok()? > 0 {
            rest.clear();
        }
        Some(response.status)
    }
}

/// The span of a model's answer; `None` for pulls, pushes and the like.
fn span(
    context: &SpanContext,
    meta: &Meta,
    record: &JobRecord,
    state: &AnswerState,
    measured: &Measured,
) -> Option<Value> {
    let operation = match record.path.as_str() {
        "/api/chat" | "/v1/chat/completions" | "/v1/responses" | "/v1/messages" => "chat",
        "/api/generate" | "/v1/completions" => "text_completion",
        "/api/embed" | "/api/embeddings" | "/v1/embeddings" => "embeddings",
        _ => return None,
    };
    let text = |text: &str| Some(json!({ "stringValue": text }));
    let number = |number: Option<u64>| number.map(|number| json!({ "intValue": number.to_string() }));
    let is_whole = *state == AnswerState::Completed;
    let dialect = if record.path.starts_with("/v1/") { "openai" } else { "ollama" };
    let nanoseconds = |ms: u64| (u128::from(ms) * 1_000_000).to_string();
    let first = measured.first_chunk.map(|time| json!({ "doubleValue": time.as_secs_f64() }));
    let attributes = attributes(&[
        ("gen_ai.operation.name", text(operation)),
        ("gen_ai.provider.name", text(dialect)),
        ("gen_ai.request.model", text(&record.model)),
        ("gen_ai.usage.input_tokens", number(measured.input_tokens)),
        ("gen_ai.usage.output_tokens", number(measured.output_tokens)),
        ("error.type", (!is_whole).then(|| json!({ "stringValue": state.as_str() }))),
        ("towline.stream", text(meta.id.as_str())),
        ("towline.outcome", text(state.as_str())),
        ("towline.server", text(&record.upstream)),
        ("towline.time_to_first_chunk", first),
    ]);
    Some(json!({
        "traceId": context.trace,
        "spanId": context.span,
        "parentSpanId": context.parent.as_deref().unwrap_or_default(),
        "name": format!("{operation} {}", record.model),
        // A client of the model server.
        "kind": 3,
        "startTimeUnixNano": nanoseconds(meta.created_ms),
        "endTimeUnixNano": nanoseconds(record.ended_ms.unwrap_or(meta.created_ms)),
        "attributes": attributes,
        "status": { "code": if is_whole { 1 } else { 2 } },
    }))
}

fn attributes(known: &[(&str, Option<Value>)]) -> Vec<Value> {
    let known = known.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    known.map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_clients_trace_is_carried_on_and_a_wrong_one_is_not() {
        let context = SpanContext::of(Some(&format!("00-{TRACE}-{PARENT}-01"))).unwrap();
        assert_eq!((context.trace.as_str(), context.parent.as_deref()), (TRACE, Some(PARENT)));
        let headers: Headers = [("Traceparent", "old"), ("accept", "x")].into_iter().collect();
        let carried = context.carried_on(&headers);
        assert_eq!(carried.all("traceparent").count(), 1);
        assert_eq!(carried.get("traceparent"), Some(format!("00-{TRACE}-{}-01", context.span).as_str()));
        assert_eq!(carried.get("accept"), Some("x"));
        assert_eq!(SpanContext::of(Some(&format!("00-{TRACE}-{PARENT}-00"))), None);
        assert!(SpanContext::of(Some(&format!("01-{TRACE}-{PARENT}-01-more"))).unwrap().parent.is_some());
        for wrong in [
            "",
            "00",
            &format!("ff-{TRACE}-{PARENT}-01"),
            &format!("00-{TRACE}-{PARENT}-01-more"),
            &format!("00-{}-{PARENT}-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
            &format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        ] {
            let context = SpanContext::of(Some(wrong)).unwrap();
            assert_eq!((context.parent, context.trace.len(), context.span.len()), (None, 32, 16), "{wrong}");
        }
    }
}
