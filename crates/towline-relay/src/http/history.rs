//! The history of the relay's own user, for the page: reads it, and adds questions to it.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::answer::{Answer, Code, Refusal, json_answer};
use super::ask::{self, Ask, RequestHeaders, StartedRequest};
use super::input;
use crate::access::Caller;
use crate::config::{PlaceInHistory, UserHistory};
use crate::relay::Relay;

/// The page's name in `Towline-Asked-By`.
const PAGE: &str = "page";
/// The maximum number of conversations in a response.
const MOST: usize = 100;

/// The conversations that contain a text, or the newest ones; none for callers who do not own the history.
pub(super) async fn list(relay: &Relay, caller: &Caller, query: Option<&str>) -> Result<Answer, Refusal> {
    let text = input::query(query, "search")?.unwrap_or_default();
    let found = read(relay, caller, move |history| history.list(&text, MOST)).await?;
    Ok(json_answer(StatusCode::OK, &json!({ "conversations": found.unwrap_or_default() })))
}

/// The contents of a conversation.
pub(super) async fn one(relay: &Relay, caller: &Caller, id: &str) -> Result<Answer, Refusal> {
    let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
    let found = read(relay, caller, move |history| history.read(&id)).await?;
    let found = found.flatten();
    let found = found.ok_or_else(|| Refusal::new(Code::NotFound, "the history has no such conversation"))?;
    Ok(json_answer(StatusCode::OK, &found))
}

/// Records a question of the page, so that its answer has a place in the history. A failing history does not
/// block the question.
pub(super) async fn ask(
    relay: &Relay,
    caller: &Caller,
    options: &mut RequestHeaders,
    body: &Bytes,
) -> Option<PlaceInHistory> {
    if options.asked_by.as_deref() != Some(PAGE) || options.turn.is_some() {
        return None;
    }
    let (conversation, body) = (options.conversation.clone(), body.clone());
    let asked = with(relay, caller, move |history| history.ask(conversation.as_deref(), &body)).await;
    let place = asked.unwrap_or_else(not_written).flatten()?;
    (options.conversation, options.turn) = (Some(place.conversation.clone()), Some(place.turn.clone()));
    Some(place)
}

/// Records a retry of an answer, so that the new answer has a place in the history.
pub(super) async fn record_retry(
    relay: &Relay,
    caller: &Caller,
    options: &mut RequestHeaders,
) -> Option<PlaceInHistory> {
    let (conversation, turn) = (options.conversation.clone()?, options.turn.clone()?);
    let before = PlaceInHistory { conversation, turn };
    let again = with(relay, caller, move |history| history.record_retry(&before)).await;
    let place = again.unwrap_or_else(not_written).flatten()?;
    options.turn = Some(place.turn.clone());
    Some(place)
}

/// Starts the job of a request whose place in the history, if any, was recorded. If the job does not start,
/// removes the record.
pub(super) async fn begin(
    relay: &Arc<Relay>,
    caller: &Caller,
    place: Option<PlaceInHistory>,
    ask: Ask,
) -> Result<StartedRequest, Refusal> {
    let begun = ask::begin(relay, caller, ask);
    let Some(place) = place else { return begun };
    match (&begun, &relay.config.on_answer) {
        (Ok(StartedRequest::New { entry, .. }), Some(on_answer)) => on_answer.notify(&entry.id),
        (Ok(StartedRequest::New { .. }), None) => {}
        (Ok(StartedRequest::Known(_)) | Err(_), _) => {
            let withdrawn = with(relay, caller, move |history| history.withdraw(&place)).await;
            withdrawn.unwrap_or_else(not_written);
        }
    }
    begun
}

fn not_written<T>(error: String) -> Option<T> {
    tracing::warn!(error, "the history could not be written");
    None
}

async fn read<T: Send + 'static>(
    relay: &Relay,
    caller: &Caller,
    work: impl FnOnce(&dyn UserHistory) -> Result<T, String> + Send + 'static,
) -> Result<Option<T>, Refusal> {
    let failed = |error: String| Refusal::new(Code::Unavailable, format!("the history: {error}"));
    with(relay, caller, work).await.map_err(failed)
}

/// Runs an operation on the history on a thread that may block; `None` if the history is not the caller's.
async fn with<T: Send + 'static>(
    relay: &Relay,
    caller: &Caller,
    work: impl FnOnce(&dyn UserHistory) -> Result<T, String> + Send + 'static,
) -> Result<Option<T>, String> {
    let Some(history) = caller.history(&relay.config) else { return Ok(None) };
    let history = Arc::clone(history);
    match tokio::task::spawn_blocking(move || work(&*history)).await {
        Ok(done) => done.map(Some),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
