//! Answers: the endpoints `/api/chat`, `/api/generate` and `/v1/chat/completions`.

use std::time::Duration;

use hyper::Response;
use tokio::sync::mpsc::Sender;

use super::Model;
use super::error::Refusal;
use super::memory::{Memory, PER_ANSWER};
use super::options::{Options, keep_alive};
use super::prompt::Prompt;
use super::records::{About, Shape};
use super::request::Fields;
use super::response::{Body, Part, answered};
use crate::brook::chat::Turn;
use crate::config::KeepAlive;
use crate::engine::answer::{Cancelled, Settings, Wanted, answer as run};
use crate::resident::Lease;

/// The input of an answer.
enum Input {
    Raw(String),
    /// Turns, after the `context` of an earlier answer.
    Chat(Vec<Turn>, Vec<u32>),
}

/// Answers a request.
///
/// Cancel safety: dropping the future, or the body of the response, cancels the request.
pub(crate) async fn answer(
    model: &Model,
    shape: Shape,
    request: Fields,
    mut memory: Memory,
) -> Result<Response<Body>, Refusal> {
    let (input, options) = match shape {
        Shape::Chat => (chat(&request)?, request.options(model.rate)?),
        Shape::Generate => (generate(&request)?, request.options(model.rate)?),
        // OpenAI's clients write options at the top level.
        Shape::Completions(_) => (Some(completions(&request)?), Options::read(&request, model.rate)?),
    };
    for what in ["tools", "format", "logprobs"] {
        request.refuse(what, what)?;
    }
    request.refuse("think", "thinking")?;
    memory.take(PER_ANSWER)?;
    let keep_alive = keep_alive(&request)?.unwrap_or(model.limits.keep_alive);
    let mut about = About::new(shape, request.model());
    let Some(input) = input else {
        if keep_alive == KeepAlive::For(Duration::ZERO) {
            model.resident.unload();
            return Ok(about.loaded("unload"));
        }
        drop(model.resident.lease(keep_alive));
        return Ok(about.loaded("load"));
    };
    let stream_options: Option<Fields> = request.get("stream_options")?;
    let include_usage = stream_options.map(|options| options.get("include_usage")).transpose()?;
    about.include_usage = include_usage.flatten() == Some(true);
    about.reports_context = shape == Shape::Generate && matches!(input, Input::Chat(..));
    let streams = request.get("stream")?.unwrap_or(!matches!(shape, Shape::Completions(_)));
    let truncate = request.get("truncate")?.unwrap_or(true);
    let render_only = request.get("_debug_render_only")? == Some(true);
    drop(request);
    let lease = model.resident.lease(keep_alive);
    about.load_time = about.began.elapsed();
    let kind = about.kind(streams);
    let work = move |lease: &Lease, wanted: &Wanted, parts: &Sender<Part>| {
        let tokenizer = &lease.brook.tokenizer;
        let prompt = match input {
            Input::Raw(text) => Prompt::plain(tokenizer, &options, truncate, text),
            Input::Chat(turns, before) => Prompt::chat(tokenizer, &options, truncate, &turns, before),
        };
        match prompt {
            Err(refusal) => Ok(Part::Refused(refusal)),
            Ok(prompt) if render_only => Ok(Part::Last(about.rendered(&prompt.text))),
            Ok(prompt) => {
                about.note = prompt.note(options.settings.context);
                write(lease, &about, &prompt.tokens, &options.settings, wanted, streams.then_some(parts))
            }
        }
    };
    answered(lease.begin(work).await, kind, memory).await
}

/// Writes an answer, into `parts` if it streams; returns the last part.
fn write(
    lease: &Lease,
    about: &About,
    prompt: &[u32],
    settings: &Settings,
    wanted: &Wanted,
    parts: Option<&Sender<Part>>,
) -> Result<Part, Cancelled> {
    let (mut whole, mut is_first) = (String::new(), true);
    let mut show = |piece: &str| {
        let Some(parts) = parts else {
            whole.push_str(piece);
            return Ok(());
        };
        let bytes = about.piece(piece, std::mem::take(&mut is_first));
        parts.blocking_send(Part::Piece(bytes)).map_err(|_| Cancelled)
    };
    let finish = run(&lease.brook, prompt, settings, wanted, &mut show)?;
    Ok(Part::Last(match parts {
        Some(_) => about.end(prompt, &finish),
        None => about.whole(&whole, prompt, &finish),
    }))
}

fn chat(request: &Fields) -> Result<Option<Input>, Refusal> {
    let turns = request.turns()?;
    Ok((!turns.is_empty()).then_some(Input::Chat(turns, Vec::new())))
}

fn generate(request: &Fields) -> Result<Option<Input>, Refusal> {
    let raw = request.get("raw")? == Some(true);
    if raw && ["template", "system", "context"].iter().any(|name| request.is_given(name)) {
        return Err(Refusal::bad("raw mode does not support template, system, or context"));
    }
    for (field, what) in [("suffix", "insert"), ("images", "vision"), ("template", "template")] {
        request.refuse(field, what)?;
    }
    let turn = |role: &str, content| Turn { role: role.into(), content };
    let system = request.text("system")?.map(|text| turn("system", text));
    let before = request.get("context")?.unwrap_or_default();
    Ok(request.text("prompt")?.map(|prompt| match raw {
        true => Input::Raw(prompt),
        false => Input::Chat(system.into_iter().chain([turn("user", prompt)]).collect(), before),
    }))
}

fn completions(request: &Fields) -> Result<Input, Refusal> {
    request.refuse("functions", "tools")?;
    let format: Option<Fields> = request.get("response_format")?;
    let format = format.map(|format| format.text("type")).transpose()?.flatten();
    let choices: Option<u64> = request.get("n")?;
    for (is_unable, what) in [
        (format.is_some_and(|kind| kind != "text"), "response_format"),
        (request.text("reasoning_effort")?.is_some_and(|effort| effort != "none"), "thinking"),
        (choices.is_some_and(|choices| choices != 1), "more than one choice"),
    ] {
        if is_unable {
            return Err(request.unable(what));
        }
    }
    chat(request)?.ok_or_else(|| Refusal::bad("messages is required"))
}
