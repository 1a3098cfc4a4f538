//! The configuration of a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The configuration of a server. Plain data; nothing is read from the environment or the home folder.
///
/// ```
/// let config = towline_model::Config { rate: Some(40.0), ..towline_model::Config::default() };
/// assert_eq!(config.listen.port(), 11434);
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on. Default `127.0.0.1:11434`; port 0 means any free port.
    pub listen: SocketAddr,
    /// Limits and times.
    pub limits: Limits,
    /// The maximum number of tokens per second for each answer, to imitate a slower machine. Default none.
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
    /// The maximum number of running answers. Default 4. Further requests are queued.
    pub parallel: usize,
    /// The maximum number of queued requests. Default 512, as in Ollama. A further one gets status 503.
    pub queue: usize,
    /// The maximum number of connections. Default 1024. A further one waits until another closes.
    pub connections: usize,
    /// The maximum size of a request body, in bytes. Default 4 MiB, about 1,000 times the size of the
    /// context. A larger one gets status 413.
    pub body_bytes: usize,
    /// The memory limit of all requests and their answers together, in bytes. The memory of a request is
    /// estimated generously, from its length and its parameters. Default 128 MiB. A request that does not fit
    /// gets status 503.
    pub memory_bytes: usize,
    /// How long the model stays loaded after its last request, if the request does not specify it. Default 5
    /// minutes.
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
