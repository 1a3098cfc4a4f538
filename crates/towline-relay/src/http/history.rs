//! The history of the relay's own user, for the page: what it reads, and what it asks.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::answer::{Answer, Code, Refusal, json_answer};
use super::ask::{self, Ask, Begun, RequestHeaders};
use super::input;
use crate::access::Caller;
use crate::config::{PlaceInHistory, UserHistory};
use crate::relay::Relay;

/// What the page calls itself in `Towline-Asked-By`.
const PAGE: &str = "page";
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

/// Writes down a question of the page, whose answer then says where it belongs. A history that cannot be written holds up no
/// question.
pub(super) async fn ask(
    relay: &Relay,
    caller: &Caller,
    wishes: &mut RequestHeaders,
    body: &Bytes,
) -> Option<PlaceInHistory> {
    if wishes.asked_by.as_deref() != Some(PAGE) || wishes.turn.is_some() {
        return None;
    }
    let (conversation, body) = (wishes.conversation.clone(), body.clone());
    let asked = with(relay, caller, move |history| history.ask(conversation.as_deref(), &body)).await;
    let place = asked.unwrap_or_else(not_written).flatten()?;
    (wishes.conversation, wishes.turn) = (Some(place.conversation.clone()), Some(place.turn.clone()));
    Some(place)
}

/// Writes down that an answer is asked for again, which then says where the new one belongs.
pub(super) async fn ask_again(
    relay: &Relay,
    caller: &Caller,
    wishes: &mut RequestHeaders,
) -> Option<PlaceInHistory> {
    let (conversation, turn) = (wishes.conversation.clone()?, wishes.turn.clone()?);
    let before = PlaceInHistory { conversation, turn };
    let again = with(relay, caller, move |history| history.ask_again(&before)).await;
    let place = again.unwrap_or_else(not_written).flatten()?;
    wishes.turn = Some(place.turn.clone());
    Some(place)
}

/// Begins the job of a request whose place in the history, if it has one, is written down. What is not begun is taken back there.
pub(super) async fn begin(
    relay: &Arc<Relay>,
    caller: &Caller,
    place: Option<PlaceInHistory>,
    ask: Ask,
) -> Result<Begun, Refusal> {
    let begun = ask::begin(relay, caller, ask);
    let Some(place) = place else { return begun };
    match (&begun, &relay.config.on_answer) {
        (Ok(Begun::New { entry, .. }), Some(on_answer)) => on_answer.tell(&entry.id),
        (Ok(Begun::New { .. }), None) => {}
        (Ok(Begun::Known(_)) | Err(_), _) => {
            let taken_back = with(relay, caller, move |history| history.take_back(&place)).await;
            taken_back.unwrap_or_else(not_written);
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

/// Does something with the history where it may wait for the disk; `None` where it is not the caller's.
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
