//! Waiting for news of a job: by a waker, or on a thread.

use std::sync::{Condvar, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::cell::{Cell, Inner};
use super::lock;

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Anything new.
    Any,
    /// The job's end: until then nobody is woken.
    End,
}

/// Those who wait for a job's news.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    any: Wakers,
    end: Wakers,
    next_place: u64,
}

#[derive(Debug, Default)]
pub(super) struct Wakers {
    /// Mostly there is one.
    first: Option<(u64, Waker)>,
    others: Vec<(u64, Waker)>,
    /// How many threads wait.
    blocked: usize,
}

impl Waiters {
    fn of(&mut self, news: News) -> &mut Wakers {
        match news {
            News::Any => &mut self.any,
            News::End => &mut self.end,
        }
    }

    fn put(&mut self, news: News, place: &mut Option<u64>, waker: &Waker) {
        let next_place = self.next_place;
        let wakers = self.of(news);
        let mut all = wakers.first.iter_mut().chain(&mut wakers.others);
        if let Some((_, held)) = place.and_then(|place| all.find(|(other, _)| *other == place)) {
            held.clone_from(waker);
            return;
        }
        *place = Some(next_place);
        let put = (next_place, waker.clone());
        match &mut wakers.first {
            Some(_) => wakers.others.push(put),
            empty @ None => *empty = Some(put),
        }
        self.next_place += 1;
    }

    fn remove(&mut self, news: News, place: u64) {
        let wakers = self.of(news);
        if wakers.first.take_if(|(other, _)| *other == place).is_none() {
            wakers.others.retain(|(other, _)| *other != place);
        }
    }

    /// Those who are to be told, outside the lock.
    pub(super) fn take(&mut self, is_end: bool) -> [Wakers; 2] {
        let take = |wakers: &mut Wakers| Wakers {
            first: wakers.first.take(),
            others: std::mem::take(&mut wakers.others),
            blocked: wakers.blocked,
        };
        [take(&mut self.any), if is_end { take(&mut self.end) } else { Wakers::default() }]
    }
}

impl Wakers {
    pub(super) fn wake(self, threads: &Condvar) {
        // Without anybody to wake this would still be a system call.
        if self.blocked > 0 {
            threads.notify_all();
        }
        for (_, waker) in self.first.into_iter().chain(self.others) {
            waker.wake();
        }
    }
}

/// Somebody who waits for a job's news in async code. Dropping it leaves nothing behind.
pub(super) struct Waiting<'a> {
    cell: &'a Cell,
    news: News,
    place: Option<u64>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(cell: &'a Cell, news: News) -> Self {
        Self { cell, news, place: None }
    }

    /// What `ready` finds; if that is nothing, `cx` is woken at the next news.
    pub(super) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        ready: impl FnOnce(&mut Inner) -> Option<T>,
    ) -> Poll<T> {
        let mut inner = self.cell.inner();
        let Some(found) = ready(&mut inner) else {
            inner.waiters.put(self.news, &mut self.place, cx.waker());
            return Poll::Pending;
        };
        if let Some(place) = self.place.take() {
            inner.waiters.remove(self.news, place);
        }
        Poll::Ready(found)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.cell.inner().waiters.remove(self.news, place);
        }
    }
}

impl Cell {
    /// Waits until `ready` finds what it looks for. It is called with the job locked.
    pub(super) async fn wait<T>(&self, news: News, mut ready: impl FnMut(&mut Inner) -> Option<T>) -> T {
        let mut waiting = Waiting::new(self, news);
        std::future::poll_fn(|cx| waiting.poll(cx, &mut ready)).await
    }

    /// Blocks until `ready` finds what it looks for, or the time is up.
    pub(super) fn block<T>(
        &self,
        news: News,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut Inner) -> Option<T>,
    ) -> Option<T> {
        let threads = match news {
            News::Any => &self.news,
            News::End => &self.end,
        };
        let mut inner = lock(&self.inner);
        loop {
            if let Some(found) = ready(&mut inner) {
                return Some(found);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return None;
            }
            inner.waiters.of(news).blocked += 1;
            inner = match left {
                None => threads.wait(inner).unwrap_or_else(PoisonError::into_inner),
                Some(left) => threads.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0,
            };
            inner.waiters.of(news).blocked -= 1;
        }
    }
}
