//! The history of the relay's own user, for the page.

use std::sync::Arc;

use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::answer::{Answer, Code, Refusal, json_answer};
use super::input;
use crate::config::ReadHistory;
use crate::relay::{Caller, Relay};

/// The most conversations in an answer.
const MOST: usize = 100;

/// The conversations that have a text, or the newest; none for callers whose history it is not.
pub(super) async fn list(relay: &Relay, caller: &Caller, query: Option<&str>) -> Result<Answer, Refusal> {
    let text = input::query(query, "search")?.unwrap_or_default();
    let found = read(relay, caller, move |history| history.list(&text, MOST)).await?;
    Ok(json_answer(StatusCode::OK, &json!({ "conversations": found.unwrap_or_default() })))
}

/// What a conversation says.
pub(super) async fn one(relay: &Relay, caller: &Caller, id: &str) -> Result<Answer, Refusal> {
    let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
    let found = read(relay, caller, move |history| history.read(&id)).await?;
    let found = found.flatten();
    let found = found.ok_or_else(|| Refusal::new(Code::NotFound, "the history has no such conversation"))?;
    Ok(json_answer(StatusCode::OK, &found))
}

/// Reads it where it may wait for the disk; `None` where it is not the caller's.
async fn read<T: Send + 'static>(
    relay: &Relay,
    caller: &Caller,
    work: impl FnOnce(&dyn ReadHistory) -> Result<T, String> + Send + 'static,
) -> Result<Option<T>, Refusal> {
    let Some(history) = caller.history(relay) else { return Ok(None) };
    let history = Arc::clone(history);
    match tokio::task::spawn_blocking(move || work(&*history)).await {
        Ok(read) => {
            read.map(Some).map_err(|error| Refusal::new(Code::Unavailable, format!("the history: {error}")))
        }
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
