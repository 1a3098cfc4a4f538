//! Towline: model streams that end properly.
//!
//! [`Client`] speaks to Ollama and to what is compatible with it. Every answer is a [`Stream`] that yields events as they
//! come and ends in exactly one [`Outcome`]: completed, truncated, cancelled, timed out or failed, always with what was
//! received.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use towline::{ChatRequest, Client, Item};
//!
//! let client = Client::new("http://127.0.0.1:11434")?;
//! let mut stream = client.chat(ChatRequest::new("llama3.2").user("What is a river?"));
//! while let Some(item) = stream.next().await {
//!     match item {
//!         Item::Event(event) => println!("{event:?}"),
//!         Item::End(outcome) => println!("{}", outcome.ending),
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! The library never prints and never reads the environment or the home folder: its caller says where the server
//! is. It sends nothing to any other host.

mod blob;
pub mod blocking;
mod client;
mod config;
mod endpoints;
pub mod engine;
mod failure;
pub mod forward;
pub mod relay;
mod resume;
mod schema;
mod stream;
mod timer;
mod transport;
mod unary;

pub use blob::Upload;
pub use client::Client;
pub use config::{Api, ApiKey, Config};
pub use endpoints::Operation;
pub use engine::{Engine, EngineConfig, Job};
pub use resume::Resume;
pub use schema::{arguments_as, json_schema, reply_as, tool};
pub use stream::{Item, Stream};
pub use transport::{
    Http2Config, Http2Policy, NetworkVariables, PoolConfig, ProxyConfig, RedirectPolicy, TcpConfig,
    TlsConfig, TransportConfig,
};

pub use towline_core::api::{
    BadOption, ChatRequest, CloudStatus, CopyRequest, CreateRequest, DeleteRequest, EmbedRequest,
    EmbedResponse, EmbeddingsRequest, EmbeddingsResponse, Format, GenerateRequest, InstalledModel, KeepAlive,
    ListResponse, MeResponse, Message, ModelDetails, Options, PsResponse, PullRequest, PushRequest, Role,
    RunningModel, ShowRequest, ShowResponse, StatusResponse, Think, Tool, VersionResponse, WebFetchRequest,
    WebFetchResponse, WebResult, WebSearchRequest, WebSearchResponse,
};
pub use towline_core::dialect::{ThinkTags, ThinkTagsFound};
pub use towline_core::endpoint::{Credentials, Endpoint, Scheme};
pub use towline_core::error::{Error, ErrorKind, Fault};
pub use towline_core::event::{Event, Image, PartialToolCall, Progress, TokenLogprob, ToolCall, Usage};
pub use towline_core::host::{self, HostError};
pub use towline_core::http1::Method;
pub use towline_core::job::{Deadline, JobState};
pub use towline_core::log::Offset;
pub use towline_core::outcome::{Clock, Ending, FinishReason, NotUnderstood, Outcome, Reply, Stats};
pub use towline_core::records::{Record, RecordKind, Records};
pub use towline_core::retry::RetryPolicy;
pub use towline_core::span::Span;
pub use towline_core::stream::Phase;
pub use towline_core::timeouts::{Limits, Timeouts};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
