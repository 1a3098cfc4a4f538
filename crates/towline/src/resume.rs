//! Continues an answer that was cut.
//!
//! Ollama has no way to resume, but it shows the prompt it renders from a chat (`_debug_render_only`) and takes a prompt
//! that is already rendered (`raw`). So if the received text is appended to the same prompt, the model
//! continues where it stopped, with any template. Because the client sends the prompt byte for byte,
//! the received text is certainly its end.
//!
//! Limits: the continued answer may differ from the uncut answer, because sampling is
//! random. Thinking, tool calls and required formats cannot be continued, because only the server's own
//! parser knows their form. The options stay the same: a different load-time option or `shift` would make the
//! server reload the model.

use serde_json::{Map, Value, json};
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::http1::Method;
use towline_core::outcome::{Ending, Outcome};

use crate::call::Call;
use crate::handle::Client;

/// What to do when a stream is cut after part of its answer arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resume {
    /// The stream ends as truncated or failed, with the text that arrived.
    #[default]
    Never,
    /// A further request to the same server continues the answer, if that is possible: in Ollama's dialect,
    /// for an answer of only text, without tools, images or format. The outcome's `stats.stitches` counts the
    /// continuations. If it is not possible, the stream ends as it would have otherwise, and the last entry
    /// of the outcome's `retried` gives the reason.
    Continue {
        /// The maximum number of further requests for one answer.
        max: u32,
    },
}

/// Whether the stream was cut, as opposed to completed, cancelled or refused.
pub(crate) fn was_cut(outcome: &Outcome) -> bool {
    match &outcome.ending {
        Ending::Truncated(_) => true,
        Ending::Failed(error) => error.kind == ErrorKind::ConnectionLost,
        Ending::Completed(_) | Ending::Cancelled { .. } | Ending::TimedOut { .. } => false,
    }
}

/// The request whose answer was cut in `outcome`, if the answer can be continued.
///
/// # Errors
/// The reason why it cannot be continued.
pub(crate) fn resumable(call: &Call, outcome: &Outcome, max: u32) -> Result<Map<String, Value>, Error> {
    if outcome.stats.stitches >= max {
        return Err(cannot(&format!("it was already continued {max} times, the most that is allowed")));
    }
    if !matches!(call.path, "/api/chat" | "/api/generate") {
        return Err(cannot("only Ollama's own chat and generate can be"));
    }
    let request = call.body.as_ref().ok().and_then(|body| serde_json::from_slice(body).ok());
    let Some(request): Option<Map<String, Value>> = request else {
        return Err(cannot("its request is not JSON"));
    };
    let reply = &outcome.reply;
    if !reply.thinking.is_empty() {
        return Err(cannot("the model was thinking"));
    }
    if !reply.tool_calls.is_empty() || !reply.partial_tool_calls.is_empty() {
        return Err(cannot("it calls tools"));
    }
    if reply.text.is_empty() {
        return Err(cannot("none of its text had arrived"));
    }
    let messages = request.get("messages").and_then(Value::as_array).into_iter().flatten();
    let has_images = messages.filter_map(Value::as_object).any(|message| asks_for(message, "images"));
    let unfit = ["tools", "format", "images", "suffix"].into_iter().find(|key| asks_for(&request, key));
    match unfit.or(has_images.then_some("images")) {
        Some(what) => Err(cannot(&format!("its request has {what}"))),
        None => Ok(request),
    }
}

/// Whether the request has a value for this key that is not empty; some clients send empty ones.
fn asks_for(request: &Map<String, Value>, key: &str) -> bool {
    match request.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => true,
    }
}

/// The body of the request that continues an answer.
///
/// `rendered` is the prompt of the answer, and `text` the part of the answer that has arrived, in `tokens`
/// records.
///
/// # Errors
/// If the token limit of the first request is used up.
pub(crate) fn continuation(
    request: &Map<String, Value>,
    rendered: &str,
    text: &str,
    tokens: u64,
) -> Result<Value, Error> {
    let mut body = Map::new();
    for key in ["model", "options", "keep_alive", "shift", "truncate", "logprobs", "top_logprobs"] {
        if let Some(value) = request.get(key) {
            body.insert(key.to_owned(), value.clone());
        }
    }
    let limit = body.get_mut("options").and_then(|options| options.get_mut("num_predict"));
    if let Some(limit) = limit
        && let Some(most) = limit.as_i64().filter(|most| *most > 0)
    {
        let left = most.saturating_sub(i64::try_from(tokens).unwrap_or(i64::MAX));
        if left <= 0 {
            return Err(cannot("its token limit is used up"));
        }
        *limit = json!(left);
    }
    body.insert("prompt".into(), json!(format!("{rendered}{text}")));
    body.insert("raw".into(), json!(true));
    body.insert("stream".into(), json!(true));
    Ok(Value::Object(body))
}

impl Client {
    /// The prompt that the server renders from a request.
    pub(crate) async fn rendered_prompt(
        &self,
        path: &str,
        request: &Map<String, Value>,
    ) -> Result<String, Error> {
        if request.get("raw").and_then(Value::as_bool) == Some(true) {
            return Ok(request.get("prompt").and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        let mut ask = request.clone();
        ask.insert("_debug_render_only".into(), json!(true));
        ask.insert("stream".into(), json!(false));
        let answer: Value = self.call(Method::Post, path, Some(&ask)).await?;
        let rendered =
            answer.get("_debug_info").and_then(|info| info.get("rendered_template")).and_then(Value::as_str);
        rendered.map(str::to_owned).ok_or_else(|| cannot("the server does not show how it renders a prompt"))
    }
}

fn cannot(why: &str) -> Error {
    Error::new(ErrorKind::Rejected, Fault::Server, format!("the answer cannot be continued: {why}"))
        .with_effect(true)
}
