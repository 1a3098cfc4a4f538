//! A client for programs without async: every call blocks, and every stream can be cancelled from another thread.
//!
//! ```no_run
//! use towline::{ChatRequest, Item};
//!
//! let client = towline::blocking::Client::new("127.0.0.1:11434")?;
//! let stream = client.chat(ChatRequest::new("llama3.2").user("What is a river?"));
//! let canceller = stream.canceller();
//! std::thread::spawn(move || canceller.cancel("enough"));
//! for item in stream {
//!     if let Item::End(outcome) = item {
//!         println!("{}", outcome.ending);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::VecDeque;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use towline_core::api::{
    ChatRequest, CopyRequest, CreateRequest, DeleteRequest, EmbedRequest, EmbedResponse, EmbeddingsRequest,
    EmbeddingsResponse, GenerateRequest, ListResponse, MeResponse, PsResponse, PullRequest, PushRequest,
    ShowRequest, ShowResponse, StatusResponse, VersionResponse, WebFetchRequest, WebFetchResponse,
    WebSearchRequest, WebSearchResponse,
};
use towline_core::error::{Error, ErrorKind, Fault};
use towline_core::event::Event;
use towline_core::outcome::Outcome;

use crate::engine::{Engine, EngineConfig, Job, JobOptions, Reader, StartAt, StreamSpec};
use crate::stream::Item;

/// A client whose calls block. Clones share one background thread.
///
/// Do not use it in async code, which it would block; use [`crate::Client`] there.
#[derive(Debug, Clone)]
pub struct Client {
    client: crate::Client,
    engine: Engine,
}

impl Client {
    /// A client of the server that `host` names, in the notation of [`crate::Client::new`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the text names no server, or if the operating system cannot start a
    /// thread.
    pub fn new(host: &str) -> Result<Self, Error> {
        Self::of(crate::Client::new(host)?)
    }

    /// A blocking client on top of an async client.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the operating system cannot start a thread.
    pub fn of(client: crate::Client) -> Result<Self, Error> {
        let config = EngineConfig { threads: 1, max_ended: 0, ..EngineConfig::default() };
        let engine = Engine::start(config)
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, Fault::Caller, error.to_string()))?;
        Ok(Self { client, engine })
    }

    /// Continues a conversation.
    pub fn chat(&self, request: ChatRequest) -> Stream {
        self.stream(StreamSpec::chat(&self.client, request))
    }

    /// Completes a text.
    pub fn generate(&self, request: GenerateRequest) -> Stream {
        self.stream(StreamSpec::generate(&self.client, request))
    }

    /// Fetches a model from a registry.
    pub fn pull(&self, request: PullRequest) -> Stream {
        self.stream(StreamSpec::pull(&self.client, request))
    }

    /// Sends a model to a registry.
    pub fn push(&self, request: PushRequest) -> Stream {
        self.stream(StreamSpec::push(&self.client, request))
    }

    /// Makes a model.
    pub fn create(&self, request: CreateRequest) -> Stream {
        self.stream(StreamSpec::create(&self.client, request))
    }

    /// Starts a prepared stream.
    pub fn stream(&self, prepared: StreamSpec) -> Stream {
        let job = self.engine.submit(prepared, JobOptions::default());
        Stream {
            reader: job.reader(StartAt::Beginning),
            job,
            ready: VecDeque::new(),
            engine: self.engine.clone(),
        }
    }

    /// Turns texts into vectors.
    ///
    /// # Errors
    /// As [`crate::Client::embed`].
    pub fn embed(&self, request: EmbedRequest) -> Result<EmbedResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.embed(request).await })
    }

    /// Turns one text into a vector, by the older endpoint.
    ///
    /// # Errors
    /// As [`crate::Client::embeddings`].
    pub fn embeddings(&self, request: EmbeddingsRequest) -> Result<EmbeddingsResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.embeddings(request).await })
    }

    /// Sends the file at `path`, unless the server has it, and returns its digest.
    ///
    /// # Errors
    /// As [`crate::Client::upload_file`].
    pub fn upload_file(&self, path: impl AsRef<Path>) -> Result<String, Error> {
        let (client, path) = (self.client.clone(), path.as_ref().to_owned());
        self.block(async move { client.upload_file(path).await })
    }

    /// Searches the web through the server.
    ///
    /// # Errors
    /// As [`crate::Client::web_search`].
    pub fn web_search(&self, request: WebSearchRequest) -> Result<WebSearchResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.web_search(request).await })
    }

    /// Fetches a web page through the server.
    ///
    /// # Errors
    /// As [`crate::Client::web_fetch`].
    pub fn web_fetch(&self, request: WebFetchRequest) -> Result<WebFetchResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.web_fetch(request).await })
    }

    /// The models the server has.
    ///
    /// # Errors
    /// As [`crate::Client::list`].
    pub fn list(&self) -> Result<ListResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.list().await })
    }

    /// The models the server has in memory.
    ///
    /// # Errors
    /// As [`crate::Client::ps`].
    pub fn ps(&self) -> Result<PsResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.ps().await })
    }

    /// A model's description.
    ///
    /// # Errors
    /// As [`crate::Client::show`].
    pub fn show(&self, request: ShowRequest) -> Result<ShowResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.show(request).await })
    }

    /// Copies a model to another name.
    ///
    /// # Errors
    /// As [`crate::Client::copy`].
    pub fn copy(&self, request: CopyRequest) -> Result<(), Error> {
        let client = self.client.clone();
        self.block(async move { client.copy(request).await })
    }

    /// Deletes a model.
    ///
    /// # Errors
    /// As [`crate::Client::delete`].
    pub fn delete(&self, request: DeleteRequest) -> Result<(), Error> {
        let client = self.client.clone();
        self.block(async move { client.delete(request).await })
    }

    /// The server's information about itself.
    ///
    /// # Errors
    /// As [`crate::Client::status`].
    pub fn status(&self) -> Result<StatusResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.status().await })
    }

    /// Who is signed in at the server.
    ///
    /// # Errors
    /// As [`crate::Client::me`].
    pub fn me(&self) -> Result<MeResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.me().await })
    }

    /// The server's version.
    ///
    /// # Errors
    /// As [`crate::Client::version`].
    pub fn version(&self) -> Result<VersionResponse, Error> {
        let client = self.client.clone();
        self.block(async move { client.version().await })
    }

    fn block<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let task = self.engine.spawn("call", work);
        let refused = |error: crate::engine::EngineError| {
            Error::new(ErrorKind::InvalidRequest, Fault::Caller, error.to_string())
        };
        task.wait().map_err(refused)?.unwrap_or_else(|outcome| {
            let cut =
                || Error::new(ErrorKind::Cancelled, Fault::Caller, "the client was closed").with_effect(true);
            Err(outcome.ending.error().unwrap_or_else(cut))
        })
    }
}

/// One response as a blocking iterator: events, then exactly one end. Text that arrived between two reads is
/// joined.
///
/// Dropping it cancels the stream.
#[derive(Debug)]
pub struct Stream {
    job: Job,
    reader: Reader,
    ready: VecDeque<Item>,
    /// Keeps the background thread while the stream is read.
    engine: Engine,
}

impl Stream {
    /// A handle that cancels this stream from any thread; a blocked read returns at once.
    pub fn canceller(&self) -> Canceller {
        Canceller { job: self.job.clone() }
    }

    /// Reads to the end. The answer is in the outcome's `reply`.
    pub fn collect_outcome(mut self) -> Arc<Outcome> {
        loop {
            match self.next() {
                Some(Item::Event(_)) => {}
                Some(Item::End(outcome)) => return Arc::new(*outcome),
                None => unreachable!("the end is yielded before None, and returned above"),
            }
        }
    }

    /// Reads to the end and returns the answer's text.
    ///
    /// # Errors
    /// The outcome, with the text that arrived, unless the stream completed.
    pub fn text(self) -> Result<String, Arc<Outcome>> {
        let outcome = self.collect_outcome();
        if outcome.is_completed() { Ok(outcome.reply.text.clone()) } else { Err(outcome) }
    }
}

impl Iterator for Stream {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        while self.ready.is_empty() {
            // Inside a job of this engine, this would wait forever.
            let batch = self.reader.read().unwrap_or_else(|error| panic!("{error}"))?;
            self.ready.extend(batch.events.into_iter().map(|event: Event| Item::Event(event)));
            self.ready.extend(batch.outcome.map(|outcome| Item::End(Box::new(Outcome::clone(&outcome)))));
        }
        self.ready.pop_front()
    }
}

impl std::iter::FusedIterator for Stream {}

impl Drop for Stream {
    fn drop(&mut self) {
        self.job.cancel_now("the stream was dropped");
        let _keep_until_here = &self.engine;
    }
}

/// Cancels a blocking stream from another thread.
#[derive(Debug, Clone)]
pub struct Canceller {
    job: Job,
}

impl Canceller {
    /// Cancels the stream; events that were already received are still yielded before the end. `reason` is
    /// for people.
    pub fn cancel(&self, reason: &str) {
        self.job.cancel(reason);
    }
}
