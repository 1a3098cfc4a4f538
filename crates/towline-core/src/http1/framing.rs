//! How a response body is delimited, and whether the connection can be reused after it.

use super::{HeadError, Headers, Method};

/// How the bytes after a response head are delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    Empty,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunks, closed by a chunk of size 0.
    Chunked,
    /// Everything until the peer closes. A cut cannot be distinguished from an end.
    UntilEof,
}

/// The framing of a response, and whether another request may follow on its connection.
pub(super) fn decide(
    method: Method,
    status: u16,
    minor_version: u8,
    headers: &Headers,
) -> Result<(BodyFraming, bool), HeadError> {
    let version_keeps = minor_version >= 1 || headers.has_token("connection", "keep-alive");
    let keep_alive = version_keeps && !headers.has_token("connection", "close");

    let bodiless = match method {
        Method::Head => true,
        Method::Connect => (200..300).contains(&status),
        Method::Get | Method::Post | Method::Put | Method::Delete => false,
    };
    if bodiless || status == 204 || status == 304 {
        return Ok((BodyFraming::Empty, keep_alive));
    }

    if headers.contains("transfer-encoding") {
        let mut codings = headers
            .all("transfer-encoding")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|coding| !coding.is_empty());
        return match (codings.next(), codings.next()) {
            // Both at once, or chunks from HTTP/1.0, can smuggle responses: read the body, then close.
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
                let trusted = minor_version >= 1 && !headers.contains("content-length");
                Ok((BodyFraming::Chunked, keep_alive && trusted))
            }
            _ => Err(HeadError::TransferEncoding),
        };
    }

    match content_length(headers)? {
        Some(length) => Ok((BodyFraming::Length(length), keep_alive)),
        None => Ok((BodyFraming::UntilEof, false)),
    }
}

/// The length on which all `Content-Length` fields agree.
fn content_length(headers: &Headers) -> Result<Option<u64>, HeadError> {
    let mut agreed = None;
    for item in headers.all("content-length").flat_map(|value| value.split(|&byte| byte == b',')) {
        let digits = item.trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::ContentLength);
        }
        let length = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<u64>().ok())
            .ok_or(HeadError::ContentLength)?;
        if agreed.is_some_and(|agreed| agreed != length) {
            return Err(HeadError::ContentLength);
        }
        agreed = Some(length);
    }
    Ok(agreed)
}

#[cfg(test)]
mod tests {
    use super::BodyFraming::{Chunked, Empty, Length, UntilEof};
    use super::*;

    fn check(fields: &[(&str, &str)], expected: Result<(BodyFraming, bool), HeadError>) {
        let headers: Headers = fields.iter().copied().collect();
        assert_eq!(decide(Method::Post, 200, 1, &headers), expected, "{fields:?}");
    }

    #[test]
    fn the_rules_in_order() {
        check(&[], Ok((UntilEof, false)));
        check(&[("content-length", "5")], Ok((Length(5), true)));
        check(&[("content-length", "5"), ("connection", "close")], Ok((Length(5), false)));
        check(&[("content-length", "5"), ("connection", "x, Close")], Ok((Length(5), false)));
        check(&[("Transfer-Encoding", "Chunked")], Ok((Chunked, true)));
        check(&[("Transfer-Encoding", "chunked"), ("Content-Length", "3")], Ok((Chunked, false)));
        check(&[("Content-Length", "5, 5")], Ok((Length(5), true)));
        check(&[("Content-Length", "5"), ("Content-Length", "5")], Ok((Length(5), true)));
        check(&[("Content-Length", "18446744073709551615")], Ok((Length(u64::MAX), true)));
    }

    #[test]
    fn lengths_that_disagree_or_are_no_numbers_are_errors() {
        for value in ["5, 6", "", "-1", "+5", "0x5", "5 5", "5,", "18446744073709551616"] {
            check(&[("Content-Length", value)], Err(HeadError::ContentLength));
        }
        check(&[("Content-Length", "5"), ("Content-Length", "6")], Err(HeadError::ContentLength));
    }

    #[test]
    fn codings_other_than_chunked_are_errors() {
        for value in ["gzip, chunked", "chunked, chunked", "identity", "gzip", ""] {
            check(&[("Transfer-Encoding", value)], Err(HeadError::TransferEncoding));
        }
        let two = [("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")];
        check(&two, Err(HeadError::TransferEncoding));
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_say() {
        let headers: Headers = [("content-length", "5")].into_iter().collect();
        for (method, status) in
            [(Method::Head, 200), (Method::Get, 204), (Method::Get, 304), (Method::Connect, 200)]
        {
            assert_eq!(decide(method, status, 1, &headers), Ok((Empty, true)), "{method} {status}");
        }
        assert_eq!(decide(Method::Connect, 407, 1, &headers), Ok((Length(5), true)));
    }

    #[test]
    fn http_1_0_closes_unless_it_says_otherwise() {
        let length: Headers = [("content-length", "5")].into_iter().collect();
        assert_eq!(decide(Method::Get, 200, 0, &length), Ok((Length(5), false)));
        let kept: Headers = [("content-length", "5"), ("connection", "Keep-Alive")].into_iter().collect();
        assert_eq!(decide(Method::Get, 200, 0, &kept), Ok((Length(5), true)));
        let chunked: Headers =
            [("transfer-encoding", "chunked"), ("connection", "keep-alive")].into_iter().collect();
        assert_eq!(decide(Method::Get, 200, 0, &chunked), Ok((Chunked, false)));
    }
}
