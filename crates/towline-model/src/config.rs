//! What a server is told when it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How a server is set up. Plain data; nothing is read from the environment or from a home folder.
///
/// ```
/// let config = towline_model::Config { rate: Some(40.0), ..towline_model::Config::default() };
/// assert_eq!(config.listen.port(), 11434);
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen. Default `127.0.0.1:11434`; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Limits and times.
    pub limits: Limits,
    /// Tokens per second at most, for each answer; the same pace a slower machine would have. Default none.
    pub rate: Option<f32>,
}

impl Default for Config {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 11434));
        Self { listen, limits: Limits::default(), rate: None }
    }
}

/// Limits of a server; each has a name and a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Answers that run at once. Default 4. A further request waits.
    pub parallel: usize,
    /// Requests that wait. Default 512, as Ollama. A further one gets status 503.
    pub queue: usize,
    /// Connections at once. Default 1024. A further one waits until another closes.
    pub connections: usize,
    /// Largest request body in bytes. Default 4 MiB, some 1,000 times what the context holds. A larger one gets status
    /// 413.
    pub body_bytes: usize,
    /// What all requests and their answers may take at once, in bytes; how much one takes is estimated, generously, from
    /// its length and what it asks for. Default 128 MiB. A request that does not fit beside the others gets status 503.
    pub memory_bytes: usize,
    /// How long the model stays loaded after its last request, where the request does not say. Default 5 minutes.
    pub keep_alive: KeepAlive,
    /// How long running answers may take to finish once the server shuts down. Default 3 seconds.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 4,
            queue: 512,
            connections: 1024,
            body_bytes: 4 << 20,
            memory_bytes: 128 << 20,
            keep_alive: KeepAlive::For(Duration::from_secs(300)),
            shutdown_grace: Duration::from_secs(3),
        }
    }
}

/// How long the model stays loaded after its last request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// This long; zero unloads at once.
    For(Duration),
    /// Until the server stops.
    Forever,
}
