//! Timers of streams, which later streams reuse.
//!
//! A new timer enters the runtime's wheel under a lock. Because it is the next one to fire, it also wakes the
//! runtime, which costs a write to an eventfd in each request. An existing timer is only moved to a later
//! time, which costs neither.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use tokio::runtime::{Handle, Id};
use tokio::time::{Sleep, sleep_until};

/// The maximum number of timers that are kept for reuse.
const MOST_KEPT: usize = 32;

/// The timers that no stream uses; the most recently used one is last.
#[derive(Default)]
pub(crate) struct Timers {
    kept: Mutex<VecDeque<IdleTimer>>,
}

struct IdleTimer {
    sleep: Pin<Box<Sleep>>,
    armed: Option<Instant>,
    /// The task that the timer wakes.
    waker: Option<Waker>,
    runtime: Id,
}

impl Timers {
    fn lock(&self) -> MutexGuard<'_, VecDeque<IdleTimer>> {
        // Every change under the lock is complete in itself.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a timer of this runtime.
    fn take(&self, runtime: Id) -> Option<IdleTimer> {
        let mut kept = self.lock();
        let at = kept.iter().rposition(|kept| kept.runtime == runtime)?;
        kept.remove(at)
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").finish_non_exhaustive()
    }
}

/// Wakes a task when it is time.
pub(crate) struct Timer {
    /// Created or taken when first needed.
    running: Option<IdleTimer>,
    timers: Arc<Timers>,
}

impl Timer {
    pub(crate) fn new(timers: &Arc<Timers>) -> Self {
        Self { running: None, timers: Arc::clone(timers) }
    }

    /// The time for which the timer is set may now be too late.
    pub(crate) fn rearm(&mut self) {
        if let Some(running) = &mut self.running {
            running.armed = None;
        }
    }

    /// Ready at `due`, or earlier. Deadlines mostly move to later times: a timer that fires early costs one
    /// clock read, but moving the timer would cost one for every record.
    #[inline]
    pub(crate) fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let running = match &mut self.running {
            Some(running) => running,
            empty @ None => empty.insert(Self::begin(&self.timers, due)),
        };
        if running.armed.is_none_or(|armed| armed > due) {
            running.sleep.as_mut().reset(due.into());
            running.armed = Some(due);
        } else if running.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
            && !running.sleep.is_elapsed()
        {
            return Poll::Pending;
        }
        running.waker = Some(cx.waker().clone());
        ready!(running.sleep.as_mut().poll(cx));
        running.armed = None;
        Poll::Ready(())
    }

    fn begin(timers: &Timers, due: Instant) -> IdleTimer {
        let runtime = Handle::current().id();
        timers.take(runtime).unwrap_or_else(|| IdleTimer {
            sleep: Box::pin(sleep_until(due.into())),
            armed: Some(due),
            waker: None,
            runtime,
        })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let Some(mut kept) = self.running.take() else { return };
        // Until the timer is reused, it wakes no task and holds no waker. Only its own runtime may poll it.
        kept.waker = None;
        let is_here = Handle::try_current().is_ok_and(|here| here.id() == kept.runtime);
        if !is_here || kept.sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        let mut all = self.timers.lock();
        if all.len() == MOST_KEPT {
            all.pop_front();
        }
        all.push_back(kept);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn wait(timer: &mut Timer, due: Instant) {
        std::future::poll_fn(|cx| timer.poll(due, cx)).await;
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_is_used_again_and_fires_in_time_for_its_next_stream() {
        let timers = Arc::new(Timers::default());
        let begun = now();
        let mut noop = Context::from_waker(Waker::noop());
        for (set_for, due) in [(60, 90), (20, 10), (5, 5)] {
            let mut first = Timer::new(&timers);
            assert!(first.poll(now() + Duration::from_secs(set_for), &mut noop).is_pending());
            drop(first);
            assert_eq!(timers.lock().len(), 1);
            let (mut second, from) = (Timer::new(&timers), now());
            let due = from + Duration::from_secs(due);
            while now() < due {
                wait(&mut second, due).await;
            }
            assert!(now() < due + Duration::from_millis(2));
            assert_eq!(timers.lock().len(), 0);
        }
        assert!(begun < now());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_must_fire_earlier_is_moved() {
        let timers = Arc::new(Timers::default());
        let mut timer = Timer::new(&timers);
        let (begun, mut noop) = (now(), Context::from_waker(Waker::noop()));
        assert!(timer.poll(begun + Duration::from_secs(60), &mut noop).is_pending());
        wait(&mut timer, begun + Duration::from_secs(1)).await;
        assert!(now() < begun + Duration::from_secs(2));
    }

    #[test]
    fn a_timer_stays_with_its_runtime_and_no_more_are_kept_than_may_be() {
        let timers = Arc::new(Timers::default());
        let set = |count: usize| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut noop = Context::from_waker(Waker::noop());
            let hour = Instant::now() + Duration::from_secs(3600);
            runtime.block_on(async {
                let mut all: Vec<_> = (0..count).map(|_| Timer::new(&timers)).collect();
                all.iter_mut().for_each(|timer| assert!(timer.poll(hour, &mut noop).is_pending()));
            });
        };
        set(3);
        set(1);
        assert_eq!(timers.lock().len(), 4);
        set(100);
        assert_eq!(timers.lock().len(), MOST_KEPT);
    }
}
