//! Logs in Redis or Valkey, for several relays at once.
//!
//! Every write names the version of its stream on which it builds. So a relay that was declared dead cannot
//! write to answers that others have ended, and a write whose reply was lost happens only once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::address::RedisAddress;
use super::connection::{Connection, RedisError, is_for_another, none_failed, refusal};
use super::resp::{Commands, Reply};
use super::scripts::{self, PREFIX, key};
use super::version::Version;
use crate::store::{
    Chunk, Committing, LogStore, NotWritten, Recovered, Recovery, Refused, Room, StoreError, StreamNo, Write,
};

/// How long a batch is retried while Redis is away. Running answers survive this long, for example over a
/// failover.
const TRIED_FOR: Duration = Duration::from_secs(20);
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Number of connections that are kept for reading.
const READERS: usize = 8;
/// Number of entries of a log that are read at once.
const ENTRIES: usize = 64;

/// The store.
#[derive(Debug)]
pub(crate) struct RedisStore {
    address: RedisAddress,
    /// Number of replicas for which a write waits.
    replicas: usize,
    runtime: Handle,
    /// The number of this relay, unique among all relays ever.
    relay: AtomicU64,
    attempts: AtomicU64,
    writing: tokio::sync::Mutex<Option<Connection>>,
    reading: Mutex<IdleConnections>,
    versions: Mutex<HashMap<StreamNo, Version>>,
    /// Other relays' streams that have waiting readers.
    to_follow: Mutex<Vec<StreamNo>>,
    pub(crate) follow_requested: Notify,
    /// Streams that other relays have overwritten.
    overwritten: Mutex<Vec<StreamNo>>,
    room: AtomicU8,
    /// The hash of the script that writes.
    write_script: OnceLock<String>,
}

/// Idle connections for reading.
#[derive(Debug, Default)]
struct IdleConnections {
    connections: Vec<Connection>,
    /// How often the idle connections were dropped.
    round: u64,
}

/// A stream, as stored in Redis.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) version: Version,
    pub(crate) meta: Bytes,
    pub(crate) end: u64,
    /// The relay that runs or ran it; `None` for a stream that clients write.
    pub(crate) holder: Option<u64>,
}

impl Stored {
    /// `None` if there is no stream.
    fn read(reply: &Reply) -> Option<Self> {
        let [version, meta, end, holder] = reply.many() else { return None };
        let version = Version::parse(version.text()?)?;
        Some(Self { version, meta: meta.bytes()?.clone(), end: end.number()?, holder: holder.number() })
    }
}

/// The parts of the metadata that have separate keys.
#[derive(Deserialize)]
struct Described<'a> {
    #[serde(borrow)]
    id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    owner: std::borrow::Cow<'a, str>,
    closed: bool,
    job: Option<DescribedJob>,
}

#[derive(Deserialize)]
struct DescribedJob {
    request_id: Option<String>,
}

/// The part of a batch for one stream.
#[derive(Default)]
struct Part {
    stream: StreamNo,
    meta: Bytes,
    request: Bytes,
    chunks: Vec<Bytes>,
    /// The end of the first of them.
    first_end: u64,
    is_removal: bool,
}

impl RedisStore {
    /// A store that is not connected yet.
    pub(crate) fn new(address: RedisAddress, replicas: usize, runtime: Handle) -> Self {
        Self {
            address,
            replicas,
            runtime,
            relay: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            writing: tokio::sync::Mutex::default(),
            reading: Mutex::default(),
            versions: Mutex::default(),
            to_follow: Mutex::default(),
            follow_requested: Notify::new(),
            overwritten: Mutex::default(),
            room: AtomicU8::new(0),
            write_script: OnceLock::new(),
        }
    }

    pub(crate) fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// The number of this relay.
    pub(crate) fn relay(&self) -> u64 {
        self.relay.load(Ordering::Relaxed)
    }

    pub(crate) fn is_relay(&self, relay: u64) {
        self.relay.store(relay, Ordering::Relaxed);
    }

    pub(crate) fn set_room(&self, room: Room) {
        let room = match room {
            Room::Enough => 0,
            Room::Full => 1,
            Room::Failed => 2,
        };
        self.room.store(room, Ordering::Relaxed);
    }

    /// Records that the server accepts writes; [`mend`](LogStore::mend) checks whether the required replicas
    /// are there.
    pub(crate) fn mark_writable(&self) {
        if self.replicas == 0 || self.room() == Room::Full {
            self.set_room(Room::Enough);
        }
    }

    fn reading(&self) -> MutexGuard<'_, IdleConnections> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn versions(&self) -> MutexGuard<'_, HashMap<StreamNo, Version>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of a stream in this process's log.
    pub(crate) fn version(&self, stream: StreamNo) -> Version {
        self.versions().get(&stream).copied().unwrap_or_default()
    }

    pub(crate) fn is_at(&self, stream: StreamNo, version: Version) {
        self.versions().insert(stream, version);
    }

    pub(crate) fn forget(&self, stream: StreamNo) {
        self.versions().remove(&stream);
    }

    /// Takes the streams that have got waiting readers since the last call.
    pub(crate) fn take_to_follow(&self) -> Vec<StreamNo> {
        std::mem::take(&mut *self.to_follow.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records that other relays have overwritten these streams.
    pub(crate) fn is_overwritten(&self, streams: &[StreamNo]) {
        self.overwritten.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(streams);
    }

    /// Takes the streams that other relays have overwritten since the last call.
    pub(crate) fn take_overwritten(&self) -> Vec<StreamNo> {
        std::mem::take(&mut *self.overwritten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends commands over a kept connection and returns the replies. If the connection is lost, or leads to a
    /// server that is not the primary any more, all of them are sent once again.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the commands may or may not have run.
    pub(crate) async fn ask(&self, commands: &Commands) -> Result<Vec<Reply>, RedisError> {
        let (kept, round) = {
            let mut reading = self.reading();
            (reading.connections.pop(), reading.round)
        };
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(&self.address).await?,
        };
        let mut asked = connection.ask(commands).await;
        let is_lost = match &asked {
            // A kept connection may have been closed long ago.
            Err(RedisError::Away(..)) => true,
            // The kept connections lead to the same server, and so do those in use.
            Ok(replies) if refusal(replies, is_for_another).is_some() => {
                let mut reading = self.reading();
                reading.connections.clear();
                reading.round += 1;
                true
            }
            Ok(_) | Err(_) => false,
        };
        if is_lost {
            connection = Connection::open(&self.address).await?;
            asked = connection.ask(commands).await;
        }
        let replies = asked?;
        if let Some(why) = refusal(&replies, is_for_another) {
            return Err(why);
        }
        let mut reading = self.reading();
        if reading.round == round && reading.connections.len() < READERS {
            reading.connections.push(connection);
        }
        Ok(replies)
    }

    /// Like [`ask`](Self::ask), for one command that must not fail.
    pub(crate) async fn one<T: AsRef<[u8]>>(&self, parts: &[T]) -> Result<Reply, RedisError> {
        let mut commands = Commands::default();
        commands.push(parts);
        Ok(none_failed(self.ask(&commands).await?)?.pop().unwrap_or(Reply::None))
    }

    /// Like [`ask`](Self::ask), for data that readers will see: waits until the required replicas have it
    /// too.
    pub(crate) async fn ask_kept(&self, commands: Commands) -> Result<Vec<Reply>, RedisError> {
        if self.replicas == 0 { self.ask(&commands).await } else { self.ask_leader(commands).await }
    }

    /// Like [`ask_kept`](Self::ask_kept), for callers that draw conclusions from missing data, because a
    /// former primary may not have it.
    pub(crate) async fn ask_leader(&self, mut commands: Commands) -> Result<Vec<Reply>, RedisError> {
        let count = commands.count();
        // Only the primary accepts writes. `WAIT` covers this connection's writes, and the data that was read
        // was written before this write.
        commands.push(&["SET", &key("looked"), "1"]);
        if self.replicas > 0 {
            commands.push(&["WAIT", &self.replicas.to_string(), "1000"]);
        }
        let mut replies = self.ask(&commands).await?;
        if self.replicas > 0 {
            self.are_enough(&replies)?;
        }
        replies.truncate(count);
        Ok(replies)
    }

    /// Whether enough replicas have the writes; the last reply has their number.
    fn are_enough(&self, replies: &[Reply]) -> Result<(), RedisError> {
        let copies = replies.last().and_then(Reply::number).unwrap_or(0);
        if copies >= self.replicas as u64 {
            return Ok(());
        }
        let why = format!("{copies} replicas have the write, but {} must", self.replicas);
        Err(RedisError::Refused(why))
    }

    /// The current state of streams, without those that are gone.
    pub(crate) async fn stored(&self, streams: &[StreamNo]) -> Result<Vec<(StreamNo, Stored)>, RedisError> {
        let replies = self.ask_kept(questions(streams)).await?;
        let found = streams.iter().zip(&replies);
        Ok(found.filter_map(|(stream, reply)| Some((*stream, Stored::read(reply)?))).collect())
    }

    /// The current state of a stream; `None` if there is none.
    pub(crate) async fn found(&self, stream: StreamNo) -> Result<Option<Stored>, RedisError> {
        let replies = self.ask_leader(questions(&[stream])).await?;
        Ok(replies.first().and_then(Stored::read))
    }

    /// The command for one part, and the version of the stream after it.
    fn command(&self, part: &Part, commands: &mut Commands) -> Version {
        if part.is_removal {
            let (no, expected) = (part.stream.to_string(), self.version(part.stream).to_string());
            commands.push(&["EVAL", scripts::REMOVE, "1", PREFIX, &no, &expected, &self.relay().to_string()]);
            return Version::default();
        }
        let expected = self.version(part.stream);
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let new = expected.next(self.relay(), attempt);
        let described: Option<Described<'_>> = serde_json::from_slice(&part.meta).ok();
        let (mut is_job, mut is_closed, mut appended) = ("0", "0", String::new());
        let (mut owner, mut id, mut asked) = (String::new(), String::new(), String::new());
        if let Some(Described { id: own_id, owner: own_owner, closed, job }) = described {
            (owner, id) = (own_owner.into_owned(), own_id.into_owned());
            is_closed = if closed { "1" } else { "0" };
            if let Some(job) = job {
                is_job = "1";
                asked = job.request_id.unwrap_or_default();
            } else if !part.chunks.is_empty() {
                appended = part.first_end.to_string();
            }
        }
        let (no, relay) = (part.stream.to_string(), self.relay().to_string());
        let (expected, version) = (expected.to_string(), new.to_string());
        let script = self.write_script.get().map_or("", String::as_str);
        let mut parts: Vec<&[u8]> = vec![b"EVALSHA", script.as_bytes(), b"1", PREFIX.as_bytes()];
        parts.extend([no.as_bytes(), expected.as_bytes(), version.as_bytes(), relay.as_bytes()]);
        parts.extend([&part.meta[..], &part.request[..], is_job.as_bytes(), is_closed.as_bytes()]);
        parts.extend([owner.as_bytes(), id.as_bytes(), asked.as_bytes(), appended.as_bytes()]);
        parts.extend(part.chunks.iter().map(|chunk| &chunk[..]));
        commands.push(&parts);
        new
    }

    /// Writes all parts, with as many reconnects as needed.
    async fn write(&self, parts: &[Part]) -> Result<Vec<Refused>, StoreError> {
        let mut commands = Commands::default();
        let versions: Vec<Version> = parts.iter().map(|part| self.command(part, &mut commands)).collect();
        if self.replicas > 0 {
            commands.push(&["WAIT", &self.replicas.to_string(), "1000"]);
        }
        let until = Instant::now() + TRIED_FOR;
        let mut writing = self.writing.lock().await;
        let mut replies = loop {
            match self.try_write(&mut writing, &commands).await {
                Ok(replies) => break replies,
                Err(error) => {
                    *writing = None;
                    self.set_room(Room::Failed);
                    if Instant::now() >= until {
                        return Err(error.into());
                    }
                    tracing::debug!(%error, "Redis did not respond; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        drop(writing);
        replies.truncate(parts.len());
        self.set_room(Room::Enough);
        let mut refused = Vec::new();
        for ((part, version), reply) in parts.iter().zip(versions).zip(replies) {
            match self.written(part, version, &reply) {
                Ok(None) => {}
                Ok(Some(why)) => {
                    if why == NotWritten::Taken {
                        self.is_overwritten(&[part.stream]);
                    }
                    refused.push(Refused { stream: part.stream, why });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// Loads the write script into the server, which may have forgotten it.
    async fn load(&self, connection: &mut Connection) -> Result<(), RedisError> {
        let reply = connection
            .one(&["SCRIPT", "LOAD", &scripts::write(self.address.database, self.replicas)])
            .await?;
        self.write_script.get_or_init(|| reply.text().unwrap_or_default().to_owned());
        Ok(())
    }

    /// The first connection: checks that the server can be reached and accepts writes.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub(crate) async fn connect(&self) -> Result<(), RedisError> {
        let mut connection = Connection::open(&self.address).await?;
        self.load(&mut connection).await?;
        *self.writing.lock().await = Some(connection);
        Ok(())
    }

    async fn try_write(
        &self,
        writing: &mut Option<Connection>,
        commands: &Commands,
    ) -> Result<Vec<Reply>, RedisError> {
        let connection = match writing {
            Some(connection) => connection,
            None => {
                let mut connection = Connection::open(&self.address).await?;
                self.load(&mut connection).await?;
                writing.insert(connection)
            }
        };
        let replies = connection.ask(commands).await?;
        // Retries until it recovers or another server takes over.
        let is_later = |why: &str| why.starts_with("NOSCRIPT") || why.starts_with("NOREPLICAS");
        if let Some(why) = refusal(&replies, |why| is_for_another(why) || is_later(why)) {
            return Err(why);
        }
        if self.replicas > 0 {
            self.are_enough(&replies)?;
        }
        Ok(replies)
    }

    /// The result of one part.
    fn written(&self, part: &Part, new: Version, reply: &Reply) -> Result<Option<NotWritten>, StoreError> {
        if let Reply::Failed(why) = reply {
            if why.starts_with("OOM") {
                self.set_room(Room::Full);
                return Err(StoreError::Full);
            }
            return Err(RedisError::Refused(why.clone()).into());
        }
        let parts = reply.many();
        match parts.first().and_then(Reply::number) {
            Some(0) if part.is_removal => self.forget(part.stream),
            Some(_) if part.is_removal => {
                self.forget(part.stream);
                return Ok(Some(NotWritten::Taken));
            }
            Some(0) => self.is_at(part.stream, new),
            Some(1) => {
                let version = parts.get(1).and_then(Reply::text).and_then(Version::parse);
                let end = parts.get(2).and_then(Reply::number);
                let holder = parts.get(3).and_then(Reply::number);
                let (Some(version), Some(end)) = (version, end) else { return Ok(Some(NotWritten::Gone)) };
                let is_own = holder == Some(self.relay()) && version.is_of(self.relay());
                if !is_own {
                    return Ok(Some(NotWritten::Taken));
                }
                self.is_at(part.stream, version);
                return Ok(Some(NotWritten::Elsewhere { end }));
            }
            Some(_) => return Ok(Some(NotWritten::Taken)),
            None => {
                let why = "its reply to the script is unknown";
                return Err(RedisError::NotRedis(self.address.to_string(), why).into());
            }
        }
        Ok(None)
    }

    fn block_on<T>(&self, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, StoreError> {
        Ok(self.runtime.block_on(work)?)
    }

    async fn read_from(
        &self,
        stream: StreamNo,
        from: u64,
        max_bytes: usize,
    ) -> Result<Vec<Chunk>, RedisError> {
        let mut chunks: Vec<Chunk> = Vec::new();
        let (mut at, mut together) = (from, 0);
        while together < max_bytes {
            let mut commands = Commands::default();
            let (first, count) = ((at + 1).to_string(), ENTRIES.to_string());
            commands.push(&["XRANGE", &key(format_args!("l:{stream}")), &first, "+", "COUNT", &count]);
            // The other one is read second: the log becomes the former at its end.
            let last = i64::try_from(at.saturating_add(max_bytes as u64)).unwrap_or(-1);
            let whole = key(format_args!("z:{stream}"));
            commands.push(&["GETRANGE", &whole, &at.to_string(), &(last - i64::from(last > 0)).to_string()]);
            let replies = none_failed(self.ask(&commands).await?)?;
            let before = at;
            for entry in replies[0].many() {
                let [id, fields] = entry.many() else { continue };
                let end = id.text().and_then(|id| id.split('-').next()?.parse::<u64>().ok());
                let (Some(end), Some(bytes)) = (end, fields.many().get(1).and_then(Reply::bytes)) else {
                    continue;
                };
                together += bytes.len();
                at = end;
                chunks.push(Chunk { start: end.saturating_sub(bytes.len() as u64), bytes: bytes.clone() });
            }
            if at == before {
                if let Some(bytes) = replies[1].bytes().filter(|bytes| !bytes.is_empty()) {
                    chunks.push(Chunk { start: at, bytes: bytes.clone() });
                }
                break;
            }
        }
        Ok(chunks)
    }
}

/// The commands that read these streams.
fn questions(streams: &[StreamNo]) -> Commands {
    let mut commands = Commands::default();
    for stream in streams {
        commands.push(&["HMGET", &key(format_args!("s:{stream}")), "version", "meta", "end", "holder"]);
    }
    commands
}

impl LogStore for RedisStore {
    /// Streams are loaded elsewhere, by code that knows which ones other relays run.
    fn recover(&self) -> Result<Recovery, StoreError> {
        Ok(Recovery { incarnation: 1, next: 0, streams: Vec::new() })
    }

    fn commit(&self, writes: Vec<Write>, _durable: bool) -> Result<Vec<Refused>, StoreError> {
        self.runtime.block_on(self.commit_async(writes))
    }

    fn commit_async(&self, writes: Vec<Write>) -> Committing<'_> {
        let mut parts: Vec<Part> = Vec::new();
        for write in writes {
            let stream = write.stream();
            if parts.last().is_none_or(|part| part.stream != stream) {
                parts.push(Part { stream, ..Part::default() });
            }
            let Some(part) = parts.last_mut() else { continue };
            match write {
                Write::Meta { meta, .. } => part.meta = meta,
                Write::Request { request, .. } => part.request = request,
                Write::Chunk { start, bytes, .. } => {
                    if part.chunks.is_empty() {
                        part.first_end = start + bytes.len() as u64;
                    }
                    part.chunks.push(bytes);
                }
                Write::Remove { .. } => part.is_removal = true,
            }
        }
        Box::pin(async move { self.write(&parts).await })
    }

    fn read(&self, stream: StreamNo, from: u64, max_bytes: usize) -> Result<Vec<Chunk>, StoreError> {
        self.block_on(self.read_from(stream, from, max_bytes))
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Releases the lease, so that the others need not wait for it to expire.
    fn close(&self) -> Result<(), StoreError> {
        let relay = self.relay().to_string();
        let mut commands = Commands::default();
        commands.push(&["SREM", &key("relays"), &relay]);
        commands.push(&["DEL", &key(format_args!("lease:{relay}")), &key(format_args!("orders:{relay}"))]);
        commands.push(&["SADD", &key("dead"), &relay]);
        self.block_on(self.ask(&commands)).map(drop)
    }

    fn find(&self, stream: StreamNo) -> Result<Option<Recovered>, StoreError> {
        let Some(Stored { version, meta, end, .. }) = self.block_on(self.found(stream))? else {
            return Ok(None);
        };
        self.is_at(stream, version);
        Ok(Some(Recovered { stream, meta, end }))
    }

    fn request(&self, stream: StreamNo) -> Result<Option<Bytes>, StoreError> {
        let reply = self.block_on(self.one(&["HGET", &key(format_args!("s:{stream}")), "request"]))?;
        Ok(reply.bytes().cloned())
    }

    fn room(&self) -> Room {
        match self.room.load(Ordering::Relaxed) {
            0 => Room::Enough,
            1 => Room::Full,
            _ => Room::Failed,
        }
    }

    fn mend(&self) -> Result<(), StoreError> {
        let mut commands = Commands::default();
        commands.push(&["PING"]);
        self.block_on(self.ask_kept(commands))?;
        self.set_room(Room::Enough);
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        0
    }

    fn is_memory(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn follow(&self, stream: StreamNo) {
        self.to_follow.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        self.follow_requested.notify_one();
    }
}
