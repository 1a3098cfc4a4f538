//! `/api/chat` and `/api/generate`.

use std::time::Instant;

use hyper::{Response, StatusCode};

use super::error::ApiError;
use super::options::Options;
use super::prompt::{Prompt, PromptMaker};
use super::records::{About, Records, Shape};
use super::request::{Chat, Common, Generate, Message, parse};
use super::response::{Body, stream, whole};
use super::{Model, keep_alive};
use crate::brook::chat::Turn;
use crate::config::KeepAlive;
use crate::engine::answer::Settings;
use crate::resident::Lease;
use crate::slots::Work;

const JSON: &str = "application/json; charset=utf-8";

/// `POST /api/chat`.
///
/// Cancel safety: dropping the future cancels the request.
pub(crate) async fn chat(model: &Model, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let began = Instant::now();
    let request: Chat = parse(body)?;
    if request.messages.iter().any(|message| !message.images.is_empty()) {
        return Err(ApiError::Unable { model: request.common.model, what: "vision" });
    }
    let turns: Vec<Turn> = request.messages.iter().map(Message::turn).collect();
    let input = if turns.is_empty() { Input::Nothing } else { Input::Chat(turns) };
    answer(model, Request { shape: Shape::Chat, began, common: request.common, input, before: Vec::new() })
        .await
}

/// `POST /api/generate`.
///
/// Cancel safety: dropping the future cancels the request.
pub(crate) async fn generate(model: &Model, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let began = Instant::now();
    let request: Generate = parse(body)?;
    let unable = |what| Err(ApiError::Unable { model: request.common.model.clone(), what });
    if !request.suffix.is_empty() {
        return unable("insert");
    }
    if !request.images.is_empty() {
        return unable("vision");
    }
    if !request.template.is_empty() && !request.raw {
        return unable("template; raw mode takes a prompt as it is");
    }
    let special = !request.template.is_empty() || !request.system.is_empty() || !request.context.is_empty();
    if request.raw && special {
        return Err(ApiError::Invalid("raw mode does not support template, system, or context".into()));
    }
    let input = if request.prompt.is_empty() {
        Input::Nothing
    } else if request.raw {
        Input::Raw(request.prompt)
    } else {
        let mut turns = vec![Turn::new("user", request.prompt)];
        if !request.system.is_empty() {
            turns.insert(0, Turn::new("system", request.system));
        }
        Input::Chat(turns)
    };
    let before = request.context;
    answer(model, Request { shape: Shape::Generate, began, common: request.common, input, before }).await
}

impl Message {
    fn turn(&self) -> Turn {
        Turn::new(self.role.to_lowercase(), self.content.clone())
    }
}

/// What is to be answered.
enum Input {
    /// Nothing: the request loads or unloads the model.
    Nothing,
    Raw(String),
    Chat(Vec<Turn>),
}

/// A request of either endpoint.
struct Request {
    shape: Shape,
    began: Instant,
    common: Common,
    input: Input,
    /// The `context` of an earlier answer.
    before: Vec<u32>,
}

async fn answer(model: &Model, request: Request) -> Result<Response<Body>, ApiError> {
    let Request { shape, began, common, input, before } = request;
    common.check_abilities()?;
    let mut options = Options::new();
    options.apply(&common.options).map_err(ApiError::Invalid)?;
    let keep_alive = match &common.keep_alive {
        None => model.keep_alive,
        Some(value) => keep_alive::parse(value).map_err(ApiError::Invalid)?,
    };
    let mut about = About {
        shape,
        model: common.model.clone(),
        began,
        load_time: std::time::Duration::ZERO,
        note: None,
        context: None,
    };
    if matches!(input, Input::Nothing) && keep_alive == KeepAlive::For(std::time::Duration::ZERO) {
        model.resident.unload();
        return Ok(whole(StatusCode::OK, JSON, about.loaded("unload")));
    }
    let lease = model.resident.lease(keep_alive);
    about.load_time = began.elapsed();
    let raw = matches!(input, Input::Raw(_));
    let making =
        Making { input, options: options.clone(), truncate: common.truncate.unwrap_or(true), before };
    let Some((lease, prompt)) = making.run(lease).await? else {
        return Ok(whole(StatusCode::OK, JSON, about.loaded("load")));
    };
    if common.render_only {
        return Ok(whole(StatusCode::OK, JSON, about.rendered(&prompt.text)));
    }
    about.note = prompt.note(options.context());
    if shape == Shape::Generate && !raw {
        about.context = Some(prompt.tokens.clone());
    }
    let settings = Settings {
        max_tokens: options.max_tokens(),
        context: options.context(),
        sampling: options.sampling,
        stop: options.stop,
        top_logprobs: common.logprobs.then_some(common.top_logprobs as usize),
        rate: model.rate,
    };
    let work = Work::Answer { prompt: prompt.tokens, settings };
    let answering = lease.slots.submit(work).map_err(|_| ApiError::QueueFull)?;
    let records = Records::begin(about, answering, lease).await?;
    if common.streams() {
        return Ok(stream(Body::Records(Box::new(records))));
    }
    Ok(whole(StatusCode::OK, JSON, records.join().await?))
}

/// Making a prompt: splitting a long text takes a while, so it runs where waiting is allowed.
struct Making {
    input: Input,
    options: Options,
    truncate: bool,
    before: Vec<u32>,
}

impl Making {
    /// The prompt; `None` where there is nothing to answer.
    async fn run(self, lease: Lease) -> Result<Option<(Lease, Prompt)>, ApiError> {
        let making = tokio::task::spawn_blocking(move || {
            let maker = PromptMaker {
                tokenizer: &lease.slots.brook().tokenizer,
                options: &self.options,
                truncate: self.truncate,
                before: &self.before,
            };
            let prompt = match self.input {
                Input::Nothing => return Ok(None),
                Input::Raw(text) => maker.plain(text)?,
                Input::Chat(turns) => maker.chat(&turns)?,
            };
            Ok(Some((lease, prompt)))
        });
        making.await.unwrap_or_else(|_| Err(ApiError::Engine("making the prompt failed".into())))
    }
}
