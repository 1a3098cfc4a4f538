//! Bodies and heads of responses.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::error::Refusal;
use super::memory::Memory;
use crate::resident::Answering;

pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// A part of an answer.
pub(crate) enum Part {
    Piece(Vec<u8>),
    Last(Vec<u8>),
    /// Instead of an answer, before any piece.
    Refused(Refusal),
}

/// A response's body. Dropping it cancels the answer.
pub(crate) struct Body {
    /// What can be sent.
    ready: Option<Bytes>,
    /// The source of further parts.
    answering: Option<Answering<Part>>,
    _memory: Option<Memory>,
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let bytes = match (self.ready.take(), &mut self.answering) {
            (Some(bytes), _) => bytes,
            (None, None) => return Poll::Ready(None),
            (None, Some(answering)) => match ready!(answering.parts.poll_recv(context)) {
                Some(Part::Piece(bytes)) => bytes.into(),
                Some(Part::Last(bytes)) => {
                    self.answering = None;
                    bytes.into()
                }
                // The connection is cut, because a clean end would look like the end of the answer.
                Some(Part::Refused(_)) | None => {
                    return Poll::Ready(Some(Err(ErrorKind::BrokenPipe.into())));
                }
            },
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match self.answering {
            None => SizeHint::with_exact(self.ready.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Some(_) => SizeHint::default(),
        }
    }
}

/// The response to a request whose work was started, unless the queue was full. Nothing is sent before the
/// first part, so an earlier refusal has its own status.
///
/// Cancel safety: dropping the future cancels the request.
pub(crate) async fn answered(
    answering: Option<Answering<Part>>,
    kind: &'static str,
    memory: Memory,
) -> Result<Response<Body>, Refusal> {
    let mut answering = answering.ok_or_else(|| Refusal::busy("maximum pending requests exceeded"))?;
    let (ready, answering) = match answering.parts.recv().await {
        Some(Part::Piece(bytes)) => (bytes, Some(answering)),
        Some(Part::Last(bytes)) => (bytes, None),
        Some(Part::Refused(refusal)) => return Err(refusal),
        None => {
            let text = "the model stopped unexpectedly";
            return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text));
        }
    };
    let body = Body { ready: Some(ready.into()), answering, _memory: Some(memory) };
    Ok(whole(StatusCode::OK, kind, "").map(|_| body))
}

pub(crate) fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let ready = Some(body.into()).filter(|body| !body.is_empty());
    let mut response = Response::new(Body { ready, answering: None, _memory: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    whole(status, JSON, to_json(value))
}

/// JSON in the form of Go's encoder: `<`, `>`, `&`, U+2028 and U+2029 are escaped. JSON has none of these
/// outside strings, so they can be replaced everywhere.
pub(crate) fn to_json(value: &Value) -> Vec<u8> {
    let mut json = value.to_string();
    for special in ['<', '>', '&', '\u{2028}', '\u{2029}'] {
        if json.contains(special) {
            json = json.replace(special, &format!("\\u{:04x}", u32::from(special)));
        }
    }
    json.into_bytes()
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
