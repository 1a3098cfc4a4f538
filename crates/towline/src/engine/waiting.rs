//! Waiting for news of a job: by a waker, or on a thread.

use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::cell::Cell;
use super::lock;

/// The wakers of those who wait for a job's news.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    wakers: Vec<(u64, Waker)>,
    next_place: u64,
}

impl Waiters {
    fn put(&mut self, place: &mut Option<u64>, waker: &Waker) {
        let held = place.and_then(|place| self.wakers.iter_mut().find(|(other, _)| *other == place));
        if let Some((_, held)) = held {
            held.clone_from(waker);
            return;
        }
        *place = Some(self.next_place);
        self.wakers.push((self.next_place, waker.clone()));
        self.next_place += 1;
    }

    fn remove(&mut self, place: u64) {
        self.wakers.retain(|(other, _)| *other != place);
    }

    /// Everybody who waits, to be woken outside the lock.
    pub(super) fn take(&mut self) -> Vec<(u64, Waker)> {
        std::mem::take(&mut self.wakers)
    }
}

/// Somebody who waits for a job's news in async code. Dropping it leaves nothing behind.
pub(super) struct Waiting {
    cell: Arc<Cell>,
    place: Option<u64>,
}

impl Waiting {
    pub(super) fn for_news_of(cell: &Arc<Cell>) -> Self {
        Self { cell: Arc::clone(cell), place: None }
    }

    /// What `ready` finds; if that is nothing, `cx` is woken at the next news.
    pub(super) fn poll<T>(&mut self, cx: &Context<'_>, mut ready: impl FnMut() -> Option<T>) -> Poll<T> {
        loop {
            let version = self.cell.inner().version;
            if let Some(found) = ready() {
                return Poll::Ready(found);
            }
            let mut inner = self.cell.inner();
            if inner.version == version {
                inner.waiters.put(&mut self.place, cx.waker());
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.cell.inner().waiters.remove(place);
        }
    }
}

impl Cell {
    /// Waits until `ready` finds what it looks for.
    pub(super) async fn wait<T>(self: &Arc<Self>, mut ready: impl FnMut() -> Option<T>) -> T {
        let mut waiting = Waiting::for_news_of(self);
        std::future::poll_fn(|cx| waiting.poll(cx, &mut ready)).await
    }

    /// Blocks until `ready` finds what it looks for, or the time is up.
    pub(super) fn block<T>(&self, until: Option<Instant>, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            let version = self.inner().version;
            if let Some(found) = ready() {
                return Some(found);
            }
            let mut inner = lock(&self.inner);
            while inner.version == version {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                if left == Some(Duration::ZERO) {
                    return None;
                }
                inner.blocked += 1;
                inner = match left {
                    None => self.news.wait(inner).unwrap_or_else(PoisonError::into_inner),
                    Some(left) => {
                        self.news.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                    }
                };
                inner.blocked -= 1;
            }
        }
    }
}
