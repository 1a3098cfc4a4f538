//! Answers on the wire: one JSON record per line, each in a chunk of its own, or all joined in one object.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;

use super::error::ApiError;
use super::response::{now, to_json};
use crate::engine::answer::{Ending, Finish, Piece, TokenLogprob};
use crate::resident::Lease;
use crate::slots::{Answering, Event};

/// Which endpoint's records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Chat,
    Generate,
}

/// What records say besides text.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) shape: Shape,
    /// The model's name as the request wrote it.
    pub(crate) model: String,
    pub(crate) began: Instant,
    pub(crate) load_time: Duration,
    /// What the user should know of the prompt, for the last record.
    pub(crate) note: Option<String>,
    /// The prompt's ids, where the last record reports a `context`.
    pub(crate) context: Option<Vec<u32>>,
}

#[derive(Serialize)]
struct Record<'a> {
    model: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a str>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _debug_info: Option<DebugInfo<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    context: Vec<u32>,
    #[serde(skip_serializing_if = "is_zero")]
    total_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    load_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    prompt_eval_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    prompt_eval_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    eval_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    eval_duration: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<Logprob>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct DebugInfo<'a> {
    rendered_template: &'a str,
}

#[derive(Serialize)]
struct Logprob {
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_logprobs: Vec<Logprob>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Logprob {
    fn new(bytes: Vec<u8>, logprob: f32, top: Vec<(Vec<u8>, f32)>) -> Self {
        Self {
            token: String::from_utf8_lossy(&bytes).into_owned(),
            logprob,
            bytes,
            top_logprobs: top
                .into_iter()
                .map(|(bytes, logprob)| Self::new(bytes, logprob, Vec::new()))
                .collect(),
        }
    }

    fn all(logprobs: Vec<TokenLogprob>) -> Vec<Self> {
        logprobs.into_iter().map(|entry| Self::new(entry.token, entry.logprob, entry.top)).collect()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl About {
    fn record<'a>(&'a self, text: &'a str) -> Record<'a> {
        let (message, response) = match self.shape {
            Shape::Chat => (Some(Message { role: "assistant", content: text }), None),
            Shape::Generate => (None, Some(text)),
        };
        Record {
            model: &self.model,
            created_at: now(),
            message,
            response,
            done: false,
            done_reason: None,
            note: None,
            _debug_info: None,
            context: Vec::new(),
            total_duration: 0,
            load_duration: 0,
            prompt_eval_count: 0,
            prompt_eval_duration: 0,
            eval_count: 0,
            eval_duration: 0,
            logprobs: Vec::new(),
        }
    }

    fn piece(&self, piece: Piece) -> Vec<u8> {
        let logprobs = Logprob::all(piece.logprobs);
        to_json(&Record { logprobs, ..self.record(&piece.text) })
    }

    fn last(&mut self, text: &str, logprobs: Vec<TokenLogprob>, finish: &Finish) -> Vec<u8> {
        let mut context = self.context.take().unwrap_or_default();
        if !context.is_empty() {
            context.extend(&finish.tokens);
        }
        to_json(&Record {
            done: true,
            done_reason: Some(match finish.ending {
                Ending::Stop => "stop",
                Ending::Length => "length",
            }),
            note: self.note.as_deref(),
            context,
            total_duration: nanoseconds(self.began.elapsed()),
            load_duration: nanoseconds(self.load_time),
            prompt_eval_count: finish.prompt_tokens as u64,
            prompt_eval_duration: nanoseconds(finish.prompt_time),
            eval_count: finish.answer_tokens as u64,
            eval_duration: nanoseconds(finish.answer_time),
            logprobs: Logprob::all(logprobs),
            ..self.record(text)
        })
    }

    /// The answer to a request that only loads or unloads.
    pub(crate) fn loaded(&self, done_reason: &'static str) -> Vec<u8> {
        to_json(&Record { done: true, done_reason: Some(done_reason), ..self.record("") })
    }

    /// The answer to a request that only asks for the prompt.
    pub(crate) fn rendered(&self, prompt: &str) -> Vec<u8> {
        let debug_info = DebugInfo { rendered_template: prompt };
        to_json(&Record { _debug_info: Some(debug_info), ..self.record("") })
    }
}

/// An answer on its way. Dropping it cancels the request.
#[derive(Debug)]
pub(crate) struct Records {
    about: About,
    answering: Answering,
    /// The event that was awaited before the headers were sent.
    first: Option<Event>,
    ended: bool,
    _lease: Lease,
}

const ENGINE_FAILED: &str = "the model stopped unexpectedly";

impl Records {
    /// Waits for the first event: nothing is sent before it, so a failure until then still has a status of its own.
    ///
    /// Cancel safety: dropping the future cancels the request.
    pub(crate) async fn begin(
        about: About,
        mut answering: Answering,
        lease: Lease,
    ) -> Result<Self, ApiError> {
        let first = answering.next().await.ok_or_else(|| ApiError::Engine(ENGINE_FAILED.into()))?;
        Ok(Self { about, answering, first: Some(first), ended: false, _lease: lease })
    }

    pub(crate) fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let event = match self.first.take() {
            Some(event) => Some(event),
            None => match self.answering.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(event) => event,
            },
        };
        let mut line = match event {
            Some(Event::Piece(piece)) => self.about.piece(piece),
            Some(Event::Finished(finish)) => {
                self.ended = true;
                self.about.last("", Vec::new(), &finish)
            }
            Some(Event::Embedded(_)) | None => {
                self.ended = true;
                to_json(&serde_json::json!({"error": ENGINE_FAILED}))
            }
        };
        line.push(b'\n');
        Poll::Ready(Some(line.into()))
    }

    /// The whole answer in one object.
    ///
    /// Cancel safety: dropping the future cancels the request.
    pub(crate) async fn join(mut self) -> Result<Vec<u8>, ApiError> {
        let mut text = String::new();
        let mut logprobs = Vec::new();
        let mut event = self.first.take();
        loop {
            match event {
                Some(Event::Piece(piece)) => {
                    text.push_str(&piece.text);
                    logprobs.extend(piece.logprobs);
                }
                Some(Event::Finished(finish)) => return Ok(self.about.last(&text, logprobs, &finish)),
                Some(Event::Embedded(_)) | None => return Err(ApiError::Engine(ENGINE_FAILED.into())),
            }
            event = self.answering.next().await;
        }
    }
}
