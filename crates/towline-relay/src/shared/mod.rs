//! Several relays on one store: each serves every stream, and every answer of a relay that dies gets its end.
//!
//! Every relay knows the metadata of all streams from the journal of the store. It reads the bytes of another
//! relay's answer only while the answer has readers here (`listen`). A relay renews its lease; when it
//! cannot, the others declare it dead and end its answers (`reaper`). `docs/decisions/0009-several-relays.md`
//! has the reasons.

mod journal;
mod lease;
mod listen;
mod reaper;

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub(crate) use lease::renew;
pub(crate) use listen::listen;

use crate::access::AccessControl;
use crate::job::Outbox;
use crate::log::StreamLog;
use crate::offset::Offset;
use crate::quota::Usage;
use crate::registry::{Entry, StreamRegistry};
use crate::store::redis::{Commands, Reply, key, none_failed, scripts};
use crate::store::{RedisError, RedisStore, Room, StreamNo};
use crate::tasks::Tasks;

/// How long a lease lasts without a renewal.
const LEASE: Duration = Duration::from_secs(5);
/// Time between two renewals.
const RENEWAL: Duration = Duration::from_millis(1500);
/// Time between two checks for changes of other relays without a message.
const ROUND: Duration = Duration::from_millis(500);
/// After a pause of this length, a relay may have missed a part of the journal.
const MISSED: Duration = Duration::from_secs(30);
/// How long a request waits for another one with the same id that another relay is starting.
const RESERVED: Duration = Duration::from_secs(10);

/// The state that this relay has of the others.
#[derive(Debug)]
pub(crate) struct Shared {
    store: Arc<RedisStore>,
    /// The orders to other relays.
    outbox: Arc<Outbox>,
    registry: Arc<StreamRegistry>,
    usage: Arc<Usage>,
    access: Arc<AccessControl>,
    tasks: Tasks,
    /// How long an answer that was not detached runs without any reader.
    grace: Duration,
    read: tokio::sync::Mutex<Positions>,
    orders: tokio::sync::Mutex<OrderPositions>,
    /// Counts the requests to read the journal up to now.
    asked: AtomicU64,
    /// Notified when there are changes to read.
    poked: Notify,
    /// Notified when this relay has got another number.
    is_another: Notify,
    /// The time since which the store has answered without interruption, so that all relays have been able to
    /// renew their leases.
    there_since: Mutex<Option<Instant>>,
    /// The other relays' streams that have readers here.
    followed: Mutex<HashMap<StreamNo, Arc<StreamLog>>>,
    /// Streams that were followed and have no readers any more.
    unread: Mutex<Vec<StreamNo>>,
    /// Held while a stream is updated from the store, because several tasks may read at once.
    turn: Mutex<()>,
    /// The streams that run here and have changed since the other relays were informed.
    changed: Mutex<BTreeSet<StreamNo>>,
    /// Number of live relays, including this one.
    pub(crate) living: AtomicUsize,
    /// Number of answers of dead relays that this one has ended, and of own answers that others have taken.
    pub(crate) ended_for_others: AtomicU64,
    pub(crate) lost_to_others: AtomicU64,
}

/// How far the writes of other relays were read.
#[derive(Debug)]
struct Positions {
    journal: String,
    at: Instant,
    /// The number of this relay when it read all streams.
    relay: u64,
    /// The request count when the journal was last read.
    asked: u64,
}

/// How far the orders for this relay were read.
#[derive(Debug)]
struct OrderPositions {
    /// The number of this relay to which they belong.
    relay: u64,
    read: String,
    /// The last order of each relay that has sent any.
    last: HashMap<u64, u64>,
}

impl Default for OrderPositions {
    fn default() -> Self {
        Self { relay: 0, read: "0-0".into(), last: HashMap::new() }
    }
}

impl Shared {
    /// Joins the relays of the store.
    ///
    /// # Errors
    /// A store that cannot be used.
    pub(crate) async fn open(
        store: Arc<RedisStore>,
        registry: Arc<StreamRegistry>,
        usage: Arc<Usage>,
        access: Arc<AccessControl>,
        tasks: Tasks,
        grace: Duration,
    ) -> Result<Self, RedisError> {
        let own = Self {
            outbox: Arc::new(Outbox::new(Arc::clone(&store))),
            store,
            registry,
            usage,
            access,
            tasks,
            grace,
            read: tokio::sync::Mutex::new(Positions {
                journal: "0-0".into(),
                at: Instant::now(),
                relay: 0,
                asked: 0,
            }),
            orders: tokio::sync::Mutex::default(),
            asked: AtomicU64::new(0),
            poked: Notify::new(),
            is_another: Notify::new(),
            there_since: Mutex::default(),
            followed: Mutex::default(),
            unread: Mutex::default(),
            turn: Mutex::default(),
            changed: Mutex::default(),
            living: AtomicUsize::new(1),
            ended_for_others: AtomicU64::new(0),
            lost_to_others: AtomicU64::new(0),
        };
        own.register().await?;
        Ok(own)
    }

    /// The number of this relay.
    pub(crate) fn relay(&self) -> u64 {
        self.store.relay()
    }

    /// Takes a new relay number.
    async fn register(&self) -> Result<(), RedisError> {
        let relay = self.store.one(&["INCR", &key("last_relay")]).await?.number().unwrap_or(0);
        let mut commands = Commands::default();
        let lease = LEASE.as_millis().to_string();
        commands.push(&["SET", &key(format_args!("lease:{relay}")), "1", "PX", &lease]);
        commands.push(&["SADD", &key("relays"), &relay.to_string()]);
        none_failed(self.store.ask(&commands).await?)?;
        self.store.is_relay(relay);
        self.registry.is_relay(relay);
        self.is_another.notify_one();
        tracing::info!(relay, store = %self.store.address(), "one of the relays of this store");
        Ok(())
    }

    fn there_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.there_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the store answers.
    fn mark_reachable(&self) {
        self.there_since().get_or_insert_with(Instant::now);
    }

    /// Records that the store does not answer, or refuses a command.
    fn mark_unreachable(&self, error: &RedisError) {
        *self.there_since() = None;
        let is_full = matches!(error, RedisError::Refused(why) if why.starts_with("OOM"));
        self.store.set_room(if is_full { Room::Full } else { Room::Failed });
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<StreamNo, Arc<StreamLog>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a change of an answer that runs here; the other relays are informed soon.
    pub(crate) fn has_changed(&self, entry: &Entry) {
        if entry.job.as_ref().is_some_and(|job| !job.is_elsewhere()) {
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.log.no);
            self.poked.notify_one();
        }
    }

    /// Loads all streams of the store. Called once before the relay serves requests.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) async fn load(&self) -> Result<(), RedisError> {
        journal::catch_up(self).await
    }

    /// Sends the orders of this relay to the relays that run the answers, until the relay ends.
    ///
    /// # Cancel safety
    /// Dropping the future stops it; whether the last orders have arrived is not known.
    pub(crate) async fn send(&self) -> Infallible {
        self.outbox.send().await
    }

    /// Reads the changes of other relays up to now; `false` if that failed. Known state is kept.
    pub(crate) async fn fresh(&self) -> bool {
        let refreshed = journal::catch_up(self).await;
        refreshed
            .inspect_err(|error| tracing::debug!(%error, "the writes of other relays cannot be read"))
            .is_ok()
    }

    /// Like [`fresh`](Self::fresh), with the bytes of a stream that another relay may have written.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(crate) async fn fresh_stream(&self, entry: &Entry) -> Result<(), RedisError> {
        if entry.log.visible().closed || entry.job.as_ref().is_some_and(|job| !job.is_elsewhere()) {
            return Ok(());
        }
        for (stream, stored) in self.store.stored(&[entry.log.no]).await? {
            journal::apply_if_known(self, stream, stored);
        }
        Ok(())
    }

    /// Whether the store has the bytes before an offset as they were when the offset was issued.
    ///
    /// # Errors
    /// When the store does not say.
    pub(crate) async fn knows(&self, entry: &Entry, offset: Offset) -> Result<bool, RedisError> {
        let Some(stored) = self.store.found(entry.log.no).await? else { return Ok(false) };
        let meta = journal::described(entry.log.no, &stored);
        Ok(meta.is_some_and(|meta| meta.incarnations.knows(offset, stored.end)))
    }

    /// Restores a stream whose removal failed because other relays have written it; a stream that is gone
    /// stays removed.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(crate) async fn restore(&self, stream: StreamNo) -> Result<(), RedisError> {
        // Later journal entries are newer: if the stream was removed meanwhile, they remove it here too.
        let _read = self.read.lock().await;
        for (stream, stored) in self.store.stored(&[stream]).await? {
            journal::apply_entry(self, stream, stored);
        }
        Ok(())
    }

    /// Reads streams that other relays have overwritten.
    async fn refresh_overwritten(&self) -> Result<(), RedisError> {
        let overwritten = self.store.take_overwritten();
        for (at, stream) in overwritten.iter().enumerate() {
            let refreshed = match self.registry.numbered(*stream) {
                None => self.restore(*stream).await,
                // It is read once its job has ended.
                Some(entry) if entry.runs_here() => Ok(()),
                Some(entry) => self.reload(&entry).await,
            };
            if refreshed.is_err() {
                self.store.is_overwritten(&overwritten[at..]);
                return refreshed;
            }
        }
        Ok(())
    }

    /// Carries out the orders of other relays' clients up to now, so that a local order comes after theirs.
    pub(crate) async fn apply_pending_orders(&self) {
        if let Err(error) = journal::apply_orders(self).await {
            tracing::debug!(%error, "the orders of other relays cannot be read");
        }
    }

    /// Resets an overwritten stream to the other relay's state.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(crate) async fn reload(&self, entry: &Entry) -> Result<(), RedisError> {
        let stream = entry.log.no;
        match self.store.found(stream).await? {
            Some(stored) => {
                if let Some(meta) = journal::described(stream, &stored)
                    && entry.log.reload(meta, stored.end)
                {
                    self.store.is_at(stream, stored.version);
                }
            }
            // It was not created, or was removed.
            None => journal::is_gone(self, entry),
        }
        Ok(())
    }

    /// Handles an answer of this relay that another relay has taken.
    pub(crate) async fn was_taken(&self, entry: &Entry) {
        tracing::warn!(stream = entry.id.as_str(), "another relay has ended this answer");
        self.lost_to_others.fetch_add(1, Ordering::Relaxed);
        entry.log.is_written_elsewhere();
        entry.log.wait_idle().await;
        if let Err(error) = self.reload(entry).await {
            tracing::warn!(%error, "an answer that another relay has ended cannot be read");
        }
        self.registry.replace(Entry { job: None, ..entry.clone() });
    }

    /// Reserves a request id, so that no other relay runs the request while this one starts it. `false` if
    /// another relay has it.
    ///
    /// # Errors
    /// If the store does not answer, or another relay has reserved the id and does not finish.
    pub(crate) async fn reserve(&self, owner: &str, request_id: &str) -> Result<bool, RedisError> {
        let key = key(format_args!("asked:{owner}:{request_id}"));
        let (time, own) = (RESERVED.as_millis().to_string(), format!("relay {}", self.relay()));
        let until = Instant::now() + RESERVED + ROUND;
        loop {
            let set = self.store.one(&["SET", &key, &own, "NX", "PX", &time]).await?;
            if set != Reply::None {
                return Ok(true);
            }
            let held = self.store.one(&["GET", &key]).await?;
            if held.number().is_some() {
                return Ok(false);
            }
            // Reserved earlier, with a lost reply; or for another client of this relay, whose answer is in
            // the registry.
            if held.text() == Some(&own) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Err(RedisError::Refused(
                    "another relay started this request and no longer responds".into(),
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Releases the reservation of a request that is not started.
    pub(crate) async fn release(&self, owner: &str, request_id: &str) {
        let key = key(format_args!("asked:{owner}:{request_id}"));
        let own = format!("relay {}", self.relay());
        // Otherwise it expires.
        drop(self.store.one(&["EVAL", scripts::RELEASE, "1", &key, &own]).await);
    }
}

/// Informs the other relays of running answers, carries out their orders, and ends the answers of dead
/// relays, until the relay ends.
///
/// # Cancel safety
/// Dropping the future stops it.
pub(crate) async fn maintain(shared: &Shared) -> Infallible {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        let is_round = tokio::select! {
            _ = rounds.tick() => true,
            () = shared.poked.notified() => false,
        };
        match round(shared, is_round).await {
            Ok(()) if std::mem::take(&mut is_failing) => tracing::info!("Redis answers again"),
            Ok(()) => {}
            Err(error) => {
                shared.mark_unreachable(&error);
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(%error, "Redis does not execute commands");
                }
                // A notification is no reason to query it more often.
                rounds.tick().await;
            }
        }
    }
}

async fn round(shared: &Shared, is_round: bool) -> Result<(), RedisError> {
    journal::publish_changes(shared).await?;
    journal::catch_up(shared).await?;
    journal::apply_orders(shared).await?;
    shared.refresh_overwritten().await?;
    if is_round {
        listen::refresh_followed(shared).await?;
        reaper::reap(shared).await?;
    }
    Ok(())
}
