//! Parses a response head from bytes that arrive in pieces of any size.

use super::framing::decide;
use super::{BodyFraming, Headers, Method};

/// Limits for a response head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Maximum size of a head, including status line and empty line, in bytes. Default: 65,536.
    pub head_bytes: usize,
    /// Maximum number of header fields in one head. Default: 100.
    pub headers: usize,
    /// Maximum number of 1xx heads before the final one. Default: 16.
    pub interim_heads: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: 64 * 1024, headers: 100, interim_heads: 16 }
    }
}

/// The head of a response, without interim heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status code, 200 to 999.
    pub status: u16,
    /// Header fields.
    pub headers: Headers,
    /// How the body is delimited.
    pub framing: BodyFraming,
    /// Whether the connection may serve another request once the body has been read to its end.
    pub keep_alive: bool,
}

/// The reason why a response head was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A limit of [`HeadLimits`] was exceeded.
    #[error("the response head exceeds the limit {name} = {value}")]
    Limit {
        /// Name of the field in [`HeadLimits`].
        name: &'static str,
        /// Its value.
        value: usize,
    },
    /// The peer speaks TLS, but plain HTTP was expected.
    #[error("the server answered with TLS; use an https address")]
    Tls,
    /// The peer speaks HTTP/2 only.
    #[error("the server answered with HTTP/2; use HTTP/2 with prior knowledge")]
    Http2,
    /// The first bytes are not those of an HTTP/1 response.
    #[error("the response is not HTTP/1: it starts with {start:?}")]
    NotHttp {
        /// The first bytes, at most seven, with non-ASCII bytes replaced.
        start: String,
    },
    /// The head is malformed.
    #[error("malformed response head: {what}")]
    Malformed {
        /// The part that is wrong.
        what: &'static str,
    },
    /// `Content-Length` is not a number, or several of them disagree.
    #[error("malformed response head: Content-Length is not one number")]
    ContentLength,
    /// A transfer coding other than a single `chunked`.
    #[error("the response has a transfer encoding other than chunked")]
    TransferEncoding,
    /// The server switched protocols without a request for it.
    #[error("the server switched protocols without being asked")]
    SwitchingProtocols,
}

/// Collects bytes until a response head is complete.
///
/// Takes time linear in the size of the head, however it is split.
#[derive(Debug)]
pub struct HeadParser {
    method: Method,
    limits: HeadLimits,
    head: Vec<u8>,
    /// Number of bytes of `head` that are known to contain no end of head.
    scanned: usize,
    interim_heads: usize,
}

impl HeadParser {
    /// A parser for the response to a request of this method.
    pub fn new(method: Method, limits: HeadLimits) -> Self {
        Self { method, limits, head: Vec::new(), scanned: 0, interim_heads: 0 }
    }

    /// Whether no byte of a final or interim head has been seen.
    pub fn is_untouched(&self) -> bool {
        self.head.is_empty() && self.interim_heads == 0
    }

    /// Takes the next bytes. Once the head is complete, returns it with the number of bytes of `input` that
    /// it used; the rest belongs to the body.
    ///
    /// # Errors
    ///
    /// [`HeadError`]; the parser is unusable afterwards, and the connection must be closed.
    pub fn push(&mut self, input: &[u8]) -> Result<Option<(ResponseHead, usize)>, HeadError> {
        let mut taken: usize = 0;
        loop {
            let room = self.limits.head_bytes.saturating_sub(self.head.len());
            let part = &input[taken..input.len().min(taken.saturating_add(room))];
            self.head.extend_from_slice(part);
            taken += part.len();
            self.check_start()?;

            let Some(end) = self.find_end() else {
                if self.head.len() >= self.limits.head_bytes {
                    return Err(HeadError::Limit { name: "head_bytes", value: self.limits.head_bytes });
                }
                return Ok(None);
            };
            // The end was not in the earlier bytes, so the bytes after it are part of this input.
            taken -= self.head.len() - end;
            let (status, minor_version, headers) = parse(&self.head[..end], self.limits.headers)?;
            self.head.clear();
            self.scanned = 0;

            match status {
                101 => return Err(HeadError::SwitchingProtocols),
                100..200 => {
                    self.interim_heads += 1;
                    if self.interim_heads > self.limits.interim_heads {
                        let value = self.limits.interim_heads;
                        return Err(HeadError::Limit { name: "interim_heads", value });
                    }
                }
                200.. => {
                    self.head = Vec::new();
                    let (framing, keep_alive) = decide(self.method, status, minor_version, &headers)?;
                    return Ok(Some((ResponseHead { status, headers, framing, keep_alive }, taken)));
                }
                ..100 => return Err(HeadError::Malformed { what: "status code" }),
            }
        }
    }

    /// Detects a peer that does not speak HTTP/1 from its first bytes, without waiting for a line end.
    fn check_start(&self) -> Result<(), HeadError> {
        const START: &[u8] = b"HTTP/1.";
        const SETTINGS_FRAME: u8 = 4;
        let start = &self.head[..self.head.len().min(START.len())];
        if START.starts_with(start) {
            return Ok(());
        }
        match start {
            // A TLS record: alert or handshake, version 3.x.
            [0x15 | 0x16, 3, ..] => Err(HeadError::Tls),
            [0, 0, _, SETTINGS_FRAME, ..] => Err(HeadError::Http2),
            // Not enough bytes to decide.
            [0x15 | 0x16] | [0] | [0, 0] | [0, 0, _] => Ok(()),
            _ => Err(HeadError::NotHttp {
                start: start
                    .iter()
                    .map(|&byte| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' })
                    .collect(),
            }),
        }
    }

    /// The length of the head if its empty line has arrived.
    fn find_end(&mut self) -> Option<usize> {
        // An empty line may have begun in the last two bytes seen.
        let from = self.scanned.saturating_sub(2);
        for newline in memchr::memchr_iter(b'\n', &self.head[from..]) {
            let next = from + newline + 1;
            match &self.head[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                _ => {}
            }
        }
        self.scanned = self.head.len();
        None
    }
}

fn parse(head: &[u8], max_headers: usize) -> Result<(u16, u8, Headers), HeadError> {
    // Not the status line, not the empty line.
    let lines = memchr::memchr_iter(b'\n', head).count().saturating_sub(2);
    if lines > max_headers {
        return Err(HeadError::Limit { name: "headers", value: max_headers });
    }
    let mut fields = vec![httparse::EMPTY_HEADER; lines];
    let mut response = httparse::Response::new(&mut fields);
    let malformed = |what| HeadError::Malformed { what };
    match response.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(httparse::Status::Complete(_) | httparse::Status::Partial) => return Err(malformed("line ends")),
        Err(httparse::Error::HeaderName) => return Err(malformed("header name")),
        Err(httparse::Error::HeaderValue) => return Err(malformed("header value")),
        Err(httparse::Error::NewLine) => return Err(malformed("line end")),
        Err(httparse::Error::Status) => return Err(malformed("status")),
        Err(httparse::Error::Token) => return Err(malformed("token")),
        Err(httparse::Error::TooManyHeaders) => return Err(malformed("header count")),
        Err(httparse::Error::Version) => return Err(malformed("version")),
    }
    let (Some(status), Some(minor_version)) = (response.code, response.version) else {
        return Err(malformed("status line"));
    };
    let text_bytes = response.headers.iter().map(|field| field.name.len() + field.value.len()).sum();
    let mut headers = Headers::with_capacity(response.headers.len(), text_bytes);
    for field in response.headers.iter() {
        headers.push(field.name, field.value);
    }
    Ok((status, minor_version, headers))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\
        Date: Fri, 21 Nov 2025 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n";

    fn once(input: &[u8]) -> Result<Option<(ResponseHead, usize)>, HeadError> {
        HeadParser::new(Method::Post, HeadLimits::default()).push(input)
    }

    fn in_pieces(pieces: &[&[u8]]) -> Result<Option<(ResponseHead, usize)>, HeadError> {
        let mut parser = HeadParser::new(Method::Post, HeadLimits::default());
        let mut before = 0;
        for piece in pieces {
            if let Some((head, used)) = parser.push(piece)? {
                return Ok(Some((head, before + used)));
            }
            before += piece.len();
        }
        Ok(None)
    }

    #[test]
    fn any_cut_gives_the_same_head_and_leaves_the_body() {
        let interim = [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".as_slice(), CHAT].concat();
        for head in [CHAT, &interim] {
            let input = [head, b"5\r\nhello\r\n"].concat();
            let whole = once(&input).unwrap().unwrap();
            assert_eq!(whole.1, head.len());
            assert_eq!(whole.0.headers.get("content-type"), Some("application/x-ndjson"));
            for cut in 0..=input.len() {
                let (a, b) = input.split_at(cut);
                assert_eq!(in_pieces(&[a, b]).unwrap().unwrap(), whole, "cut at {cut}");
            }
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(in_pieces(&bytes).unwrap().unwrap(), whole);
        }
    }

    #[test]
    fn a_truncated_head_is_never_complete() {
        for end in 0..CHAT.len() {
            assert_eq!(once(&CHAT[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn bare_line_feeds_are_taken_as_line_ends() {
        let (head, used) = once(b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc").unwrap().unwrap();
        assert_eq!((head.framing, used), (BodyFraming::Length(3), 35));
    }

    #[test]
    fn a_status_line_without_reason_is_accepted() {
        for line in ["HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 \r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"] {
            assert_eq!(once(line.as_bytes()).unwrap().unwrap().0.status, 200, "{line:?}");
        }
    }

    #[test]
    fn an_endless_head_is_cut_off_at_the_limit() {
        let mut parser = HeadParser::new(Method::Get, HeadLimits::default());
        assert_eq!(parser.push(b"HTTP/1.1 200 OK\r\n"), Ok(None));
        let mut sent = 0;
        let error = loop {
            match parser.push(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n") {
                Ok(None) => sent += 1,
                Ok(Some(_)) => panic!("there is no end"),
                Err(error) => break error,
            }
            assert!(sent < 2000, "no limit held");
        };
        assert_eq!(error, HeadError::Limit { name: "head_bytes", value: 65536 });
        assert!(error.to_string().contains("head_bytes = 65536"));
    }

    #[test]
    fn a_head_of_exactly_the_limit_passes() {
        let limits = HeadLimits { head_bytes: CHAT.len(), ..HeadLimits::default() };
        assert!(HeadParser::new(Method::Post, limits).push(CHAT).unwrap().is_some());
        let limits = HeadLimits { head_bytes: CHAT.len() - 1, ..HeadLimits::default() };
        assert!(HeadParser::new(Method::Post, limits).push(CHAT).is_err());
    }

    #[test]
    fn too_many_headers_name_their_limit() {
        let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
        assert_eq!(once(head.as_bytes()), Err(HeadError::Limit { name: "headers", value: 100 }));
        let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(100));
        assert_eq!(once(head.as_bytes()).unwrap().unwrap().0.headers.len(), 100);
    }

    #[test]
    fn interim_heads_are_skipped_up_to_their_limit() {
        let interim = "HTTP/1.1 102 Processing\r\n\r\n";
        let many = format!("{}HTTP/1.1 200 OK\r\n\r\n", interim.repeat(16));
        assert_eq!(once(many.as_bytes()).unwrap().unwrap().0.status, 200);
        let more = format!("{}HTTP/1.1 200 OK\r\n\r\n", interim.repeat(17));
        assert_eq!(once(more.as_bytes()), Err(HeadError::Limit { name: "interim_heads", value: 16 }));
        assert_eq!(once(b"HTTP/1.1 101 X\r\n\r\n"), Err(HeadError::SwitchingProtocols));
    }

    #[test]
    fn other_protocols_are_recognised_by_their_first_bytes() {
        assert_eq!(once(b"\x15\x03\x03\x00\x02\x02\x28"), Err(HeadError::Tls));
        assert_eq!(once(b"\0\0\x12\x04\0\0\0\0\0"), Err(HeadError::Http2));
        assert_eq!(once(b"SSH-2.0-x"), Err(HeadError::NotHttp { start: "SSH-2.0".into() }));
        assert_eq!(once(b"\r\nHTTP/1.1 200 OK"), Err(HeadError::NotHttp { start: "..HTTP/".into() }));
    }

    #[test]
    fn malformed_heads_are_refused() {
        for head in [
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.9 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
        ] {
            assert!(once(head.as_bytes()).is_err(), "{head:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
            let input = [b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat();
            let (a, b) = input.split_at(cut.min(input.len()));
            prop_assert_eq!(in_pieces(&[a, b]), once(&input));
            drop(once(&bytes));
        }
    }
}
