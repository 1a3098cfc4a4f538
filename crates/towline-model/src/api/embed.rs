//! `/api/embed`, and the older `/api/embeddings`.

use std::time::Instant;

use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::catalog::Here;
use super::error::ApiError;
use super::keep_alive;
use super::options::Options;
use super::request::{Embed, parse};
use super::response::{Body, json as respond};
use crate::engine::generate::normalise_length;
use crate::resident::Lease;
use crate::slots::{Event, Work};

/// `POST /api/embed`.
///
/// Cancel safety: dropping the future cancels the request.
pub(crate) async fn embed(here: &Here, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let began = Instant::now();
    let request: Embed = parse(body)?;
    let inputs = inputs(request.input.as_ref())?;
    let (lease, context) = lease(here, &request).await?;
    let load_time = began.elapsed();
    if inputs.is_empty() {
        return Ok(respond(StatusCode::OK, &json!({"model": request.model, "embeddings": []})));
    }
    let (mut embeddings, tokens) = run(lease, inputs, context, request.truncate.unwrap_or(true)).await?;
    if request.dimensions > 0 {
        for vector in &mut embeddings {
            vector.truncate(request.dimensions);
            normalise_length(vector);
        }
    }
    let embedded = Embedded {
        model: request.model,
        embeddings,
        total_duration: began.elapsed().as_nanos() as u64,
        load_duration: load_time.as_nanos() as u64,
        prompt_eval_count: tokens,
    };
    Ok(respond(StatusCode::OK, &embedded))
}

#[derive(Serialize)]
struct Embedded {
    model: String,
    embeddings: Vec<Vec<f32>>,
    /// Nanoseconds, as all durations of the API.
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: usize,
}

/// `POST /api/embeddings`.
///
/// Cancel safety: dropping the future cancels the request.
pub(crate) async fn embeddings(here: &Here, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let request: Embed = parse(body)?;
    let (lease, context) = lease(here, &request).await?;
    if request.prompt.is_empty() {
        return Ok(respond(StatusCode::OK, &json!({"embedding": []})));
    }
    let (embeddings, _) = run(lease, vec![request.prompt], context, true).await?;
    Ok(respond(StatusCode::OK, &json!({"embedding": embeddings.first()})))
}

fn inputs(input: Option<&Value>) -> Result<Vec<String>, ApiError> {
    let invalid = || ApiError::Invalid("invalid input type".into());
    match input {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(texts)) => texts
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(invalid),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(invalid()),
    }
}

async fn lease(here: &Here, request: &Embed) -> Result<(Lease, usize), ApiError> {
    let mut options = Options::new(here.sampling.clone());
    options.apply(&request.options).map_err(ApiError::Invalid)?;
    let keep_alive = match &request.keep_alive {
        None => here.keep_alive,
        Some(value) => keep_alive::parse(value).map_err(ApiError::Invalid)?,
    };
    let lease = here.resident.lease(keep_alive).await.map_err(ApiError::Load)?;
    let context = options.context(lease.slots().model().max_context());
    Ok((lease, context))
}

async fn run(
    lease: Lease,
    texts: Vec<String>,
    context: usize,
    truncate: bool,
) -> Result<(Vec<Vec<f32>>, usize), ApiError> {
    let model = std::sync::Arc::clone(lease.slots().model());
    let encoding = tokio::task::spawn_blocking(move || {
        let encode = |text: String| {
            let mut tokens = model.tokenizer.encode_prompt(&text).map_err(ApiError::Engine)?;
            if tokens.is_empty() {
                return Err(ApiError::Invalid("an input without any token cannot be embedded".into()));
            }
            if tokens.len() > context {
                if !truncate {
                    return Err(ApiError::TooLong);
                }
                tokens.truncate(context);
            }
            Ok(tokens)
        };
        texts.into_iter().map(encode).collect::<Result<Vec<_>, _>>()
    });
    let inputs =
        encoding.await.unwrap_or_else(|_| Err(ApiError::Engine("splitting the input failed".into())))?;
    let tokens = inputs.iter().map(Vec::len).sum();
    let mut answering = lease.slots().submit(Work::Embed { inputs }).map_err(|_| ApiError::QueueFull)?;
    match answering.next().await {
        Some(Event::Embedded(embeddings)) => Ok((embeddings, tokens)),
        Some(Event::Piece(_) | Event::Finished(_)) | None => {
            Err(ApiError::Engine("the model stopped unexpectedly".into()))
        }
    }
}
