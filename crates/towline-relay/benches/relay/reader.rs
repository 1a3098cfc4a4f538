//! Readers that only count: they read a socket, and the timestamps in the records.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BEFORE_STAMP: &[u8] = b"\"content\":\"";
const STAMP_DIGITS: usize = 19;

/// Nanoseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

/// The measurements of a reader.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// From the server's write to here, in nanoseconds, of each record that was written while it was read.
    pub(crate) latencies: Vec<u64>,
    /// When the reader was attached, in nanoseconds since the Unix epoch, and the number of records from before.
    pub(crate) attached: u64,
    pub(crate) earlier: usize,
    pub(crate) reads: u64,
    pub(crate) bytes: u64,
    pub(crate) is_whole: bool,
}

/// Finds the stamps of records in a stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    rest: Vec<u8>,
}

impl Stamps {
    pub(crate) fn take(&mut self, bytes: &[u8], measured: &mut Measured) {
        let now = now();
        measured.reads += 1;
        measured.bytes += bytes.len() as u64;
        self.rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(at) = find(&self.rest[from..], BEFORE_STAMP) {
            let start = from + at + BEFORE_STAMP.len();
            let Some(digits) = self.rest.get(start..start + STAMP_DIGITS) else { break };
            if let Some(stamp) = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok()) {
                if stamp < measured.attached {
                    measured.earlier += 1;
                } else {
                    measured.latencies.push(now.saturating_sub(stamp));
                }
            }
            from = start + STAMP_DIGITS;
        }
        measured.is_whole |= find(&self.rest, b"\"done\":true").is_some();
        let keep = from.max(self.rest.len().saturating_sub(BEFORE_STAMP.len() + STAMP_DIGITS));
        self.rest.drain(..keep);
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == what[0]) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

pub(crate) fn request(model: &str) -> String {
    let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
    let length = body.len();
    format!("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Reads one answer to its end.
pub(crate) async fn read(address: SocketAddr, model: String) -> Measured {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket.write_all(request(&model).as_bytes()).await.unwrap();
    let (mut measured, mut stamps) = (Measured::default(), Stamps::default());
    let mut buffer = vec![0; 16 << 10];
    while !measured.is_whole {
        let count = socket.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        stamps.take(&buffer[..count], &mut measured);
    }
    measured
}

/// The value below which `share` of them are.
pub(crate) fn quantile(values: &mut [u64], share: f64) -> Duration {
    values.sort_unstable();
    Duration::from_nanos(values[((values.len() - 1) as f64 * share).round() as usize])
}
