//! Writes a request head.

use std::fmt;

use super::Headers;

/// The request methods a client of model servers needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Ask for a resource.
    Get,
    /// Ask for the head only.
    Head,
    /// Run an operation; it may have effects, so it is not repeated silently.
    Post,
    /// Store a resource.
    Put,
    /// Remove a resource.
    Delete,
    /// Open a tunnel through a proxy; the target is `host:port`.
    Connect,
}

impl Method {
    /// The method's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the body that follows the head is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFraming {
    /// No body. `POST` and `PUT` send `Content-Length: 0`.
    Empty,
    /// Exactly this many bytes follow.
    Length(u64),
    /// Chunks follow, up to the empty chunk.
    Chunked,
}

/// The reason why a request cannot be written. Nothing was sent. Values are never shown, because they may be
/// credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The path is empty, or has a space, a control character or a character outside ASCII.
    #[error("the request path has a character that is not allowed at byte {at}; percent-encode it")]
    Target {
        /// Where in the path, in bytes.
        at: usize,
    },
    /// The header name is not a token.
    #[error("{name:?} is not a header name")]
    HeaderName {
        /// The name as given.
        name: String,
    },
    /// The header value has a line break, a NUL or another control character.
    #[error("the value of header {name} has a line break or control character at byte {at}")]
    HeaderValue {
        /// Name of the header.
        name: String,
        /// Where in the value, in bytes.
        at: usize,
    },
    /// The header is written by the codec itself.
    #[error("header {name} is set by the transport and cannot be set by the caller")]
    Reserved {
        /// Name of the header.
        name: String,
    },
}

/// Headers that delimit messages or control the connection: a caller that could set them could smuggle a
/// request.
const RESERVED: [&str; 5] = ["content-length", "transfer-encoding", "connection", "upgrade", "te"];

/// The bytes of a request head, up to and including its empty line.
///
/// `target` is the request target: a path with its query, `http://host/path` for a proxy, or `host:port` for
/// [`Method::Connect`]. `headers` must hold `Host`.
///
/// # Errors
///
/// [`InvalidRequest`] if a header name, a header value or the target has bytes that would change the meaning
/// of the head (CR, LF, NUL, spaces in the target), or if a header may be written only by the codec.
pub fn encode_request(
    method: Method,
    target: &str,
    headers: &Headers,
    framing: RequestFraming,
) -> Result<Vec<u8>, InvalidRequest> {
    if target.is_empty() {
        return Err(InvalidRequest::Target { at: 0 });
    }
    if let Some(at) = target.bytes().position(|byte| !(0x21..=0x7e).contains(&byte)) {
        return Err(InvalidRequest::Target { at });
    }
    check_headers(headers)?;

    const FIXED_BYTES: usize = "CONNECT  HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n".len();
    let mut out = Vec::with_capacity(
        FIXED_BYTES + target.len() + headers.text_bytes() + headers.len() * ": \r\n".len(),
    );
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in headers.iter() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    let length = match (framing, method) {
        (RequestFraming::Length(length), _) => Some(length),
        (RequestFraming::Chunked, _) => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            None
        }
        (RequestFraming::Empty, Method::Post | Method::Put) => Some(0),
        (RequestFraming::Empty, Method::Get | Method::Head | Method::Delete | Method::Connect) => None,
    };
    if let Some(length) = length {
        out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

fn check_headers(headers: &Headers) -> Result<(), InvalidRequest> {
    for (name, value) in headers.iter() {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidRequest::HeaderName { name: name.to_owned() });
        }
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(InvalidRequest::Reserved { name: name.to_owned() });
        }
        if let Some(at) = value.iter().position(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err(InvalidRequest::HeaderValue { name: name.to_owned(), at });
        }
    }
    Ok(())
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        fields.iter().copied().collect()
    }

    #[test]
    fn writes_a_post_with_its_length() {
        let headers = headers(&[("Host", "localhost:11434"), ("Content-Type", "application/json")]);
        let head = encode_request(Method::Post, "/api/chat", &headers, RequestFraming::Length(12));
        assert_eq!(
            String::from_utf8(head.unwrap()).unwrap(),
            "POST /api/chat HTTP/1.1\r\nHost: localhost:11434\r\nContent-Type: application/json\r\n\
             Content-Length: 12\r\n\r\n"
        );
    }

    #[test]
    fn an_empty_post_says_so_and_a_get_does_not() {
        let headers = headers(&[("Host", "h")]);
        let post = encode_request(Method::Post, "/", &headers, RequestFraming::Empty).unwrap();
        assert!(post.ends_with(b"Content-Length: 0\r\n\r\n"));
        let get = encode_request(Method::Get, "/", &headers, RequestFraming::Empty).unwrap();
        assert_eq!(get, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }

    #[test]
    fn a_body_of_unknown_length_is_announced_as_chunks() {
        let head = encode_request(Method::Post, "/", &headers(&[("Host", "h")]), RequestFraming::Chunked);
        assert_eq!(head.unwrap(), b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    }

    #[test]
    fn refuses_what_would_inject_a_header() {
        for value in ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\x7f"] {
            let error =
                encode_request(Method::Get, "/", &headers(&[("X-Key", value)]), RequestFraming::Empty)
                    .unwrap_err();
            assert!(matches!(error, InvalidRequest::HeaderValue { .. }), "{value:?}");
            assert!(!error.to_string().contains(value), "the value is not shown: {error}");
        }
        for name in ["", "a b", "a:b", "a\r\n", "ä"] {
            let error = encode_request(Method::Get, "/", &headers(&[(name, "v")]), RequestFraming::Empty);
            assert!(matches!(error, Err(InvalidRequest::HeaderName { .. })), "{name:?}");
        }
        for target in ["", "/a b", "/a\r\nX: y", "/\0", "/ä", "/\t"] {
            let error = encode_request(Method::Get, target, &Headers::new(), RequestFraming::Empty);
            assert!(matches!(error, Err(InvalidRequest::Target { .. })), "{target:?}");
        }
        for name in ["Content-Length", "TRANSFER-ENCODING", "Connection"] {
            let error = encode_request(Method::Get, "/", &headers(&[(name, "1")]), RequestFraming::Empty);
            assert!(matches!(error, Err(InvalidRequest::Reserved { .. })), "{name}");
        }
    }

    #[test]
    fn tabs_and_bytes_above_ascii_are_allowed_in_values() {
        let mut headers = Headers::new();
        headers.push("X", "a\tü");
        assert!(encode_request(Method::Get, "/", &headers, RequestFraming::Empty).is_ok());
    }
}
