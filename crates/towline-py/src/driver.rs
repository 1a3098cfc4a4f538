//! The tasks that drive answers on the runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream as _;
use towline::{Error, ErrorKind, Item, Origin, Records, Stream};

use crate::mailbox::{End, Mailbox, UNREAD_BYTES};

/// Drives one stream into its mailbox until its end.
pub(crate) struct DriveStream {
    stream: Stream,
    mailbox: Arc<Mailbox>,
    cancelled: bool,
}

impl DriveStream {
    /// `stream` keeps its records.
    pub(crate) fn new(stream: Stream, mailbox: Arc<Mailbox>) -> Self {
        Self { stream, mailbox, cancelled: false }
    }

    fn deliver(&mut self) {
        let records = self.stream.take_records();
        if !records.is_empty() {
            self.mailbox.deliver(records, None);
        }
    }
}

impl Future for DriveStream {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let order = this.mailbox.order(cx);
            if let Some(reason) = order.cancelled
                && !this.cancelled
            {
                this.stream.cancel(reason);
                this.cancelled = true;
            }
            if !order.has_room && !this.cancelled {
                return Poll::Pending;
            }
            while this.stream.kept_bytes() < UNREAD_BYTES || this.cancelled {
                match Pin::new(&mut this.stream).poll_next(cx) {
                    Poll::Ready(Some(Item::Event(_))) => {}
                    Poll::Ready(Some(Item::End(outcome))) => {
                        let records = this.stream.take_records();
                        this.mailbox.deliver(records, Some(End::Stream(outcome)));
                        return Poll::Ready(());
                    }
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {
                        this.deliver();
                        return Poll::Pending;
                    }
                }
            }
            this.deliver();
        }
    }
}

/// Drives one call into its mailbox, or drops it when its reader wants no more of it.
pub(crate) async fn drive_call(
    call: impl Future<Output = Result<Vec<u8>, Error>> + Send,
    mailbox: Arc<Mailbox>,
) {
    let mut call = std::pin::pin!(call);
    let answer = std::future::poll_fn(|cx| {
        if let Some(reason) = mailbox.order(cx).cancelled {
            let error = Error::new(ErrorKind::Cancelled, Origin::Caller, format!("cancelled: {reason}"));
            return Poll::Ready(Err(error.with_effect(true)));
        }
        call.as_mut().poll(cx)
    });
    let answer = answer.await;
    mailbox.deliver(Records::default(), Some(End::Answer(answer)));
}
