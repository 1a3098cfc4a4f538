//! Who may run: so many jobs at once, the others wait. Owners take turns; the jobs of one owner run in the order in which they
//! came.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Job;
use crate::id::Owner;

/// How many may run and wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places {
    pub(crate) running: usize,
    pub(crate) queued: usize,
    /// Of one owner.
    pub(crate) own_running: usize,
    pub(crate) own_queued: usize,
}

/// Gives out permits. A job holds one from its request to its end.
#[derive(Debug, Clone)]
pub(crate) struct AdmissionQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Places,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
    owners: HashMap<Owner, Line>,
    /// Owners with jobs that wait, in the order of their turns.
    turns: VecDeque<Owner>,
}

/// The jobs of one owner.
#[derive(Debug, Default)]
struct Line {
    running: usize,
    waiting: VecDeque<Arc<Admission>>,
}

#[derive(Debug, Default)]
struct Admission {
    is_given: Mutex<bool>,
    given: Notify,
}

/// Leave to wait, then to run.
#[derive(Debug)]
pub(crate) struct Permit {
    queue: AdmissionQueue,
    owner: Owner,
    admission: Arc<Admission>,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All places to wait in are taken.
    InAll,
    /// Those that one owner may take.
    OfOwner,
}

impl AdmissionQueue {
    pub(crate) fn new(places: Places) -> Self {
        Self(Arc::new(Shared { places, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many run, and how many wait.
    pub(crate) fn count(&self) -> (usize, usize) {
        let state = self.state();
        (state.running, state.waiting)
    }

    /// A permit, if there is a place to run or to wait in.
    pub(crate) fn take(&self, owner: &Owner) -> Result<Permit, NoPlace> {
        let places = self.0.places;
        let mut state = self.state();
        let State { running, waiting, owners, turns } = &mut *state;
        let line = owners.entry(owner.clone()).or_default();
        let admission = Arc::new(Admission::default());
        // Where others wait though there is room, it is not room for them.
        if *running < places.running && line.running < places.own_running && line.waiting.is_empty() {
            admission.give();
            (*running, line.running) = (*running + 1, line.running + 1);
        } else if line.waiting.len() >= places.own_queued && *waiting < places.queued {
            return Err(NoPlace::OfOwner);
        } else if *waiting >= places.queued {
            return Err(NoPlace::InAll);
        } else {
            if line.waiting.is_empty() {
                turns.push_back(owner.clone());
            }
            line.waiting.push_back(Arc::clone(&admission));
            *waiting += 1;
        }
        drop(state);
        Ok(Permit { queue: self.clone(), owner: owner.clone(), admission })
    }
}

impl State {
    /// Gives the places that are free to those whose turn it is.
    fn admit(&mut self, places: Places) {
        let mut passed_over = 0;
        while self.running < places.running && passed_over < self.turns.len() {
            let Some(owner) = self.turns.pop_front() else { return };
            let Some(line) = self.owners.get_mut(&owner) else { continue };
            if line.running >= places.own_running {
                passed_over += 1;
                self.turns.push_back(owner);
                continue;
            }
            let Some(admission) = line.waiting.pop_front() else { continue };
            admission.give();
            line.running += 1;
            (self.running, self.waiting) = (self.running + 1, self.waiting - 1);
            if !line.waiting.is_empty() {
                self.turns.push_back(owner);
            }
            passed_over = 0;
        }
    }
}

impl Admission {
    fn give(&self) {
        *self.is_given.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.given.notify_one();
    }

    fn is_given(&self) -> bool {
        *self.is_given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Whether its job may run.
    pub(crate) fn may_run(&self) -> bool {
        self.admission.is_given()
    }

    /// Waits for the turn of `job`; `false` when that was cancelled or its deadline passed meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(super) async fn wait(&self, job: &Job) -> bool {
        const FAR: Duration = Duration::from_secs(3600);
        while !self.may_run() {
            let (orders, now) = (job.orders(), Instant::now());
            if orders.cancel.is_some() || orders.deadline.is_some_and(|deadline| deadline <= now) {
                return false;
            }
            tokio::select! {
                () = self.admission.given.notified() => {}
                () = job.ordered.notified() => {}
                () = tokio::time::sleep_until(orders.deadline.unwrap_or(now + FAR).into()) => {}
            }
        }
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let places = self.queue.0.places;
        let mut state = self.queue.state();
        let Some(line) = state.owners.get_mut(&self.owner) else { return };
        if self.admission.is_given() {
            line.running -= 1;
            state.running -= 1;
        } else {
            line.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &self.admission));
            let is_done = line.waiting.is_empty();
            state.waiting -= 1;
            if is_done {
                state.turns.retain(|owner| *owner != self.owner);
            }
        }
        if state.owners.get(&self.owner).is_some_and(|line| line.running == 0 && line.waiting.is_empty()) {
            state.owners.remove(&self.owner);
        }
        state.admit(places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(running: usize, queued: usize, own_running: usize, own_queued: usize) -> AdmissionQueue {
        AdmissionQueue::new(Places { running, queued, own_running, own_queued })
    }

    #[test]
    fn owners_take_turns_and_own_jobs_keep_their_order() {
        let queue = queue(1, 10, 1, 10);
        let (ann, bob) = (Owner::named("ann"), Owner::named("bob"));
        let first = queue.take(&ann).unwrap();
        assert!(first.may_run());
        let waiting: Vec<Permit> =
            [&ann, &ann, &bob, &ann, &bob].into_iter().map(|owner| queue.take(owner).unwrap()).collect();
        assert_eq!(queue.count(), (1, 5));
        let mut order = Vec::new();
        let mut waiting: Vec<Option<Permit>> = waiting.into_iter().map(Some).collect();
        drop(first);
        for _ in 0..5 {
            let may_run = |permit: &Option<Permit>| permit.as_ref().is_some_and(Permit::may_run);
            let at = waiting.iter().position(may_run).unwrap();
            order.push(at);
            waiting[at] = None;
        }
        assert_eq!(order, [0, 2, 1, 4, 3]);
        assert_eq!(queue.count(), (0, 0));
        assert!(queue.state().owners.is_empty() && queue.state().turns.is_empty());
    }

    #[test]
    fn one_owner_leaves_places_to_others() {
        let queue = queue(2, 5, 1, 3);
        let (ann, bob) = (Owner::named("ann"), Owner::named("bob"));
        let permits: Vec<Permit> = (0..4).map(|_| queue.take(&ann).unwrap()).collect();
        assert_eq!(permits.iter().filter(|permit| permit.may_run()).count(), 1);
        assert_eq!(queue.take(&ann).unwrap_err(), NoPlace::OfOwner);
        let bobs: Vec<Permit> = (0..3).map(|_| queue.take(&bob).unwrap()).collect();
        assert!(bobs[0].may_run() && !bobs[1].may_run());
        assert_eq!(queue.take(&bob).unwrap_err(), NoPlace::InAll);
    }

    #[test]
    fn one_that_leaves_the_queue_frees_its_place() {
        let queue = queue(1, 2, 1, 2);
        let ann = Owner::named("ann");
        let running = queue.take(&ann).unwrap();
        let (second, third) = (queue.take(&ann).unwrap(), queue.take(&ann).unwrap());
        drop(second);
        assert_eq!(queue.count(), (1, 1));
        drop(running);
        assert!(third.may_run());
        drop(third);
        assert_eq!(queue.count(), (0, 0));
    }
}
