//! The server's endpoints, one method each.

use serde::Serialize;
use serde::de::DeserializeOwned;
use towline_core::api::{
    ChatRequest, CopyRequest, CreateRequest, DeleteRequest, EmbedRequest, EmbedResponse, EmbeddingsRequest,
    EmbeddingsResponse, GenerateRequest, ListResponse, MeResponse, PsResponse, PullRequest, PushRequest,
    ShowRequest, ShowResponse, StatusResponse, VersionResponse, WebFetchRequest, WebFetchResponse,
    WebSearchRequest, WebSearchResponse,
};
use towline_core::dialect::Dialect;
use towline_core::error::Error;
use towline_core::http1::Method;

use crate::call::Call;
use crate::config::Api;
use crate::handle::{Client, json_body};
use crate::relay::{Attach, Control, Start, StreamId};
use crate::stream::Stream;

/// Streams. Every failure arrives as the stream's outcome; nothing is sent before the first poll.
impl Client {
    /// Continues a conversation.
    pub fn chat(&self, request: ChatRequest) -> Stream {
        let call = if self.is_openai() {
            Call::to_openai(&request)
        } else {
            let falls_back = self.config().api == Api::Auto;
            Call { falls_back, ..Call::new("/api/chat", Dialect::Ollama, streamed(&request)) }
        };
        Stream::new(self.clone(), call)
    }

    /// Completes a text.
    pub fn generate(&self, request: GenerateRequest) -> Stream {
        self.stream("/api/generate", Dialect::Ollama, &request)
    }

    /// Fetches a model from a registry. A repeated pull continues where a cancelled one stopped.
    pub fn pull(&self, request: PullRequest) -> Stream {
        self.stream("/api/pull", Dialect::OllamaProgress, &request)
    }

    /// Sends a model to a registry.
    pub fn push(&self, request: PushRequest) -> Stream {
        self.stream("/api/push", Dialect::OllamaProgress, &request)
    }

    /// Makes a model.
    pub fn create(&self, request: CreateRequest) -> Stream {
        self.stream("/api/create", Dialect::OllamaProgress, &request)
    }

    /// A streamed operation with a request body that the caller has written in Ollama's format, and that asks
    /// for a stream. The body is sent unchanged, except for a chat with a server that speaks [OpenAI's
    /// dialect](Stream::is_openai).
    pub fn operate(&self, operation: Operation, body: bytes::Bytes) -> Stream {
        let is_chat = operation == Operation::Chat;
        let openai = (is_chat && self.is_openai()).then(|| Call::openai_chat(&body)).flatten();
        let call = openai.unwrap_or_else(|| {
            let (path, dialect) = operation.at();
            let falls_back = is_chat && self.config().api == Api::Auto;
            Call { falls_back, ..Call::new(path, dialect, Ok(body)) }
        });
        Stream::new(self.clone(), call)
    }

    /// Reads a stream that runs, or ran, on the relay that this client talks to. Cancelling it ends it on the
    /// relay for all readers; dropping it does not.
    pub fn attach(&self, id: &str, start: Start) -> Stream {
        self.attached(id, start, false)
    }

    /// Reads the part of a relay's stream that exists now. If the stream is still running, the result ends as
    /// truncated.
    pub fn attach_snapshot(&self, id: &str, start: Start) -> Stream {
        self.attached(id, start, true)
    }

    fn attached(&self, id: &str, start: Start, snapshot: bool) -> Stream {
        let attach = Attach { id: StreamId::parse(id), start, snapshot };
        let call = Call::new("/streams", Dialect::Ollama, Ok(bytes::Bytes::new()));
        Stream::new(self.clone(), Call { attach: Some(Box::new(attach)), ..call })
    }

    /// Lists and controls the jobs of the relay that this client talks to.
    pub fn relay(&self) -> Control {
        Control::new(self.clone())
    }

    fn stream(&self, path: &'static str, dialect: Dialect, request: &impl Serialize) -> Stream {
        Stream::new(self.clone(), Call::new(path, dialect, streamed(request)))
    }
}

/// An operation whose response is a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Continues a conversation.
    Chat,
    /// Completes a text.
    Generate,
    /// Fetches a model from a registry.
    Pull,
    /// Sends a model to a registry.
    Push,
    /// Makes a model.
    Create,
}

impl Operation {
    fn at(self) -> (&'static str, Dialect) {
        match self {
            Self::Chat => ("/api/chat", Dialect::Ollama),
            Self::Generate => ("/api/generate", Dialect::Ollama),
            Self::Pull => ("/api/pull", Dialect::OllamaProgress),
            Self::Push => ("/api/push", Dialect::OllamaProgress),
            Self::Create => ("/api/create", Dialect::OllamaProgress),
        }
    }
}

/// Single answers.
///
/// # Cancel safety
/// Dropping a future closes its connection; the server may have acted on the request.
///
/// # Errors
/// Each method returns an [`Error`] with the kind of failure, who caused it, and whether the request may have
/// had an effect.
impl Client {
    /// Turns texts into vectors.
    pub async fn embed(&self, request: EmbedRequest) -> Result<EmbedResponse, Error> {
        self.call(Method::Post, "/api/embed", Some(&request)).await
    }

    /// Turns one text into a vector, by the older endpoint.
    pub async fn embeddings(&self, request: EmbeddingsRequest) -> Result<EmbeddingsResponse, Error> {
        self.call(Method::Post, "/api/embeddings", Some(&request)).await
    }

    /// The models the server has.
    pub async fn list(&self) -> Result<ListResponse, Error> {
        self.call(Method::Get, "/api/tags", None::<&()>).await
    }

    /// The models the server has in memory.
    pub async fn ps(&self) -> Result<PsResponse, Error> {
        self.call(Method::Get, "/api/ps", None::<&()>).await
    }

    /// A model's description.
    pub async fn show(&self, request: ShowRequest) -> Result<ShowResponse, Error> {
        self.call(Method::Post, "/api/show", Some(&request)).await
    }

    /// Copies a model to another name.
    pub async fn copy(&self, request: CopyRequest) -> Result<(), Error> {
        self.call_for_status(Method::Post, "/api/copy", Some(&request)).await
    }

    /// Deletes a model.
    pub async fn delete(&self, request: DeleteRequest) -> Result<(), Error> {
        self.call_for_status(Method::Delete, "/api/delete", Some(&request)).await
    }

    /// The JSON response to a GET request for any other path of the server.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(Method::Get, path, None::<&()>).await
    }

    /// The JSON response to a POST request to any other path of the server.
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Error> {
        self.call(Method::Post, path, Some(body)).await
    }

    /// The response to a request that the caller has written, byte for byte.
    pub async fn call_bytes(
        &self,
        method: Method,
        path: &str,
        body: Option<bytes::Bytes>,
    ) -> Result<Vec<u8>, Error> {
        self.exchange_bytes(method, path, body).await
    }

    /// The server's version.
    pub async fn version(&self) -> Result<VersionResponse, Error> {
        self.call(Method::Get, "/api/version", None::<&()>).await
    }

    /// The server's status: whether it can use cloud models.
    pub async fn status(&self) -> Result<StatusResponse, Error> {
        self.call(Method::Get, "/api/status", None::<&()>).await
    }

    /// The user who is signed in at the server. Without one, an error of kind `Unauthorized`.
    pub async fn me(&self) -> Result<MeResponse, Error> {
        self.call(Method::Post, "/api/me", Some(&serde_json::json!({}))).await
    }

    /// Searches the web through the server: ollama.com itself, or a local Ollama that is signed in.
    pub async fn web_search(&self, request: WebSearchRequest) -> Result<WebSearchResponse, Error> {
        let path = if self.is_ollama_com() { "/api/web_search" } else { "/api/experimental/web_search" };
        self.call(Method::Post, path, Some(&request)).await
    }

    /// Fetches a web page through the server: ollama.com itself, or a local Ollama that is signed in.
    pub async fn web_fetch(&self, request: WebFetchRequest) -> Result<WebFetchResponse, Error> {
        let path = if self.is_ollama_com() { "/api/web_fetch" } else { "/api/experimental/web_fetch" };
        self.call(Method::Post, path, Some(&request)).await
    }

    fn is_ollama_com(&self) -> bool {
        let host = &self.endpoint().host;
        ["ollama.com", "www.ollama.com"].iter().any(|own| host.eq_ignore_ascii_case(own))
    }
}

/// The request with `"stream":true`, which is Ollama's default but not that of other servers.
fn streamed(request: &impl Serialize) -> Result<bytes::Bytes, Error> {
    #[derive(Serialize)]
    struct Streamed<'a, R> {
        #[serde(flatten)]
        request: &'a R,
        stream: bool,
    }
    json_body(&Streamed { request, stream: true })
}
