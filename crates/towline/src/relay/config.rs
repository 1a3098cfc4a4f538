//! What a client can be told about its relay.

use std::time::Duration;

use towline_core::endpoint::Scheme;
use towline_core::timeouts::Timeouts;

use crate::transport::{Http2Policy, TransportConfig};

/// What a client's address is.
#[derive(Debug, Clone, Default)]
#[expect(clippy::large_enum_variant, reason = "a client has one, behind a pointer")]
pub enum Via {
    /// A model server. A relay is one too; without more its streams end with the connection, as Ollama's do.
    #[default]
    Server,
    /// A relay, which runs and records the streams.
    Relay(RelayConfig),
}

/// How streams are read through a relay. Build it with `..RelayConfig::default()`.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The name of each stream, by which its job is found; where it is taken the relay adds a number. Default: one that the
    /// relay makes from the question.
    pub name: Option<String>,
    /// The conversation that each stream belongs to, up to 128 ASCII characters. Default: none.
    pub conversation: Option<String>,
    /// The place of each stream in its conversation, up to 128 ASCII characters. Default: none.
    pub turn: Option<String>,
    /// Who asks, as the relay's lists show it: `prompt`, `window`. Default: none.
    pub asked_by: Option<String>,
    /// The group that each stream belongs to, up to 128 ASCII characters: it is listed and controlled as one. Default: none.
    pub group: Option<String>,
    /// So many streams of the group run at once; further ones wait for their turn on the relay. The last request's counts. Default:
    /// as many as the relay runs.
    pub group_running: Option<usize>,
    /// By what each stream is known, up to 128 letters, digits, `-` and `_`: a request that the relay has under this id already is not
    /// run again, and the stream is the one that it has. Default: an id of its own for each stream.
    pub request_id: Option<String>,
    /// Whether the relay keeps the request with its answer, so that it can be asked again. Default: `true`.
    pub keeps_request: bool,
    /// The model server that is asked: one that the relay is configured with, by its name; or, on the own relay's Unix socket,
    /// any, as `OLLAMA_HOST` names one, with `openai+` before the URL of one that speaks OpenAI's API only. The client's key
    /// is sent to that server then. Default: the one that the relay chooses.
    pub server: Option<String>,
    /// So many streams run at once on that server, of whatever client of the own relay; further ones wait for their turn. Only with
    /// `server`, and only on the own relay's Unix socket. Default: as many as the relay runs.
    pub server_running: Option<usize>,
    /// How much of a stream is kept for a reader that does not read, in bytes. Beyond that the stream is no longer
    /// received, and what is missing is fetched from the relay once there is room. Default: 256 KiB.
    pub queue_bytes: usize,
    /// How long a connection may be silent before the relay is asked for a sign of life, and how long that may take,
    /// before the connection counts as lost. Default: 10 s.
    pub silence: Duration,
    /// How lost connections are made again.
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

/// How lost connections to a relay are made again. Each wait is between half and all of its nominal length, by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// The wait before the first try; it doubles with each further one. Default: 50 ms.
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

/// Timeouts for reading what a relay runs: the job's own timeouts are the relay's, and a reader may wait.
pub const READER_TIMEOUTS: Timeouts = Timeouts {
    connect: Some(Duration::from_secs(10)),
    first_event: None,
    idle: None,
    record: None,
    total: None,
};

impl RelayConfig {
    /// The transport for it: many streams on few connections, and a dead peer is noticed.
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
