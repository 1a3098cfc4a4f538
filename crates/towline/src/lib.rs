//! Model streams in the background, with the foreground in full control of each.
//!
//! Towline talks to Ollama and to servers that speak Ollama's, OpenAI's or Anthropic's API. Five things are enough to use it:
//!
//! * A **stream** ([`Stream`]) is one request and the events that answer it.
//! * An **outcome** ([`Outcome`]) says how a stream ended: completed, truncated, cancelled, timed out or failed. It holds everything
//!   that arrived. A stream ends with exactly one outcome, and only the protocol's terminal record completes it.
//! * A **job** ([`Job`]) is a stream, or other work, in the background. Any thread can watch, pause and cancel it or change its deadline.
//! * An **engine** ([`Engine`]) runs jobs on a thread of its own, so that a prompt or a window never waits.
//! * A **relay** ([`relay`]) is a daemon that runs streams for its clients: they survive their readers, and a reader that reconnects resumes
//!   at the same byte.
//!
//! # Which to use
//!
//! | your program | use |
//! |---|---|
//! | is async, on tokio | [`Client`] and [`Stream`] |
//! | has no async, and one answer at a time | [`blocking::Client`] |
//! | has a foreground: a prompt, a window, a game | [`Engine`] and [`Job`] |
//! | starts answers that must outlive it | a [`Client`] with [`relay::Via::Relay`] |
//!
//! # A stream
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use towline::{ChatRequest, Client, Ending, Event, Item};
//!
//! let client = Client::new("http://127.0.0.1:11434")?;
//! let mut stream = client.chat(ChatRequest::new("llama3.2").user("What is a river?"));
//! while let Some(item) = stream.next().await {
//!     match item {
//!         Item::Event(Event::Text(text)) => print!("{text}"),
//!         Item::Event(_) => {}
//!         Item::End(outcome) => match outcome.ending {
//!             Ending::Completed(_) => println!(),
//!             ending => eprintln!("{ending}; {} bytes arrived", outcome.reply.text.len()),
//!         },
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Dropping a stream closes its connection, which tells the server to stop.
//!
//! # A job
//!
//! ```no_run
//! use std::time::Duration;
//! use towline::engine::StartAt;
//! use towline::{ChatRequest, Client, Deadline, Engine, EngineConfig};
//!
//! let engine = Engine::start(EngineConfig::default())?;
//! let client = Client::new("127.0.0.1:11434")?;
//! let job = engine.chat(&client, ChatRequest::new("llama3.2").user("Tell me a long story."));
//!
//! // None of these waits for a network.
//! job.set_deadline(Deadline::In(Duration::from_secs(30)));
//! job.pause();
//! job.unpause();
//! println!("{} is {}; so far: {}", job.name(), job.state(), job.text_so_far());
//!
//! // Each reader has its own position in the job's log; a job can have several readers.
//! let mut reader = job.reader(StartAt::Beginning);
//! while let Some(batch) = reader.read()? {
//!     println!("{} new events", batch.events.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Several jobs
//!
//! ```no_run
//! use towline::engine::StreamSpec;
//! use towline::{ChatRequest, Client, Engine, EngineConfig};
//!
//! let engine = Engine::start(EngineConfig::default())?;
//! let client = Client::new("127.0.0.1:11434")?;
//! let questions = ["What is a river?", "What is a lake?"].map(|text| ChatRequest::new("llama3.2").user(text));
//! let group = engine.submit_group("water", questions.map(|question| StreamSpec::chat(&client, question)));
//! for outcome in group.wait_all()? {
//!     println!("{}: {}", outcome.ending, outcome.reply.text);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A relay
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use towline::client::host;
//! use towline::relay::{RelayConfig, Start, Via};
//! use towline::{ChatRequest, Client, Config};
//!
//! let config = Config { via: Via::Relay(RelayConfig::default()), ..Config::default() };
//! let client = Client::with_config(host::parse("unix:/run/user/1000/towline/relay.sock")?, config)?;
//! let id = client.chat(ChatRequest::new("llama3.2").user("Tell me a long story.")).detach().await?;
//!
//! // Any program of the same owner, now or later:
//! let story = client.attach(&id, Start::Beginning).text().await?;
//! # Ok(()) }
//! ```
//!
//! # Without async
//!
//! ```no_run
//! let client = towline::blocking::Client::new("127.0.0.1:11434")?;
//! let story = client.chat(towline::ChatRequest::new("llama3.2").user("Tell me a story.")).text()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! The most common items are here. The others are in modules: [`api`] has requests and responses, [`client`] the options of a client,
//! [`event`], [`outcome`] and [`error`] the results of a stream, [`engine`] and [`relay`] their parts.
//!
//! The library never prints and never reads the environment or the home folder: the caller names the server. It sends nothing to
//! any other host.

pub mod api;
mod blob;
pub mod blocking;
mod call;
pub mod client;
mod config;
mod endpoints;
pub mod engine;
pub mod error;
pub mod event;
mod failure;
pub mod forward;
mod handle;
pub mod outcome;
pub mod relay;
mod resume;
mod schema;
mod stream;
mod timer;
mod transport;
mod unary;
mod via;

pub use client::{Client, Config};
pub use engine::{Deadline, Engine, EngineConfig, Job};
pub use error::Error;
pub use event::Event;
pub use outcome::{Ending, Outcome};
pub use stream::{Item, Stream};
pub use towline_core::api::{ChatRequest, GenerateRequest, Message};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
