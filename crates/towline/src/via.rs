//! The way from a client to its server: direct, or over a relay.

use std::time::Duration;

use towline_core::endpoint::Scheme;
use towline_core::timeouts::Timeouts;

use crate::transport::{Http2Policy, TransportConfig};

/// The model server that a relay is to ask.
pub(crate) const SERVER: &str = "Towline-Server";

/// How many answers run at once on that server.
pub(crate) const SERVER_RUNNING: &str = "Towline-Server-Running";

/// The meaning of a client's address.
#[derive(Debug, Clone, Default)]
#[expect(clippy::large_enum_variant, reason = "a client has one, behind a pointer")]
pub enum Via {
    /// A model server. It can also be a relay used as a model server: its streams then end with the
    /// connection, as Ollama's do.
    #[default]
    Server,
    /// A relay, which runs and records the streams.
    Relay(RelayConfig),
}

/// How a client uses a relay. Build it with `..RelayConfig::default()`.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The name of each stream's job; if it is taken, the relay adds a number. Default: the relay derives a
    /// name from the question.
    pub name: Option<String>,
    /// The conversation of each stream, up to 128 ASCII characters. Default: none.
    pub conversation: Option<String>,
    /// The turn of each stream in its conversation, up to 128 ASCII characters. Default: none.
    pub turn: Option<String>,
    /// The client's name in the relay's lists, for example `prompt` or `window`. Default: none.
    pub asked_by: Option<String>,
    /// The group of each stream, up to 128 ASCII characters: a group can be listed and controlled as one.
    /// Default: none.
    pub group: Option<String>,
    /// Maximum number of streams of the group that run at once; the relay queues the others. The value of the
    /// latest request applies. Default: the relay's own limit.
    pub group_running: Option<usize>,
    /// The request id of each stream, up to 128 letters, digits, `-` and `_`. The relay does not run a
    /// request again whose id it knows; the stream is then the existing one. Default: a new id for each
    /// stream.
    pub request_id: Option<String>,
    /// Whether the relay keeps the request with its answer, so that it can be retried. Default: `true`.
    pub keeps_request: bool,
    /// The model server to ask: the name of one that the relay is configured with. Over the Unix socket of
    /// the own relay it can be any server, in the notation of `OLLAMA_HOST`, with `openai+` before the URL of
    /// a server that has only OpenAI's API; the client's key is then sent to that server. Default: the relay
    /// chooses.
    pub server: Option<String>,
    /// Maximum number of streams, of all clients, that the own relay runs at once on that server; it queues
    /// the others. Only with `server`, and only over the own relay's Unix socket. Default: the relay's own
    /// limit.
    pub server_running: Option<usize>,
    /// How much of a stream is buffered for a slow reader, in bytes. Beyond that the client stops receiving
    /// the stream, and fetches the rest from the relay once there is room. Default: 256 KiB.
    pub queue_bytes: usize,
    /// How long a connection may be silent before the client sends a ping, and how long the response may take
    /// before the connection counts as lost. Default: 10 s.
    pub silence: Duration,
    /// How the client reconnects.
    pub reconnect: Reconnect,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            name: None,
            conversation: None,
            turn: None,
            asked_by: None,
            group: None,
            group_running: None,
            request_id: None,
            keeps_request: true,
            server: None,
            server_running: None,
            queue_bytes: 256 << 10,
            silence: Duration::from_secs(10),
            reconnect: Reconnect::default(),
        }
    }
}

/// How a client reconnects to a relay. Each wait is a random time between half and all of its nominal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// The wait before the first attempt; it doubles with each further attempt. Default: 50 ms.
    pub first_wait: Duration,
    /// The longest wait. Default: 5 s.
    pub max_wait: Duration,
    /// How long the relay may be out of reach before the stream fails. The job on the relay continues. Default: 15 min.
    pub give_up_after: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(50),
            max_wait: Duration::from_secs(5),
            give_up_after: Duration::from_secs(15 * 60),
        }
    }
}

/// Timeouts for reading a relay's stream: the relay enforces the job's own timeouts, and a reader may wait.
pub const READER_TIMEOUTS: Timeouts = Timeouts {
    connect: Some(Duration::from_secs(10)),
    first_event: None,
    idle: None,
    record: None,
    total: None,
};

impl RelayConfig {
    /// The transport for the relay: many streams on few connections, with detection of dead peers.
    pub(crate) fn transport(&self, scheme: &Scheme, mut transport: TransportConfig) -> TransportConfig {
        let http2 = &mut transport.http2;
        let plain = match scheme {
            Scheme::Http | Scheme::Unix(_) => true,
            Scheme::Https => false,
        };
        if http2.policy == Http2Policy::Auto && plain && cfg!(feature = "http2") {
            http2.policy = Http2Policy::PriorKnowledge;
        }
        (http2.ping_interval, http2.ping_timeout) = (Some(self.silence), self.silence);
        transport
    }
}
