//! The answer of a child process, passed on as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Incoming, SizeHint};

use crate::api::response::to_json;

/// A body from a child. Dropping it cancels the request there.
#[derive(Debug)]
pub(crate) struct Forwarded {
    body: Incoming,
    /// Whether an error may be added as one more record.
    records: bool,
    ended: bool,
}

impl Forwarded {
    pub(crate) fn new(body: Incoming, records: bool) -> Self {
        Self { body, records, ended: false }
    }

    /// What is known of the length; nothing where an error may still be added.
    pub(crate) fn size_hint(&self) -> SizeHint {
        if self.records { SizeHint::default() } else { self.body.size_hint() }
    }

    pub(crate) fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            return match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(data)),
                    Err(_) => continue,
                },
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(_))) => {
                    self.ended = true;
                    Poll::Ready(self.records.then(|| {
                        let mut line = to_json(&serde_json::json!({"error": ENDED}));
                        line.push(b'\n');
                        line.into()
                    }))
                }
            };
        }
    }
}

/// What a client is told when the process is gone.
pub(super) const ENDED: &str = "the model process ended unexpectedly; the next request starts a new one";
