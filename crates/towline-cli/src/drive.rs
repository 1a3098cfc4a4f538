//! A stream, driven to its one end and shown as it comes.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use towline::{Item, Outcome, Stream};

use crate::failure::Failure;
use crate::out::{self, WriteError};
use crate::stop::Stopper;
use crate::view::View;

/// How often a view that shows a wait is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Reads a stream to its end. A signal cancels it; standard output that is gone drops it, which closes the connection
/// at once.
///
/// # Errors
/// Only when standard output is gone: every failure of the stream is its outcome.
pub async fn drive(mut stream: Stream, view: &mut View, stopper: &mut Stopper) -> Result<Outcome, Failure> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closed = std::pin::pin!(out::closed());
    let mut cancelled = false;
    loop {
        let item = tokio::select! {
            biased;
            stop = stopper.stopped(), if !cancelled => {
                cancelled = true;
                stream.cancel(stop.reason());
                continue;
            }
            item = stream.next() => item,
            () = &mut closed => return Err(WriteError::Closed.into()),
            _ = ticks.tick(), if view.is_waiting() => {
                view.tick(stream.phase(), stream.retried());
                continue;
            }
        };
        match item {
            Some(Item::Event(event)) => view.event(&event)?,
            Some(Item::End(outcome)) => {
                view.end(&outcome)?;
                return Ok(*outcome);
            }
            None => unreachable!("the end is returned above"),
        }
    }
}
