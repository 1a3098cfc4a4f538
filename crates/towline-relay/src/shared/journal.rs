//! The journal of the store: streams that other relays create, change and remove; and their orders to this
//! one.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::{MISSED, OrderPositions, Positions, Shared};
use crate::job::{ForwardedOrder, Holder, Job, JobStatus};
use crate::log::{News, StreamLog};
use crate::meta::Meta;
use crate::registry::Entry;
use crate::store::redis::{Commands, Reply, Stored, Version, key, none_failed};
use crate::store::{RedisError, StreamNo};

/// Number of entries that are read at once.
const ENTRIES: usize = 500;
/// Number of streams that are read at once.
const STREAMS: usize = 256;
/// Approximate number of journal entries that are kept.
const KEPT: &str = "10000";

/// Reads the metadata of all streams.
async fn read_all(shared: &Shared) -> Result<(), RedisError> {
    let own = shared.relay();
    let mut read = shared.read.lock().await;
    if !is_behind(&read, own) {
        return Ok(());
    }
    // A stream that is created from here on may be missing from the result; that does not mean that it was
    // removed.
    let is_written = |entry: &Entry| shared.store.version(entry.log.no) != Version::default();
    let known: Vec<Entry> = shared.registry.all().filter(is_written).collect();
    // Entries that are written meanwhile are read afterwards.
    let mut commands = Commands::default();
    commands.push(&["XREVRANGE", &key("journal"), "+", "-", "COUNT", "1"]);
    commands.push(&["SMEMBERS", &key("all")]);
    let replies = none_failed(shared.store.ask_leader(commands).await?)?;
    let [last, all] = &replies[..] else {
        return Err(RedisError::Refused("some commands have no reply".into()));
    };
    let last = last.many().first().and_then(|entry| entry.many().first()?.text().map(str::to_owned));
    let all: Vec<StreamNo> = all.many().iter().filter_map(Reply::number).collect();
    for some in all.chunks(STREAMS) {
        for (stream, stored) in shared.store.stored(some).await? {
            apply_entry(shared, stream, stored);
        }
    }
    let all: std::collections::HashSet<StreamNo> = all.into_iter().collect();
    for entry in known.iter().filter(|entry| !all.contains(&entry.log.no)) {
        is_gone(shared, entry);
    }
    read.journal = last.unwrap_or_else(|| "0-0".into());
    (read.at, read.relay) = (Instant::now(), own);
    Ok(())
}

/// Whether the journal no longer has all changes that this relay needs.
fn is_behind(read: &Positions, own: u64) -> bool {
    read.relay != own || read.at.elapsed() > MISSED
}

/// Reads the journal to its end: one read serves all callers that asked before it began.
pub(super) async fn catch_up(shared: &Shared) -> Result<(), RedisError> {
    let own = shared.asked.fetch_add(1, Ordering::Relaxed) + 1;
    let mut read = shared.read.lock().await;
    if read.asked >= own {
        return Ok(());
    }
    let asked = shared.asked.load(Ordering::Relaxed);
    if is_behind(&read, shared.relay()) {
        drop(read);
        return read_all(shared).await;
    }
    loop {
        let count = ENTRIES.to_string();
        let mut commands = Commands::default();
        commands.push(&["XREAD", "COUNT", &count, "STREAMS", &key("journal"), &read.journal]);
        let reply = none_failed(shared.store.ask_kept(commands).await?)?.pop().unwrap_or(Reply::None);
        let entries = entries(&reply);
        for (id, fields) in &entries {
            apply(shared, fields);
            read.journal.clone_from(id);
        }
        read.at = Instant::now();
        if entries.len() < ENTRIES {
            read.asked = asked;
            return Ok(());
        }
    }
}

/// The entries of one stream of Redis, each with its fields.
fn entries(reply: &Reply) -> Vec<(String, &[Reply])> {
    let of_stream = reply.many().first().and_then(|stream| stream.many().get(1));
    let entry = |entry: &'_ Reply| entry.many().first().and_then(Reply::text).map(str::to_owned);
    let all = of_stream.map(Reply::many).unwrap_or_default();
    all.iter().filter_map(|one| Some((entry(one)?, one.many().get(1)?.many()))).collect()
}

fn field<'a>(fields: &'a [Reply], name: &str) -> Option<&'a Reply> {
    fields.chunks_exact(2).find(|pair| pair[0].text() == Some(name)).map(|pair| &pair[1])
}

fn apply(shared: &Shared, fields: &[Reply]) {
    let Some(no) = field(fields, "no").and_then(Reply::number) else { return };
    let end = field(fields, "end").and_then(Reply::number).unwrap_or(0);
    match field(fields, "kind").and_then(Reply::text) {
        Some("meta") => {
            let version = field(fields, "version").and_then(Reply::text).and_then(Version::parse);
            let meta = field(fields, "data").and_then(Reply::bytes).cloned();
            let holder = field(fields, "holder").and_then(Reply::number);
            if let (Some(version), Some(meta)) = (version, meta) {
                apply_entry(shared, no, Stored { version, meta, end, holder });
            }
        }
        Some("gone") => {
            if let Some(entry) = shared.registry.numbered(no) {
                is_gone(shared, &entry);
            }
        }
        Some("shown") => {
            let shown = field(fields, "data").and_then(Reply::text);
            let shown: Option<JobStatus> = shown.and_then(|text| serde_json::from_str(text).ok());
            if let (Some(entry), Some(shown)) = (shared.registry.numbered(no), shown)
                && let Some(job) = entry.job.as_ref().filter(|job| job.is_elsewhere())
            {
                entry.log.feed(News { meta: None, end, bytes: None });
                job.is_shown(shown);
                shared.registry.changed(&entry);
            }
        }
        // A later version's.
        Some(_) | None => {}
    }
}

pub(super) fn is_gone(shared: &Shared, entry: &Entry) {
    shared.store.forget(entry.log.no);
    shared.followed().remove(&entry.log.no);
    shared.registry.forget(entry);
}

/// The metadata of a stream; invalid metadata is logged and otherwise ignored.
pub(super) fn described(stream: StreamNo, stored: &Stored) -> Option<Meta> {
    let meta = serde_json::from_slice(&stored.meta);
    meta.inspect_err(|error| tracing::error!(stream, %error, "the description of a stream cannot be read"))
        .ok()
}

/// Updates a stream from the journal, unless the entry is older. An unknown stream is new. Only for readers
/// of the journal, because a later entry says whether the stream was removed.
pub(super) fn apply_entry(shared: &Shared, stream: StreamNo, stored: Stored) {
    let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
    match shared.registry.numbered(stream) {
        Some(entry) => is_changed(shared, &entry, stored),
        None if shared.store.version(stream) == Version::default() => is_new(shared, stream, stored),
        // It is being removed here. If others have written it, the store refuses the removal, and it is read
        // again then.
        None => {}
    }
}

/// Like [`apply_entry`], for a direct read: an unknown stream may have been removed since.
pub(super) fn apply_if_known(shared: &Shared, stream: StreamNo, stored: Stored) {
    let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = shared.registry.numbered(stream) {
        is_changed(shared, &entry, stored);
    }
}

/// The tokens of an ended answer, and the time of its end.
fn tokens_of_ended(meta: &Meta) -> Option<(u64, u64)> {
    meta.job.as_ref().and_then(|job| Some((job.tokens?, job.ended_ms?)))
}

fn is_new(shared: &Shared, stream: StreamNo, stored: Stored) {
    let Some(meta) = described(stream, &stored) else { return };
    let log = StreamLog::recovered(stream, Arc::clone(shared.registry.writer()), meta.clone(), stored.end);
    log.is_written_elsewhere();
    let holder = |relay_no| Holder { outbox: Arc::clone(&shared.outbox), stream, relay: relay_no };
    let job = match (&meta.job, stored.holder) {
        (Some(record), Some(by)) if record.ended.is_none() => {
            Some(Job::elsewhere(Arc::clone(&log), record, holder(by)))
        }
        (Some(_) | None, _) => None,
    };
    shared.store.is_at(stream, stored.version);
    if meta.job.is_some() {
        shared.usage.was_asked(&meta.owner, shared.access.rules().quota(&meta.owner), meta.created_ms);
    }
    shared.registry.restore(&meta, log, job);
    if let Some((tokens, at)) = tokens_of_ended(&meta) {
        shared.usage.spend(&meta.owner, tokens, at);
    }
    if let Some(entry) = shared.registry.numbered(stream) {
        shared.registry.changed(&entry);
    }
}

fn is_changed(shared: &Shared, entry: &Entry, stored: Stored) {
    let stream = entry.log.no;
    if entry.runs_here() || stored.version.writes <= shared.store.version(stream).writes {
        return;
    }
    let Some(meta) = described(stream, &stored) else { return };
    let ended = meta.job.as_ref().and_then(|job| job.ended.clone());
    let tokens = tokens_of_ended(&meta);
    let (before, was_ended) = entry.log.with_meta(|meta, _| {
        let job = meta.job.as_ref();
        (job.map(|job| job.name.clone()), job.is_some_and(|job| job.ended.is_some()))
    });
    let is_shown = if entry.log.is_overwritten() {
        entry.log.reload(meta, stored.end)
    } else {
        entry.log.feed(News { meta: Some(meta), end: stored.end, bytes: None })
    };
    if !is_shown {
        return;
    }
    shared.store.is_at(stream, stored.version);
    if let Some(before) = before {
        shared.registry.was_renamed(entry, &before);
    }
    if let Some(state) = ended.filter(|_| !was_ended) {
        if let Some(job) = entry.job.as_ref().filter(|job| job.is_elsewhere()) {
            job.has_ended(state);
            // The rest is in its record.
            shared.registry.replace(Entry { job: None, ..entry.clone() });
        }
        if let Some((tokens, at)) = tokens {
            shared.usage.spend(&entry.owner, tokens, at);
        }
    }
    shared.registry.changed(entry);
}

/// Sends the state of the answers that run here to the other relays.
pub(super) async fn publish_changes(shared: &Shared) -> Result<(), RedisError> {
    let changed = std::mem::take(&mut *shared.changed.lock().unwrap_or_else(PoisonError::into_inner));
    let journal = key("journal");
    let mut commands = Commands::default();
    for no in changed {
        let Some(entry) = shared.registry.numbered(no) else { continue };
        let Some(job) = entry.job.as_ref().filter(|job| !job.state().is_ended()) else { continue };
        // Plain data can always be written as JSON.
        let shown = serde_json::to_string(&job.shown()).unwrap_or_default();
        let (no, end) = (no.to_string(), entry.log.visible().end.position.to_string());
        commands.push(&[
            "XADD", &journal, "MAXLEN", "~", KEPT, "*", "kind", "shown", "no", &no, "end", &end, "data",
            &shown,
        ]);
    }
    if commands.count() > 0 {
        commands.push(&["PUBLISH", &journal, ""]);
        shared.store.ask(&commands).await?;
    }
    Ok(())
}

/// Carries out the orders of other relays' clients, in the sequence of the store.
pub(super) async fn apply_orders(shared: &Shared) -> Result<(), RedisError> {
    // A caller that arrives meanwhile finds all earlier orders carried out.
    let mut orders = shared.orders.lock().await;
    let own = shared.relay();
    if orders.relay != own {
        *orders = OrderPositions { relay: own, ..OrderPositions::default() };
    }
    let key = key(format_args!("orders:{own}"));
    loop {
        let count = ENTRIES.to_string();
        let reply = shared.store.one(&["XREAD", "COUNT", &count, "STREAMS", &key, &orders.read]).await?;
        let entries = entries(&reply);
        for (id, fields) in &entries {
            orders.read.clone_from(id);
            let of = |name: &str| field(fields, name).and_then(Reply::number);
            let order = field(fields, "order").and_then(Reply::text);
            let order: Option<ForwardedOrder> = order.and_then(|text| serde_json::from_str(text).ok());
            let (Some(no), Some(by), Some(nth), Some(order)) = (of("no"), of("by"), of("nth"), order) else {
                continue;
            };
            let last = orders.last.entry(by).or_default();
            if nth <= *last {
                continue;
            }
            *last = nth;
            let Some(entry) = shared.registry.numbered(no) else { continue };
            if let ForwardedOrder::Rename(name) = &order {
                // If it has a new holder meanwhile, that one keeps it.
                drop(shared.registry.rename(&entry, name));
            }
            if let Some(job) = entry.job.as_ref().filter(|job| !job.is_elsewhere()) {
                job.apply_order(order, shared.grace, &shared.tasks);
            }
        }
        if entries.len() < ENTRIES {
            return Ok(());
        }
    }
}
