//! Restores the streams that a store has after the previous process ended.

use std::sync::Arc;
use std::time::Instant;

use towline_core::outcome::Ending;
use towline_core::stream::{BodyEnd, Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};

use crate::job::{Ended, Recorded, error_record};
use crate::log::{StreamLog, Writer};
use crate::meta::{Framing, JobRecord, Meta, OneValue, now_ms};
use crate::quota::Usage;
use crate::registry::{Entry, StreamRegistry};
use crate::store::{Recovered, StoreError};

/// How much of the end of a log is searched for its last record, in bytes.
const END_BYTES: u64 = 256 << 10;

/// Restores a stream, and closes it if it was running when the process ended. If the model server had sent
/// its terminal record, that is the outcome; otherwise the relay appends a terminal record.
pub(crate) fn restore(registry: &StreamRegistry, usage: &Usage, incarnation: u64, found: Recovered) {
    let mut meta: Meta = match serde_json::from_slice(&found.meta) {
        Ok(meta) => meta,
        Err(error) => {
            tracing::error!(stream = found.stream, %error, "the description of a stream cannot be read; the stream is left alone");
            return;
        }
    };
    if let Some(JobRecord { tokens: Some(tokens), ended_ms: Some(ended_ms), .. }) = &meta.job {
        usage.spend(&meta.owner, *tokens, *ended_ms);
    }
    let is_cut = !meta.closed;
    if is_cut {
        meta.incarnations.resume(incarnation, found.end);
    }
    let log = StreamLog::recovered(found.stream, Arc::clone(registry.writer()), meta.clone(), found.end);
    registry.restore(&meta, Arc::clone(&log), None);
    if is_cut {
        let sent = meta.job.as_ref().is_none_or(|job| job.sent);
        let end = End::read(registry.writer(), log.no, found.end).unwrap_or_else(|error| {
            tracing::error!(stream = meta.id.as_str(), %error, "the end of a stream cannot be read");
            End::default()
        });
        close(&log, &meta, &end, || Ended::interrupted(sent));
    }
}

/// Repairs a log that the store did not accept: resets it to the state in the store, and closes it if it is
/// an answer. A log that was never written is removed.
///
/// # Errors
/// If the store cannot be read; then nothing is changed.
pub(crate) fn mend(registry: &StreamRegistry, entry: &Entry) -> Result<(), StoreError> {
    let writer = registry.writer();
    let found = writer.store().find(entry.log.no)?;
    let Some((meta, end)) =
        found.and_then(|found| Some((serde_json::from_slice::<Meta>(&found.meta).ok()?, found.end)))
    else {
        registry.expire(entry);
        return Ok(());
    };
    let last = End::read(writer, entry.log.no, end)?;
    if entry.log.mend(meta.clone(), end) && !meta.closed {
        close(&entry.log, &meta, &last, Ended::not_written);
        registry.changed(entry);
    }
    Ok(())
}

/// Closes an answer that has no job any more and whose log has this end.
pub(crate) fn close(log: &Arc<StreamLog>, meta: &Meta, end: &End, interrupted: impl FnOnce() -> Ended) {
    let Some(job) = &meta.job else { return };
    let kind = Recorded::of_path(&job.path).unwrap_or(Recorded::Chat);
    let ended = end.stored_ending(kind, &meta.media_type(), job.framing).unwrap_or_else(interrupted);
    let closed = log.change(|log| {
        let record = error_record(&ended, kind, &log.meta().media_type(), &end.bytes);
        log.append(&record);
        log.close();
        if let Some(job) = &mut log.meta_mut().job {
            job.ended = Some(ended.state.clone());
            job.ended_ms = Some(now_ms());
            job.cause.clone_from(&ended.cause);
        }
    });
    if closed.is_err() {
        tracing::error!(stream = meta.id.as_str(), "a stream without a job could not be closed");
    }
}

/// The last bytes of a log.
#[derive(Debug, Default)]
pub(crate) struct End {
    bytes: Vec<u8>,
    /// Whether these are all bytes of the log.
    is_all: bool,
}

impl End {
    /// Reads the last bytes of a log that is `end` bytes long. Blocks.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn read(writer: &Writer, stream: u64, end: u64) -> Result<Self, StoreError> {
        let from = end.saturating_sub(END_BYTES);
        let chunks = writer.store().read(stream, from, usize::MAX)?;
        let start = chunks.first().map_or(end, |chunk| chunk.start);
        let mut bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect();
        bytes.drain(..usize::try_from(from.saturating_sub(start)).unwrap_or(0).min(bytes.len()));
        Ok(Self { bytes, is_all: from == 0 })
    }

    /// The ending that the model server sent; `None` if it sent none.
    fn stored_ending(&self, kind: Recorded, media_type: &str, framing: Framing) -> Option<Ended> {
        if framing == Framing::Whole && media_type == "application/json" {
            let mut value = OneValue::default();
            value.received(&self.bytes);
            if !self.is_all || !value.is_whole() {
                return None;
            }
        }
        let mut ended = Ended::of(&self.ending(kind, media_type)?, true);
        if framing == Framing::Whole {
            ended.is_said = true;
        }
        ended.is_said.then_some(ended)
    }

    /// The result of the lifecycle for these bytes. If they are not the whole log, it starts after the first
    /// end of a record.
    fn ending(&self, kind: Recorded, media_type: &str) -> Option<Ending> {
        let separator: &[u8] = if media_type == "text/event-stream" { b"\n\n" } else { b"\n" };
        let begins = match self.is_all {
            true => 0,
            false => self.bytes.windows(separator.len()).position(|at| at == separator)? + separator.len(),
        };
        let now = Instant::now();
        let limits = Limits { line_bytes: usize::MAX, ..Limits::default() };
        let mut life = Lifecycle::new(kind.dialect(), Timeouts::default(), limits, now).without_reply();
        life.sent(now);
        let head = Opened { status: 200, content_type: media_type.to_owned(), retry_after: None };
        life.opened(&head, now);
        life.bytes(&self.bytes[begins..], now);
        while life.next_event().is_some() {}
        life.ended(BodyEnd::Clean, now);
        while life.next_event().is_some() {}
        life.take_outcome().map(|outcome| outcome.ending)
    }
}

#[cfg(test)]
mod tests {
    use towline::relay::AnswerState;

    use super::*;

    fn stored_ending(kind: Recorded, framing: Framing, log: &str) -> Option<AnswerState> {
        let end = End { bytes: log.into(), is_all: true };
        end.stored_ending(kind, framing.content_type(), framing).map(|ended| ended.state)
    }

    #[test]
    fn what_the_server_said_before_the_process_died_is_the_end() {
        let text = "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n";
        let done = "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";
        let chat = |log: &str| stored_ending(Recorded::Chat, Framing::Lines, log);
        assert_eq!(chat(text), None);
        assert_eq!(chat(""), None);
        assert_eq!(chat(&format!("{text}{done}")), Some(AnswerState::Completed));
        assert_eq!(chat(&format!("{text}{{\"error\":\"no\"}}\n")), Some(AnswerState::Failed));
        let events = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
        let openai = |log: &str| stored_ending(Recorded::OpenAiChat, Framing::Events, log);
        assert_eq!(openai(events), None);
        assert_eq!(openai(&format!("{events}data: [DONE]\n\n")), Some(AnswerState::Completed));
        let messages = |log: &str| stored_ending(Recorded::Messages, Framing::Events, log);
        let begun = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"content\":[]}}\n\n";
        assert_eq!(messages(begun), None);
        let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        assert_eq!(messages(&format!("{begun}{stop}")), Some(AnswerState::Completed));
        let whole = |log: &str| stored_ending(Recorded::Chat, Framing::Whole, log);
        assert_eq!(whole(done), Some(AnswerState::Completed));
        assert_eq!(whole(text), Some(AnswerState::Truncated));
        assert_eq!(whole(&done[..20]), None);
    }

    #[test]
    fn a_long_log_is_judged_by_its_end() {
        let end = |bytes: &str| End { bytes: bytes.into(), is_all: false };
        let cut = "tent\":\"a\"},\"done\":false}\n";
        let done = "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";
        let media_type = "application/x-ndjson";
        assert!(
            end(&format!("{cut}{done}")).stored_ending(Recorded::Chat, media_type, Framing::Lines).is_some()
        );
        assert!(end(cut).stored_ending(Recorded::Chat, media_type, Framing::Lines).is_none());
        assert!(
            end("no end of a record").stored_ending(Recorded::Chat, media_type, Framing::Lines).is_none()
        );
    }
}
