//! `/api/embed`, and the older `/api/embeddings`.

use std::time::Instant;

use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::options::Options;
use super::request::{Embed, parse};
use super::response::{Body, json as respond};
use super::{Model, keep_alive};
use crate::engine::answer::normalise_length;
use crate::resident::Lease;
use crate::slots::{Event, Work};

/// `POST /api/embed`.
///
/// Cancel safety: dropping the future cancels the request.
pub(crate) async fn embed(model: &Model, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let began = Instant::now();
    let request: Embed = parse(body)?;
    let inputs = inputs(request.input.as_ref())?;
    let (lease, context) = lease(model, &request)?;
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
pub(crate) async fn embeddings(model: &Model, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let request: Embed = parse(body)?;
    let (lease, context) = lease(model, &request)?;
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

fn lease(model: &Model, request: &Embed) -> Result<(Lease, usize), ApiError> {
    let mut options = Options::new();
    options.apply(&request.options).map_err(ApiError::Invalid)?;
    let keep_alive = match &request.keep_alive {
        None => model.keep_alive,
        Some(value) => keep_alive::parse(value).map_err(ApiError::Invalid)?,
    };
    Ok((model.resident.lease(keep_alive), options.context()))
}

async fn run(
    lease: Lease,
    texts: Vec<String>,
    context: usize,
    truncate: bool,
) -> Result<(Vec<Vec<f32>>, usize), ApiError> {
    let brook = std::sync::Arc::clone(lease.slots.brook());
    let encoding = tokio::task::spawn_blocking(move || {
        let encode = |text: String| {
            let mut tokens = brook.tokenizer.encode(&text);
            if tokens.is_empty() {
                return Err(ApiError::Invalid("an input without any token cannot be embedded".into()));
            }
            if tokens.len() > context {
                if !truncate {
                    return Err(ApiError::TooLong { length: tokens.len(), context });
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
    let mut answering = lease.slots.submit(Work::Embed { inputs }).map_err(|_| ApiError::QueueFull)?;
    match answering.next().await {
        Some(Event::Embedded(embeddings)) => Ok((embeddings, tokens)),
        Some(Event::Piece(_) | Event::Finished(_)) | None => {
            Err(ApiError::Engine("the model stopped unexpectedly".into()))
        }
    }
}
