//! All streams, by owner and id.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;

use crate::id::{Owner, StreamId};
use crate::job::{Attached, Job, job_state, name};
use crate::log::{Broken, StreamLog, Writer};
use crate::meta::{Meta, now_ms, steady_now_ms};
use crate::store::StreamNo;

/// Number of changes that a slow watcher may be behind; a watcher that is further behind receives everything
/// again.
const WATCHED_CHANGES: usize = 4096;
/// The maximum number of streams that are removed at once, so that no watcher falls behind because of them
/// alone.
pub(crate) const REMOVED_AT_ONCE: usize = WATCHED_CHANGES / 2;

/// The minimum length of an id prefix, in characters.
const SHORTEST_ID: usize = 4;
/// The maximum number of an owner's running jobs that have a number: more than people can keep apart, and few
/// enough for a linear search.
const MOST_NUMBERED: u32 = 99;
/// Number of streams that are read under one lock.
const PAGE: usize = 256;
/// Number of relays that can create streams at once, each with its own numbers.
const PLACES: u64 = 16;
/// The epoch of the numbers of several relays: 2026-01-01.
const NUMBERS_BEGAN_MS: u64 = 1_767_225_600_000;

/// One stream.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: StreamId,
    pub(crate) owner: Owner,
    pub(crate) log: Arc<StreamLog>,
    /// The job that writes it, while this process has it; ended jobs are described by the log's metadata.
    pub(crate) job: Option<Arc<Job>>,
}

impl Entry {
    /// Whether this relay runs the job that writes it.
    pub(crate) fn runs_here(&self) -> bool {
        self.job.as_ref().is_some_and(|job| !job.is_elsewhere() && !job.state().is_ended())
    }

    /// Whether it has expired. The `longest` time counts only for a sliding TTL: otherwise a reader that keeps reading would keep the
    /// stream without limit.
    pub(crate) fn is_over(&self, longest: Duration) -> bool {
        let (now, steady) = (now_ms(), steady_now_ms());
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        self.log.with_meta(|meta, _| {
            let own = meta.expires_ms().is_some_and(|at| at <= now);
            let longest = meta.job.is_none() && meta.created_ms.saturating_add(longest) <= steady;
            own || longest
        })
    }
}

/// A change of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) owner: Owner,
    pub(crate) id: StreamId,
    pub(crate) no: StreamNo,
}

/// All streams.
#[derive(Debug)]
pub(crate) struct StreamRegistry {
    writer: Arc<Writer>,
    /// The incarnation of new streams. It increases when a stream that a client created is deleted, so that a
    /// new stream of the same id has different offsets.
    incarnation: AtomicU64,
    next: AtomicU64,
    /// With several relays: the residue of this relay's numbers.
    place: Option<AtomicU64>,
    most: usize,
    /// Of one owner.
    own_most: usize,
    streams: Mutex<Streams>,
    /// The bytes of the streams that clients write, by owner, as of the last pass over all streams.
    written: Mutex<HashMap<Owner, u64>>,
    changes: broadcast::Sender<Change>,
}

/// The streams of one owner.
#[derive(Debug, Default)]
struct OwnerIndex {
    by_id: BTreeMap<StreamId, StreamNo>,
    /// The names of its jobs.
    by_name: HashMap<String, StreamNo>,
    /// The numbers of its jobs; for a number that several had, the last job.
    by_number: BTreeMap<u32, StreamNo>,
    /// In the order of creation.
    by_no: BTreeMap<StreamNo, Entry>,
}

impl OwnerIndex {
    fn get(&self, id: &StreamId) -> Option<&Entry> {
        self.by_no.get(self.by_id.get(id)?)
    }

    fn insert(&mut self, entry: Entry) {
        if let Some(name) = name_of(&entry).filter(|name| !name.is_empty()) {
            // A job that already has the name keeps it.
            self.by_name.entry(name).or_insert(entry.log.no);
        }
        if let Some(number) = number_of(&entry) {
            let last = self.by_number.entry(number).or_insert(entry.log.no);
            *last = entry.log.no.max(*last);
        }
        self.by_id.insert(entry.id.clone(), entry.log.no);
        self.by_no.insert(entry.log.no, entry);
    }

    fn remove(&mut self, id: &StreamId) {
        let Some(no) = self.by_id.remove(id) else { return };
        let Some(entry) = self.by_no.remove(&no) else { return };
        if let Some(name) = name_of(&entry)
            && self.by_name.get(&name) == Some(&no)
        {
            self.by_name.remove(&name);
        }
        if let Some(number) = number_of(&entry)
            && self.by_number.get(&number) == Some(&no)
        {
            self.by_number.remove(&number);
        }
    }

    /// The smallest number that no running job has.
    fn free_number(&self) -> Option<u32> {
        let runs = |no: &StreamNo| {
            let entry = self.by_no.get(no);
            entry.is_some_and(|entry| {
                entry.log.with_meta(|meta, _| {
                    job_state(entry.job.as_ref(), meta).is_some_and(|state| !state.is_ended())
                })
            })
        };
        (1..=MOST_NUMBERED).find(|number| !self.by_number.get(number).is_some_and(runs))
    }

    /// The job with this handle: an id, a name, a number, or a unique prefix of an id.
    fn resolve(&self, handle: &str) -> Result<Entry, NotFound> {
        if let Some(number) = handle.strip_prefix('%') {
            let no = number.parse().ok().and_then(|number: u32| self.by_number.get(&number));
            return no.and_then(|no| self.by_no.get(no)).cloned().ok_or(NotFound::None);
        }
        let by_id = StreamId::parse(handle).and_then(|id| self.get(&id));
        if let Some(entry) = by_id.or_else(|| self.by_no.get(self.by_name.get(handle)?)) {
            return Ok(entry.clone());
        }
        let Some(from) = StreamId::parse(handle).filter(|_| handle.len() >= SHORTEST_ID) else {
            return Err(NotFound::None);
        };
        let found = self.by_id.range(from..).take_while(|(id, _)| id.as_str().starts_with(handle));
        let mut jobs =
            found.filter_map(|(_, no)| self.by_no.get(no)).filter(|entry| name_of(entry).is_some());
        match (jobs.next(), jobs.count()) {
            (None, _) => Err(NotFound::None),
            (Some(entry), 0) => Ok(entry.clone()),
            (Some(_), more) => Err(NotFound::Several(more + 1)),
        }
    }

    fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// The name of an entry's job; `None` for a stream that a client writes.
fn name_of(entry: &Entry) -> Option<String> {
    entry.log.with_meta(|meta, _| meta.job.as_ref().map(|job| job.name.clone()))
}

fn number_of(entry: &Entry) -> Option<u32> {
    entry.log.with_meta(|meta, _| meta.job.as_ref().and_then(|job| job.number))
}

#[derive(Debug, Default)]
struct Streams {
    by_owner: HashMap<Owner, OwnerIndex>,
    by_request: HashMap<(Owner, String), StreamId>,
    count: usize,
}

/// Why no job was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotFound {
    None,
    /// This many jobs have an id with this prefix.
    Several(usize),
}

/// The reason why a job was not renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RenameError {
    Taken,
    Broken(Broken),
}

/// The reason why a stream was not created.
#[derive(Debug, Clone)]
pub(crate) enum CreateError {
    /// A stream with this id exists.
    Exists(Entry),
    /// The maximum number of streams is reached.
    Full,
}

impl StreamRegistry {
    pub(crate) fn new(
        writer: Arc<Writer>,
        incarnation: u64,
        next: StreamNo,
        most: usize,
        own_most: usize,
    ) -> Self {
        Self {
            place: writer.store().is_shared().then(AtomicU64::default),
            writer,
            incarnation: AtomicU64::new(incarnation),
            next: AtomicU64::new(next),
            most,
            own_most,
            streams: Mutex::default(),
            written: Mutex::default(),
            changes: broadcast::Sender::new(WATCHED_CHANGES),
        }
    }

    pub(crate) fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn incarnation(&self) -> u64 {
        match &self.place {
            None => self.incarnation.load(Ordering::Relaxed),
            // Larger than any earlier number, whichever relay issued it.
            Some(_) => now_ms(),
        }
    }

    /// Sets the number of this relay among several.
    pub(crate) fn is_relay(&self, relay: u64) {
        if let Some(place) = &self.place {
            place.store(relay % PLACES, Ordering::Relaxed);
        }
    }

    /// A number that no stream has and that no other relay will issue; larger than the numbers of all older
    /// streams.
    fn number(&self) -> StreamNo {
        let Some(place) = &self.place else { return self.next.fetch_add(1, Ordering::Relaxed) };
        let now = now_ms().saturating_sub(NUMBERS_BEGAN_MS).saturating_mul(1 << 10);
        let after = |last: u64| Some(now.max(last + 1));
        let last = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).unwrap_or(now);
        now.max(last + 1) * PLACES + place.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) -> usize {
        self.streams().count
    }

    /// Restores a stream from the store; `job` if another relay runs it.
    pub(crate) fn restore(&self, meta: &Meta, log: Arc<StreamLog>, job: Option<Arc<Job>>) {
        let mut streams = self.streams();
        if let Some(request_id) = meta.job.as_ref().and_then(|job| job.request_id.clone()) {
            streams.by_request.insert((meta.owner.clone(), request_id), meta.id.clone());
        }
        let entry = Entry { id: meta.id.clone(), owner: meta.owner.clone(), log, job };
        streams.by_owner.entry(meta.owner.clone()).or_default().insert(entry);
        streams.count += 1;
    }

    /// Creates a stream unless there is one with its id or, with a request id, one of that request. If the
    /// job's name is taken, a number is added. `request` is kept with the stream.
    pub(crate) fn create(
        &self,
        mut meta: Meta,
        bytes: &[u8],
        request: Option<Bytes>,
        job: impl FnOnce(&Arc<StreamLog>) -> Option<Arc<Job>>,
    ) -> Result<(Entry, crate::log::Ticket), CreateError> {
        let (id, owner) = (meta.id.clone(), meta.owner.clone());
        let mut streams = self.streams();
        let request_id = meta.job.as_ref().and_then(|job| job.request_id.clone());
        let of_request = request_id.map(|request_id| (owner.clone(), request_id));
        let same = of_request.as_ref().and_then(|request| streams.by_request.get(request)).unwrap_or(&id);
        if let Some(entry) = streams.by_owner.get(&owner).and_then(|own| own.get(same)) {
            return Err(CreateError::Exists(entry.clone()));
        }
        let own_count = streams.by_owner.get(&owner).map_or(0, OwnerIndex::len);
        if streams.count >= self.most || own_count >= self.own_most {
            return Err(CreateError::Full);
        }
        let no = self.number();
        if let Some(job) = &mut meta.job {
            let own = streams.by_owner.get(&owner);
            let is_taken = |name: &str| own.is_some_and(|own| own.by_name.contains_key(name));
            job.name = name::free(&job.name, no, is_taken);
            job.number = own.map_or(Some(1), OwnerIndex::free_number);
        }
        let (log, ticket) = StreamLog::create(no, Arc::clone(&self.writer), meta, bytes, request);
        let entry = Entry { id: id.clone(), owner: owner.clone(), job: job(&log), log };
        if self.place.is_some() && entry.job.is_none() {
            entry.log.is_written_elsewhere();
        }
        if let Some(request) = of_request {
            streams.by_request.insert(request, id);
        }
        streams.by_owner.entry(owner).or_default().insert(entry.clone());
        streams.count += 1;
        drop(streams);
        entry.log.begin();
        self.changed(&entry);
        Ok((entry, ticket))
    }

    pub(crate) fn find(&self, owner: &Owner, id: &StreamId) -> Option<Entry> {
        self.streams().by_owner.get(owner)?.get(id).cloned()
    }

    /// The job with this handle: its id, its name, its number, or a unique prefix of its id.
    pub(crate) fn resolve(&self, owner: &Owner, handle: &str) -> Result<Entry, NotFound> {
        self.streams().by_owner.get(owner).ok_or(NotFound::None)?.resolve(handle)
    }

    /// Renames a job. The name must be unique among the owner's jobs.
    pub(crate) fn rename(&self, entry: &Entry, name: &str) -> Result<(), RenameError> {
        let mut streams = self.streams();
        let own = streams.by_owner.entry(entry.owner.clone()).or_default();
        let no = entry.log.no;
        if own.by_name.get(name).is_some_and(|known| *known != no) {
            return Err(RenameError::Taken);
        }
        let before = name_of(entry);
        own.by_name.insert(name.to_owned(), no);
        if let Some(before) = before.filter(|before| before != name)
            && own.by_name.get(&before) == Some(&no)
        {
            own.by_name.remove(&before);
        }
        drop(streams);
        let named = entry.log.change(|log| {
            if let Some(job) = &mut log.meta_mut().job {
                name.clone_into(&mut job.name);
            }
        });
        named.map_err(RenameError::Broken)?;
        self.changed(entry);
        Ok(())
    }

    /// The stream of this number.
    pub(crate) fn numbered(&self, no: StreamNo) -> Option<Entry> {
        self.streams().by_owner.values().find_map(|own| own.by_no.get(&no)).cloned()
    }

    /// The stream of an earlier request with this id.
    pub(crate) fn of_request(&self, owner: &Owner, request_id: &str) -> Option<Entry> {
        let streams = self.streams();
        let id = streams.by_request.get(&(owner.clone(), request_id.to_owned()))?;
        streams.by_owner.get(owner)?.get(id).cloned()
    }

    /// Replaces the entry of the same stream.
    pub(crate) fn replace(&self, entry: Entry) {
        let mut streams = self.streams();
        let Some(own) = streams.by_owner.get_mut(&entry.owner) else { return };
        if let Some(known) = own.by_no.get_mut(&entry.log.no) {
            *known = entry.clone();
            drop(streams);
            self.changed(&entry);
        }
    }

    /// Updates the index after another relay has renamed a stream.
    pub(crate) fn was_renamed(&self, entry: &Entry, before: &str) {
        let Some(name) = name_of(entry).filter(|name| name != before) else { return };
        let mut streams = self.streams();
        let Some(own) = streams.by_owner.get_mut(&entry.owner) else { return };
        if own.by_name.get(before) == Some(&entry.log.no) {
            own.by_name.remove(before);
        }
        own.by_name.insert(name, entry.log.no);
    }

    /// Removes a stream that is no longer in the store, or was never there.
    pub(crate) fn forget(&self, entry: &Entry) {
        if self.remove_entry(entry) {
            entry.log.is_gone();
            self.changed(entry);
        }
    }

    /// Deletes a stream with its bytes. `None` if it is already gone.
    pub(crate) fn remove(&self, entry: &Entry) -> Option<crate::log::Ticket> {
        if !self.remove_entry(entry) {
            return None;
        }
        let ticket = entry.log.remove();
        self.changed(entry);
        Some(ticket)
    }

    /// `false` if there is none.
    fn remove_entry(&self, entry: &Entry) -> bool {
        let mut streams = self.streams();
        let Some(own) = streams.by_owner.get_mut(&entry.owner) else { return false };
        if !own.get(&entry.id).is_some_and(|found| Arc::ptr_eq(&found.log, &entry.log)) {
            return false;
        }
        own.remove(&entry.id);
        streams.count -= 1;
        if entry.job.is_none() {
            self.incarnation.fetch_add(1, Ordering::Relaxed);
        }
        let request_id = entry.log.with_meta(|meta, _| meta.job.as_ref()?.request_id.clone());
        if let Some(request_id) = request_id {
            streams.by_request.remove(&(entry.owner.clone(), request_id));
        }
        true
    }

    /// The owner whose answers must be deleted for a new stream of `owner`; `None` if there is room.
    pub(crate) fn owner_to_evict(&self, owner: &Owner) -> Option<Owner> {
        let streams = self.streams();
        if streams.by_owner.get(owner).is_some_and(|own| own.len() >= self.own_most) {
            return Some(owner.clone());
        }
        if streams.count < self.most {
            return None;
        }
        streams.by_owner.iter().max_by_key(|(_, own)| own.len()).map(|(owner, _)| owner.clone())
    }

    pub(crate) fn set_written(&self, written: HashMap<Owner, u64>) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = written;
    }

    /// Counts bytes that the owner's clients append to their streams, on top of the last pass over all
    /// streams; `false` if the total would exceed `most`.
    pub(crate) fn add_written(&self, owner: &Owner, bytes: u64, most: u64) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let own = written.entry(owner.clone()).or_default();
        let fits = own.saturating_add(bytes) <= most;
        if fits {
            *own += bytes;
        }
        fits
    }

    /// Deletes an expired stream, unless another task already has.
    pub(crate) fn expire(&self, entry: &Entry) {
        let _unwaited = self.remove(entry);
    }

    /// A page of an owner's streams that were created after the one with this number, oldest first.
    pub(crate) fn page(&self, owner: &Owner, after: Option<StreamNo>) -> Vec<Entry> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let streams = self.streams();
        let Some(own) = streams.by_owner.get(owner) else { return Vec::new() };
        own.by_no.range((from, Bound::Unbounded)).take(PAGE).map(|(_, entry)| entry.clone()).collect()
    }

    /// The newest `count` streams of an owner, newest first.
    pub(crate) fn newest(&self, owner: &Owner, count: usize) -> Vec<Entry> {
        let streams = self.streams();
        let Some(own) = streams.by_owner.get(owner) else { return Vec::new() };
        own.by_no.values().rev().take(count).cloned().collect()
    }

    /// All owners who have streams.
    pub(crate) fn owners(&self) -> Vec<Owner> {
        self.streams().by_owner.keys().cloned().collect()
    }

    /// The streams of an owner after a number, oldest first, page by page, each as it is when its page is
    /// read. No lock is held between pages.
    pub(crate) fn each(&self, owner: Owner, mut after: Option<StreamNo>) -> impl Iterator<Item = Entry> {
        let mut page = Vec::new().into_iter();
        std::iter::from_fn(move || {
            let next = page.next().or_else(|| {
                page = self.page(&owner, after).into_iter();
                page.next()
            });
            let entry: Entry = next?;
            after = Some(entry.log.no);
            Some(entry)
        })
    }

    /// The streams of all owners, like [`each`](Self::each).
    pub(crate) fn all(&self) -> impl Iterator<Item = Entry> {
        self.owners().into_iter().flat_map(|owner| self.each(owner, None))
    }

    /// The answers that this relay runs.
    pub(crate) fn running_here(&self) -> impl Iterator<Item = Entry> {
        self.all().filter(Entry::runs_here)
    }

    pub(crate) fn changed(&self, entry: &Entry) {
        let change = Change { owner: entry.owner.clone(), id: entry.id.clone(), no: entry.log.no };
        // There may be no watcher.
        drop(self.changes.send(change));
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

/// A reader of a stream, which a job or a client writes.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Released when the reader is dropped.
    pub(crate) _attached: Option<Attached>,
    pub(crate) entry: Entry,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.entry.log.readers.fetch_sub(1, Ordering::Relaxed);
    }
}
