//! Reads the new events of jobs into the chats.

use towline::engine::{Batch, JobId};
use towline::{Ending, Outcome};
use towline_app::chat::{AnswerId, Ended, Reading, Selection};

use super::{Chat, ChatKey, Note, RunningAnswer};

/// Maximum amount that one frame reads, in bytes; the rest follows in the next frames.
const MAX_FRAME_BYTES: usize = 512 << 10;
/// Minimum amount that is read of one answer, in bytes, so that other answers never block it.
const MIN_SHARE_BYTES: usize = 4 << 10;

/// An answer that has ended.
#[derive(Debug)]
pub struct Drained {
    /// Its chat.
    pub chat: ChatKey,
    /// Which it is.
    pub answer: AnswerId,
    /// The text of the notification of its end, if any.
    pub text: Option<&'static str>,
}

/// The result of one read.
#[derive(Debug, Default)]
pub struct Drain {
    /// The answers that have ended.
    pub ended: Vec<Drained>,
    /// Jobs whose answers continue on the relay, and are no longer tracked here.
    pub left: Vec<JobId>,
    /// Whether the set of answers on the relay has changed.
    pub is_relay_changed: bool,
    /// There is more.
    pub has_more: bool,
}

/// Reads the new events of the running answers, each up to its share of half a megabyte.
pub fn drain<'a>(chats: impl Iterator<Item = &'a mut Chat>) -> Drain {
    let chats: Vec<&mut Chat> = chats.filter(|chat| !chat.live.is_empty()).collect();
    let live: usize = chats.iter().map(|chat| chat.live.len()).sum();
    let share = (MAX_FRAME_BYTES / live.max(1)).max(MIN_SHARE_BYTES);
    let mut drained = Drain::default();
    for chat in chats {
        let mut live = std::mem::take(&mut chat.live);
        for one in &mut live {
            drained.is_relay_changed |= chat.note_relay(one);
            let mut taken = 0;
            while taken < share
                && let Some(batch) = one.reader.try_read_at_most(share - taken)
            {
                // Before its first piece, so that the history knows which part of the answer is on the relay.
                drained.is_relay_changed |= chat.note_relay(one);
                taken += chat.receive(&mut one.reading, &batch);
                if let Some(outcome) = &batch.outcome {
                    chat.over(one, outcome, &mut drained);
                }
            }
            drained.has_more |= taken >= share && !one.reader.is_ended();
        }
        live.retain(|one| !one.reader.is_ended());
        live.append(&mut chat.live);
        chat.live = live;
    }
    drained
}

impl Chat {
    /// Takes a batch, and returns its size in bytes.
    fn receive(&mut self, reading: &mut Reading, batch: &Batch) -> usize {
        let answer = self.answers.entry(reading.id()).or_default();
        // Skipped text takes time too.
        let (written, repeated) = (self.lines.len(), reading.repeated_bytes());
        for event in &batch.events {
            if let Some(event) = reading.receive(&mut self.conversation, event, &mut self.lines) {
                answer.receive(&event);
            }
        }
        self.lines.len() - written + repeated - reading.repeated_bytes()
    }

    /// Handles the end of a job, which ends the answer unless it continues on the relay.
    fn over(&mut self, live: &RunningAnswer, outcome: &Outcome, drained: &mut Drain) {
        let (id, is_relayed) = (live.reading.id(), live.reading.relay().is_some());
        drained.is_relay_changed |= is_relayed;
        let ended = live.reading.end(&mut self.conversation, outcome, &mut self.lines);
        let answer = self.answers.entry(id).or_default();
        match (ended, outcome.ending.error()) {
            (Ended::Detached, _) if live.reading.is_detached() => {
                answer.note = Some(Note::at_relay());
                self.left.insert(id);
                self.leaving.push(id);
                return drained.left.push(live.job.id());
            }
            (Ended::Detached, error) => {
                answer.note = error.as_ref().map(Note::out_of_reach);
                drained.left.push(live.job.id());
            }
            (Ended::Kept | Ended::Nothing, _) => {
                answer.text.finish();
                answer.note = if is_relayed { Note::of_relayed(outcome) } else { Note::of(outcome) };
                self.touch();
            }
        }
        let was_cancelled = matches!(outcome.ending, Ending::Cancelled { .. });
        if ended == Ended::Nothing && was_cancelled {
            self.show_before(id);
        }
        let text = match outcome.ending {
            Ending::Completed(_) => Some("The answer is complete."),
            Ending::Cancelled { .. } => None,
            Ending::Truncated(_) => Some("The answer was cut off."),
            Ending::TimedOut { .. } => Some("The answer timed out."),
            Ending::Failed(_) => Some("There is no answer: it failed."),
        };
        drained.ended.push(Drained { chat: self.key, answer: id, text });
    }

    /// After a cancel before the first word, shows the previous answer again. If there is none, the answer
    /// stays on screen with the reason, but is not part of the conversation.
    fn show_before(&mut self, id: AnswerId) {
        let turn = self.conversation.turn(id.turn);
        if turn.is_some_and(|turn| turn.variants().len() > 1 && turn.shown != Selection::SideBySide) {
            self.conversation.remove_answer(id);
            self.answers.remove(&id);
        }
    }
}
