//! The tasks that drive answers on the runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream as _;
use towline::client::Operation;
use towline::error::{ErrorKind, Fault};
use towline::event::Records;
use towline::outcome::ThinkTagsFound;
use towline::{Error, Event, Item, Outcome, Stream};

use crate::made::MadeRecords;
use crate::mailbox::{End, Mailbox};

/// The number of bytes of records after which they are delivered, even if more are available. The reader can start with
/// them, and the allocator reuses memory of this size, but would return larger blocks to the system.
const BATCH_BYTES: usize = 32 << 10;

/// Drives one stream into its mailbox until its end.
pub(crate) struct DriveStream {
    stream: Stream,
    mailbox: Arc<Mailbox>,
    cancelled: bool,
    named: bool,
    /// Builds the records if the server does not send them in Ollama's form.
    made: MadeRecords,
    /// Whether records are built from now on. Earlier records were delivered: a stream waits between two requests.
    making: bool,
}

impl DriveStream {
    pub(crate) fn new(stream: Stream, mailbox: Arc<Mailbox>, operation: Operation) -> Self {
        let made = MadeRecords::new(operation);
        Self { stream: stream.with_records(), mailbox, cancelled: false, named: false, made, making: false }
    }

    /// Whether records must be built: for an answer in another dialect, for one with thinking inside its text, and for one
    /// whose rest another request fetched.
    fn makes_records(&mut self) -> bool {
        self.making = self.making
            || self.stream.is_openai()
            || self.stream.think_tags_found() == ThinkTagsFound::Yes
            || self.stream.stats().stitches > 0;
        self.making
    }

    fn records(&mut self) -> Records {
        if self.stream.think_tags_found() == ThinkTagsFound::Perhaps {
            return Records::default();
        }
        let came = self.stream.take_records();
        if self.making { self.made.take() } else { came }
    }

    fn deliver(&mut self) {
        if !self.named
            && let Some(id) = self.stream.relay_id()
        {
            self.mailbox.relayed(id);
            self.named = true;
        }
        let records = self.records();
        if !records.is_empty() {
            self.mailbox.deliver(records, None);
        }
    }

    fn take(&mut self, event: &Event) {
        if self.makes_records() {
            self.made.event(event, self.stream.reply().model.as_deref());
        }
    }

    fn end(&mut self, outcome: Box<Outcome>) {
        if self.makes_records() {
            self.made.end(&outcome);
        }
        let records = self.records();
        self.mailbox.deliver(records, Some(End::Stream(outcome)));
    }
}

impl Future for DriveStream {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let orders = this.mailbox.orders(cx);
            if let Some(reason) = orders.cancelled
                && !this.cancelled
            {
                if orders.detached {
                    this.mailbox.deliver(Records::default(), Some(End::Answer(Err(cancelled(reason)))));
                    return Poll::Ready(());
                }
                this.stream.cancel(reason);
                this.cancelled = true;
            }
            if !orders.has_room && !this.cancelled {
                return Poll::Pending;
            }
            while this.stream.kept_bytes() < BATCH_BYTES || this.cancelled {
                match Pin::new(&mut this.stream).poll_next(cx) {
                    Poll::Ready(Some(Item::Event(event))) => this.take(&event),
                    Poll::Ready(Some(Item::End(outcome))) => {
                        this.end(outcome);
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

fn cancelled(reason: &str) -> Error {
    Error::new(ErrorKind::Cancelled, Fault::Caller, format!("cancelled: {reason}")).with_effect(true)
}

/// Drives one call into its mailbox, or drops it when its reader cancels it.
pub(crate) async fn drive_call(
    call: impl Future<Output = Result<Vec<u8>, Error>> + Send,
    mailbox: Arc<Mailbox>,
) {
    let mut call = std::pin::pin!(call);
    let answer = std::future::poll_fn(|cx| {
        if let Some(reason) = mailbox.orders(cx).cancelled {
            return Poll::Ready(Err(cancelled(reason)));
        }
        call.as_mut().poll(cx)
    });
    let answer = answer.await;
    mailbox.deliver(Records::default(), Some(End::Answer(answer)));
}
