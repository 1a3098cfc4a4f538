//! Waits for news of a job, with a waker or on a thread.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::cell::{Cell, Inner};

/// The kind of news that a waiter waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Anything new.
    Any,
    /// The end of the job: until then the waiter is not woken.
    End,
}

/// The waiters for news of a job.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    any: Wakers,
    end: Wakers,
    next_key: u64,
}

#[derive(Debug, Default)]
pub(super) struct Wakers {
    /// There is usually one.
    first: Option<(u64, Waker)>,
    others: Vec<(u64, Waker)>,
}

impl Waiters {
    fn of(&mut self, news: News) -> &mut Wakers {
        match news {
            News::Any => &mut self.any,
            News::End => &mut self.end,
        }
    }

    fn register(&mut self, news: News, key: &mut Option<u64>, waker: &Waker) {
        let next_key = self.next_key;
        let wakers = self.of(news);
        let mut all = wakers.first.iter_mut().chain(&mut wakers.others);
        if let Some((_, held)) = key.and_then(|key| all.find(|(other, _)| *other == key)) {
            held.clone_from(waker);
            return;
        }
        *key = Some(next_key);
        let added = (next_key, waker.clone());
        match &mut wakers.first {
            Some(_) => wakers.others.push(added),
            empty @ None => *empty = Some(added),
        }
        self.next_key += 1;
    }

    fn remove(&mut self, news: News, key: u64) {
        let wakers = self.of(news);
        if wakers.first.take_if(|(other, _)| *other == key).is_none() {
            wakers.others.retain(|(other, _)| *other != key);
        }
    }

    /// Takes the waiters to wake, outside the lock.
    pub(super) fn take(&mut self, is_end: bool) -> Wakers {
        let mut taken = std::mem::take(&mut self.any);
        if is_end {
            let end = std::mem::take(&mut self.end);
            taken.others.extend(end.first.into_iter().chain(end.others));
        }
        taken
    }
}

impl Wakers {
    pub(super) fn wake(self) {
        self.first.into_iter().for_each(|(_, waker)| waker.wake());
        self.others.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// A waiter for news of a job. Dropping it removes it.
pub(super) struct Waiting<'a> {
    cell: &'a Cell,
    news: News,
    key: Option<u64>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(cell: &'a Cell, news: News) -> Self {
        Self { cell, news, key: None }
    }

    /// The result of `ready`; if there is none, `cx` is woken at the next news.
    pub(super) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        ready: impl FnOnce(&mut Inner) -> Option<T>,
    ) -> Poll<T> {
        let mut inner = self.cell.inner();
        let Some(found) = ready(&mut inner) else {
            inner.waiters.register(self.news, &mut self.key, cx.waker());
            return Poll::Pending;
        };
        if let Some(key) = self.key.take() {
            inner.waiters.remove(self.news, key);
        }
        Poll::Ready(found)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.cell.inner().waiters.remove(self.news, key);
        }
    }
}

impl Cell {
    /// Waits until `ready` returns a value. `ready` is called with the job locked.
    pub(super) async fn wait<T>(&self, news: News, mut ready: impl FnMut(&mut Inner) -> Option<T>) -> T {
        let mut waiting = Waiting::new(self, news);
        std::future::poll_fn(|cx| waiting.poll(cx, &mut ready)).await
    }

    /// Blocks until `ready` returns a value, or the time is up.
    pub(super) fn block<T>(
        &self,
        news: News,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut Inner) -> Option<T>,
    ) -> Option<T> {
        let mut waiting = Waiting::new(self, news);
        block_until(until, |cx| waiting.poll(cx, &mut ready))
    }
}

/// Runs a future that waits for jobs on the calling thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let found = block_until(None, |cx| future.as_mut().poll(cx));
    found.unwrap_or_else(|| unreachable!("without a time limit, only a value ends the wait"))
}

/// Polls on the calling thread until there is a value, or the time is up.
fn block_until<T>(until: Option<Instant>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    struct Unpark(Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Arc::new(Unpark(thread::current())).into();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(found) = poll(&mut cx) {
            return Some(found);
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}
