//! Decides which jobs run: a limited number at once, while the others are queued. Owners take turns. Among
//! one owner's jobs, those without a group run first, and otherwise they run in order of arrival.
//!
//! Groups and model servers can have their own limits. Jobs that wait for one of these are in separate lanes,
//! so they never block a job that could run.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Job;
use crate::config::{Config, RelayLimits};
use crate::id::Owner;
use crate::upstream::{Upstream, with_room};

/// How many jobs may run and be queued.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdmissionLimits {
    pub(crate) running: usize,
    pub(crate) queued: usize,
    /// Queued jobs of groups, in addition to `queued`.
    pub(crate) grouped: usize,
    /// Of one owner.
    pub(crate) own_running: usize,
    pub(crate) own_queued: usize,
    pub(crate) own_grouped: usize,
}

impl AdmissionLimits {
    /// By the limits.
    pub(crate) fn of(config: &Config) -> Self {
        let RelayLimits { running, queued, grouped, .. } = config.limits;
        let share = |whole: usize| usize::try_from(config.share_of(whole as u64)).unwrap_or(whole).min(whole);
        Self {
            running,
            queued,
            grouped,
            own_running: share(running),
            own_queued: share(queued),
            own_grouped: share(grouped),
        }
    }
}

/// The properties of a job that decide whether it may run.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) owner: Owner,
    /// The owner's limit of running jobs, if there is one.
    pub(crate) running: Option<usize>,
    pub(crate) group: Option<Group>,
    /// The model servers that may answer, if their limits apply.
    pub(crate) upstreams: Vec<Arc<Upstream>>,
}

/// Jobs of one owner that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// The maximum number that run at once.
    pub(crate) running: usize,
    /// Whether they do not count towards the limit of running jobs.
    pub(crate) is_beside: bool,
}

/// The queue of permits. A job holds a permit from its request to its end.
#[derive(Debug, Clone)]
pub(crate) struct AdmissionQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: AdmissionLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Number of running jobs that count towards the limit.
    counted: usize,
    waiting: Waiting,
    owners: HashMap<Owner, OwnerQueue>,
    /// Owners with queued jobs, in the order of their turns.
    turns: VecDeque<Owner>,
    /// Number of jobs so far.
    arrived: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Waiting {
    alone: usize,
    grouped: usize,
}

/// The jobs of one owner.
#[derive(Debug, Default)]
struct OwnerQueue {
    running: usize,
    /// The owner's limit of running jobs, from the owner's latest job.
    most: Option<usize>,
    counted: usize,
    waiting: Waiting,
    /// Number of running jobs of each group.
    groups: HashMap<String, usize>,
    lanes: Vec<Lane>,
}

/// Jobs that wait for the same limits.
#[derive(Debug)]
struct Lane {
    group: Option<Group>,
    /// Model servers, one of which must have room; empty if none has a limit.
    upstreams: Vec<Arc<Upstream>>,
    waiting: VecDeque<Arc<Admission>>,
}

#[derive(Debug)]
struct Admission {
    /// In order of arrival.
    number: u64,
    grant: Mutex<Option<Grant>>,
    granted: Notify,
}

/// The permission to run, with the model server that has room if limits apply.
#[derive(Debug, Clone)]
struct Grant(Option<Arc<Upstream>>);

/// A permit to be queued, then to run.
#[derive(Debug)]
pub(crate) struct Permit {
    queue: AdmissionQueue,
    owner: Owner,
    group: Option<Group>,
    admission: Arc<Admission>,
}

/// The reason why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueFull {
    /// The queue is full.
    InAll,
    /// The owner's part of the queue is full.
    OfOwner,
}

impl AdmissionQueue {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        Self(Arc::new(Shared { limits, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of running and of queued jobs.
    pub(crate) fn count(&self) -> (usize, usize) {
        let state = self.state();
        (state.running, state.waiting.alone + state.waiting.grouped)
    }

    /// A permit, if there is room to run or in the queue.
    pub(crate) fn take(&self, claim: Claim) -> Result<Permit, QueueFull> {
        let Claim { owner, running, group, mut upstreams } = claim;
        if !upstreams.iter().any(|upstream| upstream.is_limited()) {
            upstreams.clear();
        }
        upstreams.sort_by_key(Arc::as_ptr);
        let mut state = self.state();
        state.arrived += 1;
        let admission =
            Arc::new(Admission { number: state.arrived, grant: Mutex::default(), granted: Notify::new() });
        state.enter(&owner, group.as_ref(), upstreams, &admission).most = running;
        state.admit(self.0.limits);
        let refused = state.check_limits(self.0.limits, &owner, group.is_some());
        let permit = Permit { queue: self.clone(), owner, group, admission };
        drop(state);
        match refused {
            // Dropping the permit leaves the queue.
            Some(refused) if !permit.may_run() => Err(refused),
            Some(_) | None => Ok(permit),
        }
    }
}

impl State {
    fn enter(
        &mut self,
        owner: &Owner,
        group: Option<&Group>,
        upstreams: Vec<Arc<Upstream>>,
        admission: &Arc<Admission>,
    ) -> &mut OwnerQueue {
        let queue = self.owners.entry(owner.clone()).or_default();
        if queue.lanes.is_empty() {
            self.turns.push_back(owner.clone());
        }
        let waits_for_the_same = |lane: &&mut Lane| {
            lane.group.as_ref().map(|group| &group.name) == group.map(|group| &group.name)
                && lane.upstreams.len() == upstreams.len()
                && lane.upstreams.iter().zip(&upstreams).all(|(one, other)| Arc::ptr_eq(one, other))
        };
        match queue.lanes.iter_mut().find(waits_for_the_same) {
            Some(lane) => {
                // The latest job of a group sets the group's limit.
                lane.group = group.cloned();
                lane.waiting.push_back(Arc::clone(admission));
            }
            None => {
                let waiting = VecDeque::from([Arc::clone(admission)]);
                queue.lanes.push(Lane { group: group.cloned(), upstreams, waiting });
            }
        }
        *self.waiting.of(group.is_some()) += 1;
        *queue.waiting.of(group.is_some()) += 1;
        queue
    }

    /// The reason why the latest job of `owner` may not be queued; `None` if it may.
    fn check_limits(&self, limits: AdmissionLimits, owner: &Owner, is_grouped: bool) -> Option<QueueFull> {
        let own = self.owners.get(owner).map(|queue| queue.waiting).unwrap_or_default();
        let (waiting, most, own, own_most) = match is_grouped {
            true => (self.waiting.grouped, limits.grouped, own.grouped, limits.own_grouped),
            false => (self.waiting.alone, limits.queued, own.alone, limits.own_queued),
        };
        match (waiting > most, own > own_most) {
            (true, _) => Some(QueueFull::InAll),
            (false, true) => Some(QueueFull::OfOwner),
            (false, false) => None,
        }
    }

    /// Admits queued jobs, in turn, while there is room.
    fn admit(&mut self, limits: AdmissionLimits) {
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            let Some(owner) = self.turns.pop_front() else { return };
            let Some(queue) = self.owners.get_mut(&owner) else { continue };
            let is_room = self.counted < limits.running && queue.counted < limits.own_running;
            let is_allowed = queue.most.is_none_or(|most| queue.running < most);
            match is_allowed.then(|| queue.admit(is_room)).flatten() {
                None => passed_over += 1,
                Some(group) => {
                    passed_over = 0;
                    self.running += 1;
                    self.counted += usize::from(counts(group.as_ref()));
                    *self.waiting.of(group.is_some()) -= 1;
                }
            }
            if !queue.lanes.is_empty() {
                self.turns.push_back(owner);
            }
        }
    }
}

impl Waiting {
    fn of(&mut self, is_grouped: bool) -> &mut usize {
        if is_grouped { &mut self.grouped } else { &mut self.alone }
    }
}

impl OwnerQueue {
    /// Admits the next job that may run, and returns its group. `is_room` says whether there is room for a
    /// job that counts towards the limit.
    fn admit(&mut self, is_room: bool) -> Option<Option<Group>> {
        let running = |group: &Group| self.groups.get(&group.name).copied().unwrap_or(0);
        let may_run = |lane: &Lane| {
            (is_room || !counts(lane.group.as_ref()))
                && lane.group.as_ref().is_none_or(|group| running(group) < group.running)
                && (lane.upstreams.is_empty() || with_room(&lane.upstreams).is_some())
        };
        let number = |lane: &Lane| lane.waiting.front().map(|admission| admission.number);
        let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| may_run(lane));
        let (at, _) = lanes.min_by_key(|(_, lane)| (lane.group.is_some(), number(lane)))?;
        let lane = &mut self.lanes[at];
        let (admission, group) = (lane.waiting.pop_front()?, lane.group.clone());
        admission.admit(with_room(&lane.upstreams));
        if lane.waiting.is_empty() {
            self.lanes.remove(at);
        }
        self.running += 1;
        self.counted += usize::from(counts(group.as_ref()));
        *self.waiting.of(group.is_some()) -= 1;
        if let Some(group) = &group {
            *self.groups.entry(group.name.clone()).or_default() += 1;
        }
        Some(group)
    }

    /// A running job of this group has ended.
    fn ended(&mut self, group: Option<&Group>) {
        self.running -= 1;
        self.counted -= usize::from(counts(group));
        if let Some(group) = group
            && let Some(running) = self.groups.get_mut(&group.name)
        {
            *running -= 1;
            if *running == 0 {
                self.groups.remove(&group.name);
            }
        }
    }

    /// Removes a queued job.
    fn remove(&mut self, admission: &Arc<Admission>, is_grouped: bool) {
        for lane in &mut self.lanes {
            lane.waiting.retain(|waiting| !Arc::ptr_eq(waiting, admission));
        }
        self.lanes.retain(|lane| !lane.waiting.is_empty());
        *self.waiting.of(is_grouped) -= 1;
    }
}

/// Whether a job of this group counts towards the limit of running jobs.
fn counts(group: Option<&Group>) -> bool {
    !group.is_some_and(|group| group.is_beside)
}

impl Admission {
    fn grant(&self) -> MutexGuard<'_, Option<Grant>> {
        self.grant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, upstream: Option<Arc<Upstream>>) {
        if let Some(upstream) = &upstream {
            upstream.admitted(true);
        }
        *self.grant() = Some(Grant(upstream));
        self.granted.notify_one();
    }
}

impl Permit {
    /// Whether its job may run.
    pub(crate) fn may_run(&self) -> bool {
        self.admission.grant().is_some()
    }

    /// The model server that has room for it, if one of those that may answer has a limit.
    pub(super) fn upstream(&self) -> Option<Arc<Upstream>> {
        self.admission.grant().as_ref().and_then(|Grant(upstream)| upstream.clone())
    }

    /// Waits for the turn of `job`; `false` if the job was cancelled or its deadline passed meanwhile.
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
                () = self.admission.granted.notified() => {}
                () = job.ordered.notified() => {}
                () = tokio::time::sleep_until(orders.deadline.unwrap_or(now + FAR).into()) => {}
            }
        }
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        let grant = self.admission.grant().clone();
        let Some(queue) = state.owners.get_mut(&self.owner) else { return };
        match grant {
            Some(Grant(upstream)) => {
                queue.ended(self.group.as_ref());
                state.running -= 1;
                state.counted -= usize::from(counts(self.group.as_ref()));
                if let Some(upstream) = upstream {
                    upstream.admitted(false);
                }
            }
            None => {
                queue.remove(&self.admission, self.group.is_some());
                let is_done = queue.lanes.is_empty();
                *state.waiting.of(self.group.is_some()) -= 1;
                if is_done {
                    state.turns.retain(|owner| *owner != self.owner);
                }
            }
        }
        if state.owners.get(&self.owner).is_some_and(|queue| queue.running == 0 && queue.lanes.is_empty()) {
            state.owners.remove(&self.owner);
        }
        state.admit(self.queue.0.limits);
    }
}

#[cfg(test)]
mod tests {
    use towline::client::Endpoint;

    use super::*;
    use crate::config::{UpstreamApi, UpstreamConfig};

    fn queue(running: usize, queued: usize, own_running: usize, own_queued: usize) -> AdmissionQueue {
        AdmissionQueue::new(AdmissionLimits {
            running,
            queued,
            grouped: queued,
            own_running,
            own_queued,
            own_grouped: own_queued,
        })
    }

    fn alone(owner: &Owner) -> Claim {
        Claim { owner: owner.clone(), running: None, group: None, upstreams: Vec::new() }
    }

    fn grouped(owner: &Owner, running: usize, is_beside: bool) -> Claim {
        let group = Group { name: "g".into(), running, is_beside };
        Claim { group: Some(group), ..alone(owner) }
    }

    fn upstream(running: Option<usize>) -> Arc<Upstream> {
        let config = UpstreamConfig::new(Endpoint::http("127.0.0.1", 1), UpstreamApi::Ollama);
        Upstream::new(&UpstreamConfig { running, ..config }).unwrap()
    }

    /// The order in which they run if they end one after the other.
    fn order(waiting: Vec<Permit>) -> Vec<usize> {
        let mut waiting: Vec<Option<Permit>> = waiting.into_iter().map(Some).collect();
        let may_run = |permit: &Option<Permit>| permit.as_ref().is_some_and(Permit::may_run);
        std::iter::from_fn(|| {
            let at = waiting.iter().position(may_run)?;
            waiting[at] = None;
            Some(at)
        })
        .collect()
    }

    fn is_empty(queue: &AdmissionQueue) -> bool {
        let state = queue.state();
        queue_is_idle(&state)
    }

    fn queue_is_idle(state: &State) -> bool {
        state.owners.is_empty() && state.turns.is_empty() && (state.running, state.counted) == (0, 0)
    }

    #[test]
    fn no_more_of_an_owner_run_than_is_said_of_the_owner() {
        let queue = queue(10, 10, 10, 10);
        let (ann, bob) = (Owner::named("ann"), Owner::named("bob"));
        let one = || Claim { running: Some(1), ..grouped(&ann, 5, true) };
        let first = queue.take(Claim { running: Some(1), ..alone(&ann) }).unwrap();
        let second = queue.take(one()).unwrap();
        let other = queue.take(alone(&bob)).unwrap();
        assert!(
            first.may_run() && other.may_run() && !second.may_run(),
            "places beside the others count too"
        );
        drop(other);
        assert!(!second.may_run());
        drop(first);
        assert!(second.may_run());
        // A raised limit applies from the next job on.
        let third = queue.take(Claim { running: Some(2), ..alone(&ann) }).unwrap();
        assert!(third.may_run());
        drop((second, third));
        assert!(is_empty(&queue));
    }

    #[test]
    fn owners_take_turns_and_own_jobs_keep_their_order() {
        let queue = queue(1, 10, 1, 10);
        let (ann, bob) = (Owner::named("ann"), Owner::named("bob"));
        let first = queue.take(alone(&ann)).unwrap();
        assert!(first.may_run());
        let waiting: Vec<Permit> = [&ann, &ann, &bob, &ann, &bob]
            .into_iter()
            .map(|owner| queue.take(alone(owner)).unwrap())
            .collect();
        assert_eq!(queue.count(), (1, 5));
        drop(first);
        assert_eq!(order(waiting), [0, 2, 1, 4, 3]);
        assert_eq!(queue.count(), (0, 0));
        assert!(is_empty(&queue));
    }

    #[test]
    fn one_owner_leaves_places_to_others() {
        let queue = queue(2, 5, 1, 3);
        let (ann, bob) = (Owner::named("ann"), Owner::named("bob"));
        let permits: Vec<Permit> = (0..4).map(|_| queue.take(alone(&ann)).unwrap()).collect();
        assert_eq!(permits.iter().filter(|permit| permit.may_run()).count(), 1);
        assert_eq!(queue.take(alone(&ann)).unwrap_err(), QueueFull::OfOwner);
        let bobs: Vec<Permit> = (0..3).map(|_| queue.take(alone(&bob)).unwrap()).collect();
        assert!(bobs[0].may_run() && !bobs[1].may_run());
        assert_eq!(queue.take(alone(&bob)).unwrap_err(), QueueFull::InAll);
    }

    #[test]
    fn one_that_leaves_the_queue_frees_its_place() {
        let queue = queue(1, 2, 1, 2);
        let ann = Owner::named("ann");
        let running = queue.take(alone(&ann)).unwrap();
        let (second, third) = (queue.take(alone(&ann)).unwrap(), queue.take(alone(&ann)).unwrap());
        drop(second);
        assert_eq!(queue.count(), (1, 1));
        drop(running);
        assert!(third.may_run());
        drop(third);
        assert_eq!(queue.count(), (0, 0));
    }

    #[test]
    fn a_group_waits_for_itself_and_behind_those_of_no_group() {
        let queue = queue(2, 5, 2, 5);
        let ann = Owner::named("ann");
        let group: Vec<Permit> = (0..3).map(|_| queue.take(grouped(&ann, 1, false)).unwrap()).collect();
        assert!(group[0].may_run() && !group[1].may_run());
        let question = queue.take(alone(&ann)).unwrap();
        assert!(question.may_run(), "what waits for its group keeps nobody");
        let later = queue.take(alone(&ann)).unwrap();
        let permits = group.into_iter().chain([question, later]).collect();
        // The latest job has no group.
        assert_eq!(order(permits), [0, 3, 1, 2, 4]);
        assert!(is_empty(&queue));
    }

    #[test]
    fn a_question_goes_before_what_waits_of_a_group() {
        let queue = queue(1, 5, 1, 5);
        let ann = Owner::named("ann");
        let first = queue.take(grouped(&ann, 9, false)).unwrap();
        let (second, question) =
            (queue.take(grouped(&ann, 9, false)).unwrap(), queue.take(alone(&ann)).unwrap());
        drop(first);
        assert!(question.may_run() && !second.may_run());
    }

    #[test]
    fn a_group_beside_the_others_takes_none_of_their_places() {
        let queue = queue(1, 5, 1, 5);
        let ann = Owner::named("ann");
        let group: Vec<Permit> = (0..4).map(|_| queue.take(grouped(&ann, 3, true)).unwrap()).collect();
        assert_eq!(group.iter().filter(|permit| permit.may_run()).count(), 3);
        assert!(queue.take(alone(&ann)).unwrap().may_run());
        drop(group);
        assert!(is_empty(&queue));
    }

    #[test]
    fn the_last_limit_of_a_group_counts() {
        let queue = queue(9, 9, 9, 9);
        let ann = Owner::named("ann");
        let mut group: Vec<Permit> = (0..3).map(|_| queue.take(grouped(&ann, 1, false)).unwrap()).collect();
        group.push(queue.take(grouped(&ann, 3, false)).unwrap());
        assert_eq!(group.iter().filter(|permit| permit.may_run()).count(), 3);
    }

    #[test]
    fn groups_have_places_of_their_own_to_wait_in() {
        let queue = queue(1, 1, 1, 1);
        let ann = Owner::named("ann");
        let _running = queue.take(alone(&ann)).unwrap();
        let _waits = queue.take(grouped(&ann, 1, false)).unwrap();
        assert_eq!(queue.take(grouped(&ann, 1, false)).unwrap_err(), QueueFull::InAll);
        assert!(queue.take(alone(&ann)).is_ok());
        assert_eq!(queue.count(), (1, 1), "one that was refused does not wait");
    }

    #[test]
    fn a_server_has_a_limit_and_those_for_others_do_not_wait_behind_it() {
        let queue = queue(9, 9, 9, 9);
        let ann = Owner::named("ann");
        let (slow, free) = (upstream(Some(1)), upstream(None));
        let at = |upstreams: &[&Arc<Upstream>]| Claim {
            running: None,
            upstreams: upstreams.iter().map(|upstream| Arc::clone(upstream)).collect(),
            ..alone(&ann)
        };
        let first = queue.take(at(&[&slow])).unwrap();
        assert!(Arc::ptr_eq(&first.upstream().unwrap(), &slow));
        let second = queue.take(at(&[&slow])).unwrap();
        assert!(!second.may_run());
        assert!(queue.take(at(&[&free])).unwrap().may_run());
        let either = queue.take(at(&[&slow, &free])).unwrap();
        assert!(Arc::ptr_eq(&either.upstream().unwrap(), &free));
        drop(first);
        assert!(second.may_run());
        drop((second, either));
        assert!(is_empty(&queue));
    }
}
