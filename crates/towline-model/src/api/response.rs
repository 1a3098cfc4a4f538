//! Bodies and headers of responses.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use super::records::Records;

/// A response's body.
pub(crate) enum Body {
    Whole(Option<Bytes>),
    /// An answer, record by record.
    Records(Box<Records>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take()),
            Self::Records(records) => records.poll_record(context),
        };
        data.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Records(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Records(_) => SizeHint::default(),
        }
    }
}

pub(crate) fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body = body.into();
    let mut response = Response::new(Body::Whole((!body.is_empty()).then_some(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    whole(status, "application/json; charset=utf-8", to_json(value))
}

pub(crate) fn stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// JSON as Go's encoder writes it: `<`, `>`, `&`, U+2028 and U+2029 are escaped. Outside of strings JSON has none of
/// these, so replacing them everywhere is right.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let plain = serde_json::to_string(value).unwrap_or_else(|error| {
        // Only a map with keys that are not texts can fail, and none is ever sent.
        serde_json::json!({"error": error.to_string()}).to_string()
    });
    let special = |character: char| matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    if !plain.contains(special) {
        return plain.into_bytes();
    }
    let mut escaped = String::with_capacity(plain.len() + 16);
    for character in plain.chars() {
        if special(character) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped.into_bytes()
}

/// The current time as Go writes it: RFC 3339, up to nanoseconds, in UTC.
pub(crate) fn now() -> String {
    Timestamp::now().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped_as_by_go() {
        let value = serde_json::json!({"text": "a<b> & \u{2028}\u{85}\"é"});
        let expected = "{\"text\":\"a\\u003cb\\u003e \\u0026 \\u2028\u{85}\\\"é\"}";
        assert_eq!(String::from_utf8(to_json(&value)).unwrap(), expected);
    }
}
