//! No wake-up is lost: streams are polled only after a wake-up, never by chance.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use towline::client::{Limits, Timeouts};
use towline::outcome::FinishReason;
use towline_testkit::records::ollama;
use towline_testkit::{Body, Framing, Pace, Routes, Script, Server, http};

use crate::client_support::{MILLISECOND, NO_TIMEOUTS, SHORT, chat, client_with, read, soon};

/// Polls its future only if its waker has fired since the last poll, however often it is polled itself.
struct WhenWoken<F> {
    future: Pin<Box<F>>,
    flag: Arc<Flag>,
}

struct Flag {
    is_up: AtomicBool,
    outer: std::sync::Mutex<Option<Waker>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.is_up.store(true, Ordering::SeqCst);
        if let Some(outer) = self.outer.lock().unwrap().take() {
            outer.wake();
        }
    }
}

impl<F: Future> WhenWoken<F> {
    fn new(future: F) -> Self {
        let flag = Arc::new(Flag { is_up: AtomicBool::new(true), outer: std::sync::Mutex::default() });
        Self { future: Box::pin(future), flag }
    }
}

impl<F: Future> Future for WhenWoken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.flag.outer.lock().unwrap() = Some(cx.waker().clone());
        if !self.flag.is_up.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&self.flag));
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        // Woken while it was polled: the outer waker may have been taken before it was set.
        if polled.is_pending() && self.flag.is_up.load(Ordering::SeqCst) {
            cx.waker().wake_by_ref();
        }
        polled
    }
}

#[tokio::test]
async fn a_stream_polled_only_when_woken_comes_to_its_end() {
    let whole: Vec<u8> = ollama::chat(&["Hel", "lo"]).iter().flat_map(http::line).collect();
    let open = || Script::request().head(200, http::NDJSON, Body::Chunked);
    let slowly = || Pace::Every(MILLISECOND / 10);
    let busy = http::response_head(503, &[("Retry-After", "0")], Body::Length(0));
    let cases = [
        (Script::ndjson(ollama::chat(&["Hel", "lo"])), "completed"),
        // Byte by byte, so that every poll but the last finds half a record.
        (open().trickle(&whole, Framing::Chunked, slowly()).end_chunks(), "completed"),
        (
            Script::request()
                .trickle(
                    http::response_head(200, &[], Body::Length(whole.len() as u64)),
                    Framing::Raw,
                    slowly(),
                )
                .send(&whole),
            "completed",
        ),
        // Ends that only a timer causes.
        (open().chunk(&whole).stall(), "completed"),
        (open().line(ollama::chat_text("Hello")).stall(), "timed_out"),
        (Script::request().stall(), "timed_out"),
        (Script::request().head(500, http::JSON, Body::Chunked).stall(), "failed"),
        (open().line(ollama::chat_text("Hello")).close(), "truncated"),
    ];
    for (script, ending) in cases {
        let server =
            Server::start(Routes::new().path_each("/api/chat", [Script::request().send(&busy), script]));
        let client = client_with(&server, |config| {
            config.timeouts = Timeouts { first_event: Some(10 * SHORT), idle: Some(SHORT), ..NO_TIMEOUTS };
            config.limits = Limits { error_body_time: SHORT, ..Limits::default() };
            config.retry.first_wait = MILLISECOND;
        });
        let (_, outcome) = soon(WhenWoken::new(read(client.chat(chat("m"))))).await;
        assert_eq!(outcome.ending.as_str(), ending, "{outcome:?}");
        assert_eq!(outcome.retried.len(), 1);
    }
}

#[tokio::test]
async fn many_streams_of_one_task_are_each_woken() {
    let lines = ollama::chat(&["a"; 50]);
    let script = Script::request()
        .head(200, http::NDJSON, Body::Chunked)
        .paced_lines(lines, Pace::Every(MILLISECOND / 4))
        .end_chunks();
    let server = Server::start(script);
    let client = client_with(&server, |_| ());
    let mut streams: Vec<_> = (0..40).map(|_| Some(WhenWoken::new(read(client.chat(chat("m")))))).collect();
    // Every wake-up of one polls all: the others must not need it.
    soon(std::future::poll_fn(|cx| {
        for slot in &mut streams {
            if let Some(stream) = slot
                && let Poll::Ready((_, outcome)) = Pin::new(stream).poll(cx)
            {
                assert_eq!(outcome.ending, towline::Ending::Completed(Some(FinishReason::Stop)));
                assert_eq!(outcome.reply.text.len(), 50);
                *slot = None;
            }
        }
        if streams.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    }))
    .await;
}
