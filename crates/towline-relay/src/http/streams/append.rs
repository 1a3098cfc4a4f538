//! `POST`: appends bytes, closes the stream, or both at once.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, StatusCode};

use super::super::answer::{Answer, Code, Refusal, empty, set};
use super::super::input;
use super::{broken, content_type, is_closed, json, room_for, store_failed};
use crate::log::{Broken, Changing};
use crate::meta::{Producer, media_type, now_ms};
use crate::registry::Entry;
use crate::relay::Relay;

/// How often an append is retried when other relays are faster.
const TRIES: usize = 100;
/// Number of producers that a stream remembers.
const PRODUCERS: usize = 256;
/// The maximum length of a producer's name and of `Stream-Seq`, in bytes.
const NAME_BYTES: usize = 256;

struct Append {
    bytes: Bytes,
    /// The media type of a body that is not empty.
    media_type: Option<String>,
    closes: bool,
    producer: Option<(String, Producer)>,
    seq: Option<String>,
}

enum AppendResult {
    Appended,
    /// It was appended before; with the producer's progress.
    Duplicate(Producer),
}

pub(super) async fn post(relay: &Relay, entry: Entry, request: Request<Incoming>) -> Result<Answer, Refusal> {
    if entry.job.is_some() || entry.log.with_meta(|meta, _| meta.job.is_some()) {
        return Err(Refusal::new(Code::Forbidden, "the stream is an answer; only its job writes it"));
    }
    let (parts, body) = request.into_parts();
    let limits = &relay.config.limits;
    let input::ReceivedBody { bytes: body, room: _room } =
        input::read(relay, body, limits.append_bytes).await?;
    let append = Append::read(&parts.headers, body, &entry)?;
    let producer = append.producer.clone();
    let brings_bytes = !append.bytes.is_empty();
    room_for(relay, &entry.owner, append.bytes.len())?;
    let most = limits.log_bytes;
    let mut tries = 0;
    let (done, end, closed) = loop {
        tries += 1;
        let changed = entry.log.change(|log| {
            let done = append.apply(log, most)?;
            Ok((done, log.end(), log.meta().closed))
        });
        let written = match changed {
            Ok((result, ticket)) => {
                let done = result?;
                // A duplicate is acknowledged once the first is written.
                entry.log.written(ticket).await.map(|()| done)
            }
            Err(why) => Err(why),
        };
        match (written, &relay.shared) {
            (Ok(done), _) => break done,
            // Another relay was faster: its write comes first.
            (Err(Broken::Taken), Some(shared)) if tries < TRIES => {
                shared.reload(&entry).await.map_err(store_failed)?;
            }
            (Err(why), _) => return Err(broken(why)),
        }
    };
    let (status, shown) = match (done, producer) {
        (AppendResult::Appended, None) => (StatusCode::NO_CONTENT, None),
        (AppendResult::Appended, Some((_, producer))) if brings_bytes => (StatusCode::OK, Some(producer)),
        (AppendResult::Appended, Some((_, producer))) => (StatusCode::NO_CONTENT, Some(producer)),
        (AppendResult::Duplicate(producer), _) => (StatusCode::NO_CONTENT, Some(producer)),
    };
    let mut answer = empty(status);
    if let Some(Producer { epoch, seq }) = shown {
        set(&mut answer, "producer-epoch", &epoch.to_string());
        set(&mut answer, "producer-seq", &seq.to_string());
    }
    set(&mut answer, "stream-next-offset", &end.to_string());
    if closed {
        set(&mut answer, "stream-closed", "true");
    }
    Ok(answer)
}

impl Append {
    fn read(headers: &HeaderMap, body: Bytes, entry: &Entry) -> Result<Self, Refusal> {
        let closes = input::is_true(headers, "stream-closed");
        let producer = producer(headers)?;
        let seq = input::header(headers, "stream-seq")?.map(str::to_owned);
        if seq.as_ref().is_some_and(|seq| seq.len() > NAME_BYTES) {
            return Err(Refusal::bad(format!("Stream-Seq is longer than {NAME_BYTES} bytes")));
        }
        if body.is_empty() {
            if !closes {
                return Err(Refusal::bad(
                    "the body is empty: there is nothing to append; Stream-Closed: true closes the stream",
                ));
            }
            return Ok(Self { bytes: body, media_type: None, closes, producer, seq });
        }
        let Some(content_type) = content_type(headers)? else {
            return Err(Refusal::bad("a Content-Type is needed, the same as the stream's"));
        };
        let media_type = media_type(content_type);
        let (is_json, closed) = entry.log.with_meta(|meta, _| (meta.is_json(), meta.closed));
        // Whether the stream is closed, and its type, are checked again under the lock.
        let takes_json = is_json && !closed && media_type == "application/json";
        let bytes = if takes_json { json::messages(&body, false)? } else { body };
        Ok(Self { bytes, media_type: Some(media_type), closes, producer, seq })
    }

    /// Appends, or returns the refusal without a change.
    fn apply(&self, log: &mut Changing<'_>, most: u64) -> Result<AppendResult, Refusal> {
        let end = log.end();
        let closed = log.meta().closed;
        if let Some((id, producer)) = &self.producer
            && let Some(known) = log.meta().producers.get(id).copied()
        {
            if producer.epoch == known.epoch && producer.seq <= known.seq {
                return Ok(AppendResult::Duplicate(known));
            }
            if producer.epoch < known.epoch {
                let message = "the producer's epoch is over: a newer one has replaced it";
                let refusal = Refusal::new(Code::Forbidden, message);
                return Err(refusal.with("producer-epoch", known.epoch.to_string()));
            }
        }
        if closed {
            let closes_only = self.closes && self.bytes.is_empty() && self.producer.is_none();
            return if closes_only { Ok(AppendResult::Appended) } else { Err(is_closed(&end.to_string())) };
        }
        if self.media_type.as_ref().is_some_and(|own| *own != log.meta().media_type()) {
            let is = &log.meta().content_type;
            return Err(Refusal::new(
                Code::Conflict,
                format!("the Content-Type of the stream is {is}, that of the body is not"),
            ));
        }
        if let Some((id, producer)) = &self.producer {
            check_order(log, id, *producer)?;
        }
        if let Some(seq) = &self.seq
            && log.meta().last_seq.as_ref().is_some_and(|last| seq <= last)
        {
            return Err(Refusal::new(Code::Conflict, "Stream-Seq does not follow the last one"));
        }
        if end.position + self.bytes.len() as u64 > most {
            let message = format!("the stream would be longer than {most} bytes, which is limits.log");
            return Err(Refusal::new(Code::TooLarge, message));
        }
        let meta = log.meta_mut();
        meta.touched_ms = now_ms();
        if self.seq.is_some() {
            meta.last_seq.clone_from(&self.seq);
        }
        if let Some((id, producer)) = &self.producer {
            meta.producers.insert(id.clone(), *producer);
        }
        if self.closes {
            meta.closed_by.clone_from(&self.producer);
            log.close();
        }
        log.append(&self.bytes);
        Ok(AppendResult::Appended)
    }
}

fn check_order(log: &Changing<'_>, id: &str, producer: Producer) -> Result<(), Refusal> {
    let known = log.meta().producers.get(id).copied();
    let expected = match known {
        Some(known) if producer.epoch == known.epoch => known.seq + 1,
        Some(_) if producer.seq != 0 => {
            return Err(Refusal::bad("a new epoch of a producer begins with Producer-Seq 0"));
        }
        Some(_) => 0,
        None if log.meta().producers.len() >= PRODUCERS => {
            return Err(Refusal::new(
                Code::Limit,
                format!("the stream has {PRODUCERS} producers, which is the limit"),
            ));
        }
        None => 0,
    };
    if producer.seq == expected {
        return Ok(());
    }
    Err(Refusal::new(Code::Conflict, "appends of this producer are missing before this one")
        .with("producer-expected-seq", expected.to_string())
        .with("producer-received-seq", producer.seq.to_string()))
}

fn producer(headers: &HeaderMap) -> Result<Option<(String, Producer)>, Refusal> {
    let id = input::header(headers, "producer-id")?;
    let epoch = input::header(headers, "producer-epoch")?;
    let seq = input::header(headers, "producer-seq")?;
    let (id, epoch, seq) = match (id, epoch, seq) {
        (None, None, None) => return Ok(None),
        (Some(id), Some(epoch), Some(seq)) => (id, epoch, seq),
        (None | Some(_), None | Some(_), None | Some(_)) => {
            return Err(Refusal::bad("Producer-Id, Producer-Epoch and Producer-Seq belong together"));
        }
    };
    if id.is_empty() || id.len() > NAME_BYTES {
        return Err(Refusal::bad(format!("Producer-Id takes 1 to {NAME_BYTES} bytes")));
    }
    match (input::digits(epoch), input::digits(seq)) {
        (Some(epoch), Some(seq)) => Ok(Some((id.to_owned(), Producer { epoch, seq }))),
        (None, _) | (_, None) => {
            Err(Refusal::bad("Producer-Epoch and Producer-Seq take whole numbers up to 2^53 - 1, in digits"))
        }
    }
}
