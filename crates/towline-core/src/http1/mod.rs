//! The client side of HTTP/1.1, without input or output.
//!
//! Three parts, which take bytes and read neither a socket nor a clock:
//!
//! - [`encode_request`] writes a request head. It rejects input that could smuggle a second header or
//!   request.
//! - [`HeadParser`] takes the bytes of a response until its head is complete and decides how the body is framed
//!   (RFC 9112, section 6.3) and whether the connection may serve another request.
//! - [`BodyDecoder`] turns the rest into body bytes. It is the hot path: one record of a model stream is usually one
//!   chunk of 100 to 200 bytes, and a whole chunk costs one table walk over its size and one copy.
//!
//! ```
//! use towline_core::http1::{BodyDecoder, HeadLimits, HeadParser, Headers, Method, RequestFraming, encode_request};
//!
//! let mut headers = Headers::new();
//! headers.push("Host", "localhost");
//! let request = encode_request(Method::Get, "/api/version", &headers, RequestFraming::Empty)?;
//! assert_eq!(request, b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n");
//!
//! let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
//! let mut parser = HeadParser::new(Method::Get, HeadLimits::default());
//! let (head, consumed) = parser.push(answer)?.expect("the head is complete");
//! let mut body = BodyDecoder::new(head.framing);
//! let mut out = Vec::new();
//! let decoded = body.push(&answer[consumed..], &mut out)?;
//! assert!(decoded.complete && head.keep_alive);
//! assert_eq!(out, b"abc");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Strictness: heads are parsed by `httparse`, as in hyper (a bare LF ends a line, obsolete line folding is
//! refused). Chunk framing is parsed as in hyper and in llhttp's strict mode: every line ends with CRLF, a
//! bare LF is an error, spaces and extensions after a chunk size are skipped, trailers are skipped. Both
//! skips are bounded.

mod body;
mod framing;
mod head;
mod headers;
mod request;

pub use body::{BodyDecoder, BodyError, CHUNK_LINE_BYTES, Decoded, TRAILER_BYTES};
pub use framing::BodyFraming;
pub use head::{HeadError, HeadLimits, HeadParser, ResponseHead};
pub use headers::Headers;
pub use request::{InvalidRequest, Method, RequestFraming, encode_request};
