//! Requests and responses as typed data: the JSON of Ollama's API.
//!
//! A request omits fields that are `None` or empty. Unknown fields of a response are kept if its type has an
//! `extra` map, and ignored otherwise.

mod chat;
mod embed;
mod generate;
mod message;
mod models;
mod openai;
mod options;
mod web;

pub use chat::ChatRequest;
pub use embed::{EmbedRequest, EmbedResponse, EmbeddingsRequest, EmbeddingsResponse};
pub use generate::GenerateRequest;
pub use message::{Message, Role, Tool};
pub use models::{
    CloudStatus, CopyRequest, CreateRequest, DeleteRequest, InstalledModel, ListResponse, MeResponse,
    ModelDetails, PsResponse, PullRequest, PushRequest, RunningModel, ShowRequest, ShowResponse,
    StatusResponse, VersionResponse,
};
pub use options::{BadOption, Format, KeepAlive, Options, Think};
pub use web::{WebFetchRequest, WebFetchResponse, WebResult, WebSearchRequest, WebSearchResponse};

use serde::{Deserialize, Deserializer};

/// Go writes empty lists, maps and strings as `null`.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
