//! A stream, driven to its one end and shown as it comes.

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

/// How often a view that shows a wait is drawn.
const TICK: Duration = Duration::from_millis(100);

/// A future's result if it is there already.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// How a stream was driven.
#[derive(Debug)]
pub enum Driven {
    /// To its end.
    Ended(Box<Outcome>),
    /// Until this signal.
    Left {
        /// The signal.
        stop: Stop,
    },
}

/// What a signal does to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It is cancelled, and read to the end that makes.
    Cancel,
    /// It is dropped.
    Leave,
}

/// Reads a stream to its end; `heard` is told each event before it is shown. A signal cancels it; standard output that is gone drops it, which closes the connection
/// at once.
///
/// # Errors
/// Only when standard output is gone: every failure of the stream is its outcome.
pub async fn drive(
    stream: Stream,
    view: &mut View,
    stopper: &mut Stopper,
    heard: &mut dyn FnMut(&Event),
) -> Result<Outcome, Failure> {
    match drive_until(stream, view, stopper, OnStop::Cancel, heard).await? {
        Driven::Ended(outcome) => Ok(*outcome),
        Driven::Left { .. } => unreachable!("a signal cancels it"),
    }
}

/// As [`drive`], and says what a signal does.
///
/// # Errors
/// Only when standard output is gone.
pub async fn drive_until(
    mut stream: Stream,
    view: &mut View,
    stopper: &mut Stopper,
    on_stop: OnStop,
    heard: &mut dyn FnMut(&Event),
) -> Result<Driven, Failure> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closed = pin!(output::closed());
    let mut cancelled = false;
    let (mut link, tells_links) = (Link::default(), on_stop == OnStop::Leave && view.tells_links());
    loop {
        if let Some(stop) = stopper.stop().filter(|_| !cancelled) {
            match on_stop {
                OnStop::Leave => {
                    view.flush()?;
                    return Ok(Driven::Left { stop });
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
                    _ = ticks.tick(), if tells_links || view.is_waiting() => {
                        if view.is_waiting() {
                            view.tick(stream.phase(), stream.retried());
                        }
                        if tells_links {
                            tell(&mut link, stream.stats().reconnects, stream.is_away(), view)?;
                        }
                        continue;
                    }
                }
            }
        };
        if tells_links {
            let stats = if let Some(Item::End(outcome)) = &item { &outcome.stats } else { stream.stats() };
            tell(&mut link, stats.reconnects, stream.is_away(), view)?;
        }
        match item {
            Some(Item::Event(event)) => {
                heard(&event);
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

/// Says what became of the connection to the relay.
fn tell(link: &mut Link, reconnects: u32, away: bool, view: &mut View) -> Result<(), WriteError> {
    match link.news(reconnects, away, Instant::now()) {
        Some(news) => view.note(news),
        None => Ok(()),
    }
}
