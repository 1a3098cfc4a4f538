//! `/api/embed`, and the older `/api/embeddings`.

use std::time::Instant;

use hyper::Response;
use serde_json::json;
use tokio::sync::mpsc::Sender;

use super::Model;
use super::error::Refusal;
use super::memory::{Memory, PER_EMBEDDING};
use super::options::keep_alive;
use super::request::Fields;
use super::response::{Body, JSON, Part, answered, to_json};
use crate::engine::answer::{Wanted, embed, normalise_length};
use crate::resident::Lease;

/// Answers a request; `many` for `/api/embed`.
///
/// Cancel safety: dropping the future cancels the request.
pub(crate) async fn embeddings(
    model: &Model,
    many: bool,
    request: Fields,
    mut memory: Memory,
) -> Result<Response<Body>, Refusal> {
    let began = Instant::now();
    let field = if many { "input" } else { "prompt" };
    let inputs: Vec<String> = match request.raw(field) {
        Some(list) if many && !list.starts_with('"') => request.get(field)?.unwrap_or_default(),
        Some(_) | None => request.text(field)?.into_iter().collect(),
    };
    memory.take(inputs.len() * PER_EMBEDDING)?;
    let context = request.options(None)?.settings.context;
    let truncate = request.get("truncate")?.unwrap_or(true);
    let dimensions = request.get("dimensions")?.filter(|dimensions| *dimensions > 0).unwrap_or(usize::MAX);
    let lease = model.resident.lease(keep_alive(&request)?.unwrap_or(model.limits.keep_alive));
    let load_time = began.elapsed();
    let name = request.model();
    drop(request);
    let work = move |lease: &Lease, wanted: &Wanted, _: &Sender<Part>| {
        let (mut vectors, mut count) = (Vec::new(), 0);
        for text in inputs {
            let mut tokens = lease.brook.tokenizer.encode(&text);
            if tokens.is_empty() {
                let text = "an input without any token cannot be embedded";
                return Ok(Part::Refused(Refusal::bad(text)));
            }
            if tokens.len() > context && !truncate {
                return Ok(Part::Refused(Refusal::too_long(tokens.len(), context)));
            }
            tokens.truncate(context);
            count += tokens.len();
            let mut vector = embed(&lease.brook, &tokens, wanted)?;
            vector.truncate(dimensions);
            normalise_length(&mut vector);
            vectors.push(vector);
        }
        let answer = match many {
            true => json!({
                "model": name,
                "embeddings": vectors,
                "total_duration": began.elapsed().as_nanos() as u64,
                "load_duration": load_time.as_nanos() as u64,
                "prompt_eval_count": count,
            }),
            false => json!({"embedding": vectors.first().map_or(&[][..], Vec::as_slice)}),
        };
        Ok(Part::Last(to_json(&answer)))
    };
    answered(lease.begin(work).await, JSON, memory).await
}
