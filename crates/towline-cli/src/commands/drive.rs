//! Drives a stream to its end and shows it as it arrives.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use towline::{Event, Item, Outcome, Stream};

use crate::exit::failure::Failure;
use crate::exit::stop::{Stop, Stopper};
use crate::output::view::{Link, View};
use crate::output::{self, WriteError};

/// How often a view is drawn while it waits.
const TICK: Duration = Duration::from_millis(100);

/// A future's result, if it is ready.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The result of driving a stream.
#[derive(Debug)]
pub enum Driven {
    /// To its end.
    Ended(Box<Outcome>),
    /// Until this signal.
    Detached {
        /// The signal.
        stop: Stop,
    },
}

/// The effect of a signal on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// Cancel it, and read it to its end.
    Cancel,
    /// Drop it.
    Detach,
}

/// Reads a stream to its end, and calls `on_event` with each event before it is shown. A signal cancels it; a
/// closed standard output drops it, which closes the connection at once.
///
/// # Errors
/// Only if standard output is closed: every failure of the stream is its outcome.
pub async fn drive(
    stream: Stream,
    view: &mut View,
    stopper: &mut Stopper,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Outcome, Failure> {
    match drive_until(stream, view, stopper, OnStop::Cancel, on_event).await? {
        Driven::Ended(outcome) => Ok(*outcome),
        Driven::Detached { .. } => unreachable!("a signal cancels it"),
    }
}

/// Like [`drive`], with the effect of a signal.
///
/// # Errors
/// Only when standard output is gone.
pub async fn drive_until(
    mut stream: Stream,
    view: &mut View,
    stopper: &mut Stopper,
    on_stop: OnStop,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Driven, Failure> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closed = pin!(output::closed());
    let mut cancelled = false;
    let (mut link, shows_links) = (Link::default(), on_stop == OnStop::Detach && view.shows_links());
    loop {
        if let Some(stop) = stopper.stop().filter(|_| !cancelled) {
            match on_stop {
                OnStop::Detach => {
                    view.flush()?;
                    return Ok(Driven::Detached { stop });
                }
                OnStop::Cancel => {
                    cancelled = true;
                    stream.cancel(stop.reason());
                }
            }
        }
        let item = match at_once(stream.next()).await {
            Some(item) => item,
            None => {
                view.flush()?;
                tokio::select! {
                    biased;
                    _stop = stopper.stopped(), if !cancelled => continue,
                    item = stream.next() => item,
                    () = &mut closed => return Err(WriteError::Closed.into()),
                    _ = ticks.tick(), if shows_links || view.is_waiting() => {
                        if view.is_waiting() {
                            view.tick(stream.phase(), stream.retried());
                        }
                        if shows_links {
                            report_link(&mut link, stream.stats().reconnects, stream.is_away(), view)?;
                        }
                        continue;
                    }
                }
            }
        };
        if shows_links {
            let stats = if let Some(Item::End(outcome)) = &item { &outcome.stats } else { stream.stats() };
            report_link(&mut link, stats.reconnects, stream.is_away(), view)?;
        }
        match item {
            Some(Item::Event(event)) => {
                on_event(&event);
                view.event(&event)?;
            }
            Some(Item::End(outcome)) => {
                view.end(&outcome)?;
                return Ok(Driven::Ended(outcome));
            }
            None => unreachable!("the end is returned above"),
        }
    }
}

/// Reports changes of the connection to the relay.
fn report_link(link: &mut Link, reconnects: u32, away: bool, view: &mut View) -> Result<(), WriteError> {
    match link.message(reconnects, away, Instant::now()) {
        Some(news) => view.note(news),
        None => Ok(()),
    }
}
