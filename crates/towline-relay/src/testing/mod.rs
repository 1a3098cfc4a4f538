//! A relay without sockets, for fuzzing: bytes in, bytes out.

mod streams;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::config::{Config, Listen, RelayLimits, Times, UpstreamApi, UpstreamConfig};
use crate::http::guard::Listener;
use crate::http::read_json_lines;
use crate::id::StreamId;
use crate::offset::Offset;
use crate::serve::talk_over;
use crate::tasks::Tasks;

pub use streams::play_on_a_stream;

/// Maximum number of bytes in flight of one connection.
const PIPE_BYTES: usize = 1 << 20;

/// How long a client waits without receiving bytes.
const PATIENCE: Duration = Duration::from_millis(5);

/// A relay in memory, without a reachable model server.
pub struct Relay {
    runtime: Runtime,
    relay: Arc<crate::relay::Relay>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Otherwise its threads would live as long as the process, which creates thousands of relays.
        self.relay.writer.end();
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

impl Relay {
    /// A new one.
    ///
    /// # Panics
    /// When no runtime can be started.
    pub fn new() -> Self {
        let upstream =
            UpstreamConfig::new(towline::client::Endpoint::unix("/nonexistent"), UpstreamApi::Ollama);
        let config = Config {
            listen: vec![Listen::Tcp(([127, 0, 0, 1], 1).into())],
            upstreams: vec![upstream],
            times: Times { long_poll: Duration::ZERO, sse: Duration::ZERO, ..Times::default() },
            limits: RelayLimits {
                body_bytes: PIPE_BYTES,
                append_bytes: PIPE_BYTES,
                ..RelayLimits::default()
            },
            ..Config::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let relay = runtime.block_on(async { crate::relay::Relay::open(config, Tasks::new()) });
        Self { runtime, relay: relay.expect("a store in memory opens") }
    }

    /// The relay's output for a client that sends `bytes`, and disconnects when nothing has arrived for a
    /// while.
    pub fn talk(&self, bytes: &[u8]) -> Vec<u8> {
        self.converse(bytes, Some(PATIENCE))
    }

    /// The response to a request with `Connection: close`.
    pub fn ask(&self, request: &[u8]) -> Vec<u8> {
        self.converse(request, None)
    }

    fn converse(&self, bytes: &[u8], patience: Option<Duration>) -> Vec<u8> {
        let mut response = Vec::new();
        self.runtime.block_on(async {
            let (client, server) = tokio::io::duplex(PIPE_BYTES);
            let listener = Listener::Tcp(([127, 0, 0, 1], 1).into());
            let serving = talk_over(Arc::clone(&self.relay), listener, server);
            let response = &mut response;
            // This drops both halves, so that the relay sees its client disconnect.
            let client = async move {
                let (mut reader, mut writer) = tokio::io::split(client);
                // A relay that has closed the connection accepts no more bytes.
                let speaking = async { drop(writer.write_all(bytes).await) };
                let listening = async {
                    loop {
                        let read = reader.read_buf(response);
                        let read = match patience {
                            None => Ok(read.await),
                            Some(patience) => tokio::time::timeout(patience, read).await,
                        };
                        let Ok(Ok(1..)) = read else { break };
                    }
                };
                tokio::join!(speaking, listening);
            };
            tokio::join!(client, serving);
        });
        response
    }
}

/// Parses `text` as an offset and as an id: an accepted text must be written the same way.
///
/// # Panics
/// When it is not.
pub fn read_names(text: &str) {
    if let Some(offset) = Offset::parse(text) {
        assert_eq!(offset.to_string(), text);
    }
    if let Some(id) = StreamId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
}

/// Parses a body of JSON values and writes them as an array, which must have the same meaning.
///
/// # Panics
/// When it does not.
pub fn read_values(body: &[u8]) {
    let Some(array) = read_json_lines(&Bytes::copy_from_slice(body)) else { return };
    let read: Vec<&RawValue> = serde_json::from_slice(&array).expect("what is written is an array");
    let given: Vec<&RawValue> = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body).expect("what is accepted is an array")
    } else {
        vec![serde_json::from_slice(body).expect("what is accepted is a value")]
    };
    // A number may be too large to parse here, and still be valid JSON.
    let meaning = |values: Vec<&RawValue>| -> Vec<Option<serde_json::Value>> {
        values.into_iter().map(|value| serde_json::from_str(value.get()).ok()).collect()
    };
    assert_eq!(meaning(read), meaning(given));
}

#[cfg(test)]
mod tests {
    use super::read_values;

    /// Findings of fuzzing.
    #[test]
    fn values_are_read_as_they_are_written() {
        for body in [&b"4e33331"[..], b"[4e33331, 1]"] {
            read_values(body);
        }
    }
}
