//! Several relays on one store: each answers for every stream, and one that dies leaves no answer without its end.
//!
//! Every relay knows all streams by their descriptions, which come by the journal of the store. The bytes of what another relay
//! runs are read when somebody wants them (`listen`). A relay that runs answers renews its lease; when it cannot, the others bury
//! it and end its answers (`reaper`). Why it is so, `docs/decisions/0009-several-relays.md` says.

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
use crate::quota::Usage;
use crate::registry::{Entry, StreamRegistry};
use crate::store::redis::{Commands, Reply, none_failed, scripts};
use crate::store::{RedisError, RedisStore, Room, StreamNo};
use crate::tasks::Tasks;

/// How long a relay is one of the living without a sign of life.
const LEASE: Duration = Duration::from_secs(5);
/// Time between two signs of life.
const RENEWAL: Duration = Duration::from_millis(1500);
/// Time between two looks at what others have written, where no message calls.
const ROUND: Duration = Duration::from_millis(500);
/// A relay that looked away for so long may have missed a part of the journal.
const MISSED: Duration = Duration::from_secs(30);
/// How long a request waits for another of the same id that is being made at another relay.
const RESERVED: Duration = Duration::from_secs(10);

/// What this relay knows of the others.
#[derive(Debug)]
pub(crate) struct Shared {
    store: Arc<RedisStore>,
    /// What other relays are ordered.
    outbox: Arc<Outbox>,
    registry: Arc<StreamRegistry>,
    usage: Arc<Usage>,
    access: Arc<AccessControl>,
    tasks: Tasks,
    /// How long an answer that was not detached runs without any reader.
    grace: Duration,
    read: tokio::sync::Mutex<Positions>,
    orders: tokio::sync::Mutex<Orders>,
    /// Counts those who want the journal to be read up to now.
    asked: AtomicU64,
    /// There is something to look at.
    poked: Notify,
    /// This relay has another number.
    is_another: Notify,
    /// Since when the store has answered without a break: all relays have had a chance to renew their leases since.
    there_since: Mutex<Option<Instant>>,
    /// What others run and somebody reads here.
    followed: Mutex<HashMap<StreamNo, Arc<StreamLog>>>,
    /// What was followed and nobody reads any more.
    unread: Mutex<Vec<StreamNo>>,
    /// Held while what the store has of a stream becomes what is known here: several tasks look at once.
    turn: Mutex<()>,
    /// What runs here and has changed since the others were told.
    changed: Mutex<BTreeSet<StreamNo>>,
    /// Relays that live, this one too.
    pub(crate) living: AtomicUsize,
    /// Answers of dead relays that this one has ended, and answers of its own that others have.
    pub(crate) ended_for_others: AtomicU64,
    pub(crate) lost_to_others: AtomicU64,
}

/// How far what others write is read.
#[derive(Debug)]
struct Positions {
    journal: String,
    at: Instant,
    /// The number of this relay when it looked at all streams.
    relay: u64,
    /// Who had asked when the journal was last read.
    asked: u64,
}

/// How far the orders for this relay are read.
#[derive(Debug)]
struct Orders {
    /// The number of this relay that they are for.
    relay: u64,
    read: String,
    /// The last one of each relay that has given any.
    last: HashMap<u64, u64>,
}

impl Default for Orders {
    fn default() -> Self {
        Self { relay: 0, read: "0-0".into(), last: HashMap::new() }
    }
}

impl Shared {
    /// Takes a place among the relays of the store.
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
        own.take_place().await?;
        Ok(own)
    }

    /// The number of this relay.
    pub(crate) fn relay(&self) -> u64 {
        self.store.relay()
    }

    /// Becomes another one of the relays.
    async fn take_place(&self) -> Result<(), RedisError> {
        let relay = self.store.one(&["INCR", "towline:last_relay"]).await?.number().unwrap_or(0);
        let mut commands = Commands::default();
        let lease = LEASE.as_millis().to_string();
        commands.push(&["SET", &format!("towline:lease:{relay}"), "1", "PX", &lease]);
        commands.push(&["SADD", "towline:relays", &relay.to_string()]);
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

    /// The store answers.
    fn is_there(&self) {
        self.there_since().get_or_insert_with(Instant::now);
    }

    /// The store does not answer, or does not do what it is asked.
    fn is_away(&self, error: &RedisError) {
        *self.there_since() = None;
        let is_full = matches!(error, RedisError::Refused(why) if why.starts_with("OOM"));
        self.store.set_room(if is_full { Room::Full } else { Room::Failed });
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<StreamNo, Arc<StreamLog>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer that runs here has changed; the others are told soon.
    pub(crate) fn has_changed(&self, entry: &Entry) {
        if entry.job.as_ref().is_some_and(|job| !job.is_elsewhere()) {
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.log.no);
            self.poked.notify_one();
        }
    }

    /// Puts all streams of the store in their places. Called once before the relay answers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn load(&self) -> Result<(), RedisError> {
        journal::catch_up(self).await
    }

    /// Sends what is ordered here to the relays that run the answers, until the relay ends.
    ///
    /// # Cancel safety
    /// Dropping the future stops it; whether the last orders have arrived is not known.
    pub(crate) async fn send(&self) -> Infallible {
        self.outbox.send().await
    }

    /// Looks at what others have written up to now; `false` where that is not known. What is known stays known.
    pub(crate) async fn fresh(&self) -> bool {
        let looked = journal::catch_up(self).await;
        looked
            .inspect_err(|error| tracing::debug!(%error, "what other relays have written is not known"))
            .is_ok()
    }

    /// As [`fresh`](Self::fresh), with the bytes of a stream that another may have written.
    ///
    /// # Errors
    /// When the store does not say.
    pub(crate) async fn fresh_stream(&self, entry: &Entry) -> Result<(), RedisError> {
        if entry.log.seen().closed || entry.job.as_ref().is_some_and(|job| !job.is_elsewhere()) {
            return Ok(());
        }
        for (stream, stored) in self.store.stored(&[entry.log.no]).await? {
            journal::is_seen(self, stream, stored);
        }
        Ok(())
    }

    /// Puts a stream in its place again that was not removed, since others have written it; one that is gone stays away.
    ///
    /// # Errors
    /// When the store does not say.
    pub(crate) async fn put_back(&self, stream: StreamNo) -> Result<(), RedisError> {
        // What is read later of the journal is later: where it is gone by then, that takes it away again.
        let _read = self.read.lock().await;
        for (stream, stored) in self.store.stored(&[stream]).await? {
            journal::is_told(self, stream, stored);
        }
        Ok(())
    }

    /// Looks at streams that others have written over.
    async fn look_at_overwritten(&self) -> Result<(), RedisError> {
        let overwritten = self.store.take_overwritten();
        for (at, stream) in overwritten.iter().enumerate() {
            let looked = match self.registry.numbered(*stream) {
                None => self.put_back(*stream).await,
                // It is looked at once its job has ended.
                Some(entry) if entry.runs_here() => Ok(()),
                Some(entry) => self.reload(&entry).await,
            };
            if looked.is_err() {
                self.store.is_overwritten(&overwritten[at..]);
                return looked;
            }
        }
        Ok(())
    }

    /// Does what other relays' clients have ordered up to now, so that an order given here comes after theirs.
    pub(crate) async fn has_obeyed(&self) {
        if let Err(error) = journal::obey(self).await {
            tracing::debug!(%error, "what other relays have ordered is not known");
        }
    }

    /// Makes a stream that another relay has written over what that relay made of it.
    ///
    /// # Errors
    /// When the store does not say.
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
            // It was not made, or is gone.
            None => journal::is_gone(self, entry),
        }
        Ok(())
    }

    /// An answer that ran here is another relay's now.
    pub(crate) async fn was_taken(&self, entry: &Entry) {
        tracing::warn!(stream = entry.id.as_str(), "another relay has ended this answer");
        self.lost_to_others.fetch_add(1, Ordering::Relaxed);
        entry.log.is_written_elsewhere();
        entry.log.is_still().await;
        if let Err(error) = self.reload(entry).await {
            tracing::warn!(%error, "an answer that another relay has ended cannot be looked at");
        }
        self.registry.put_in_place(Entry { job: None, ..entry.clone() });
    }

    /// Makes sure that no other relay answers the request of this id while this one begins to. `false` where another has.
    ///
    /// # Errors
    /// When the store does not say, or another relay has begun and says nothing more.
    pub(crate) async fn reserve(&self, owner: &str, request_id: &str) -> Result<bool, RedisError> {
        let key = format!("towline:asked:{owner}:{request_id}");
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
            // Set before, when the reply was lost; or for another client of this relay, whose answer the registry knows.
            if held.text() == Some(&own) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Err(RedisError::Refused(
                    "another relay has begun this request, and says nothing more".into(),
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The request that was reserved is not begun.
    pub(crate) async fn release(&self, owner: &str, request_id: &str) {
        let key = format!("towline:asked:{owner}:{request_id}");
        let own = format!("relay {}", self.relay());
        // It would expire otherwise.
        drop(self.store.one(&["EVAL", scripts::RELEASE, "0", &key, &own]).await);
    }
}

/// Tells the others what runs here, does what they order and ends the answers of those that are dead, until the relay ends.
///
/// # Cancel safety
/// Dropping the future stops it.
pub(crate) async fn keep(shared: &Shared) -> Infallible {
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
                shared.is_away(&error);
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(%error, "Redis does not do what it is asked");
                }
                // What is poked is no reason to ask it more often.
                rounds.tick().await;
            }
        }
    }
}

async fn round(shared: &Shared, is_round: bool) -> Result<(), RedisError> {
    journal::tell_changes(shared).await?;
    journal::catch_up(shared).await?;
    journal::obey(shared).await?;
    shared.look_at_overwritten().await?;
    if is_round {
        listen::look_again(shared).await?;
        reaper::reap(shared).await?;
    }
    Ok(())
}
