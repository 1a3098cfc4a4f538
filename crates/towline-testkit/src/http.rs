//! The small part of HTTP/1.1 that the server needs: reads requests, writes heads and chunks.

use std::time::Instant;

use crate::script::Body;

pub const NDJSON: &str = "application/x-ndjson";
pub const SSE: &str = "text/event-stream";
pub const JSON: &str = "application/json; charset=utf-8";

/// A request that the server has read.
#[derive(Debug, Clone)]
pub struct Request {
    /// The number of its connection, from 0 in the order of accepting.
    pub connection: usize,
    /// Its number among the requests of that connection, from 0. Above 0, the connection was reused.
    pub nth_on_connection: usize,
    pub method: String,
    /// The request target as written: a path or, when sent to a proxy, a whole URL or an authority.
    pub target: String,
    /// Names in lower case, values trimmed, in order.
    pub headers: Vec<(String, String)>,
    /// The head as received, with its empty line.
    pub head: Vec<u8>,
    /// The body, with chunked coding removed.
    pub body: Vec<u8>,
    /// When the request was complete.
    pub at: Instant,
}

impl Request {
    /// Parses a head that ends with an empty line; `None` if it is not HTTP/1.
    pub(crate) fn from_head(head: Vec<u8>) -> Option<Request> {
        let text = String::from_utf8_lossy(&head);
        let mut lines = text.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let method = words.next()?.to_owned();
        let target = words.next()?.to_owned();
        if !words.next()?.starts_with("HTTP/1.") {
            return None;
        }
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let (connection, nth_on_connection) = (0, 0);
        let (body, at) = (Vec::new(), Instant::now());
        Some(Request { connection, nth_on_connection, method, target, headers, head, body, at })
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The `model` of the body (`name` for old clients).
    pub fn model(&self) -> Option<String> {
        let json = self.json()?;
        let name = json.get("model").or_else(|| json.get("name"))?;
        name.as_str().map(str::to_owned)
    }

    pub(crate) fn content_length(&self) -> usize {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }
}

/// A response head with its empty line.
pub fn response_head(status: u16, headers: &[(&str, &str)], body: Body) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match body {
        Body::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
        Body::Length(bytes) => head.push_str(&format!("Content-Length: {bytes}\r\n")),
        Body::UntilClose => head.push_str("Connection: close\r\n"),
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// One chunk of HTTP's chunked coding. Empty bytes yield no chunk, because an empty chunk would end the body.
pub fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    framed
}

/// The chunk that ends a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A record as a line.
pub fn line(record: impl AsRef<[u8]>) -> Vec<u8> {
    [record.as_ref(), b"\n"].concat()
}

/// A payload as a server-sent event.
pub fn event(payload: impl AsRef<[u8]>) -> Vec<u8> {
    [b"data: ", payload.as_ref(), b"\n\n"].concat()
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        429 => "Too Many Requests",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
