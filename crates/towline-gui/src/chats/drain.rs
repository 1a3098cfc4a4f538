//! What jobs have yielded comes into the chats.

use towline::engine::{Batch, JobId};
use towline::{Ending, Outcome};
use towline_app::chat::{AnswerId, Held, Shown, is_out_of_reach, session};

use super::{Chat, ChatKey, Live, Note};

/// What one look takes at most, in bytes; the rest comes with the next frame.
const MAX_FRAME_BYTES: usize = 512 << 10;
/// What is read of one answer at least, in bytes, so that no number of others keeps it from going on.
const MIN_SHARE_BYTES: usize = 4 << 10;

/// An answer that has ended.
#[derive(Debug)]
pub struct Drained {
    /// Its chat.
    pub chat: ChatKey,
    /// Which it is.
    pub answer: AnswerId,
    /// What is announced of its end, if anything.
    pub text: Option<&'static str>,
}

/// What one look brought.
#[derive(Debug, Default)]
pub struct Looked {
    /// The answers that have ended.
    pub ended: Vec<Drained>,
    /// Jobs whose answers go on at the relay; there is nothing to know of them here.
    pub left: Vec<JobId>,
    /// What chats have at the relay is no longer what it was.
    pub is_relay_changed: bool,
    /// There is more.
    pub has_more: bool,
}

/// Takes what is new from the answers on their way: of each a share of half a megabyte.
pub fn drain<'a>(chats: impl Iterator<Item = &'a mut Chat>) -> Looked {
    let chats: Vec<&mut Chat> = chats.filter(|chat| !chat.live.is_empty()).collect();
    let live: usize = chats.iter().map(|chat| chat.live.len()).sum();
    let share = (MAX_FRAME_BYTES / live.max(1)).max(MIN_SHARE_BYTES);
    let mut looked = Looked::default();
    for chat in chats {
        let mut live = std::mem::take(&mut chat.live);
        for one in &mut live {
            one.info = one.job.info();
            looked.is_relay_changed |= chat.note(one);
            let mut taken = 0;
            while taken < share
                && let Some(batch) = one.reader.try_read_at_most(share - taken)
            {
                // Before its first piece, so that the file says what of the answer is the relay's.
                looked.is_relay_changed |= chat.note(one);
                taken += chat.receive(one.answer, &mut one.known, &batch);
                if let Some(outcome) = &batch.outcome {
                    chat.over(one, outcome, &mut looked);
                }
            }
            looked.has_more |= taken >= share && !one.reader.is_ended();
        }
        live.retain(|one| !one.reader.is_ended());
        live.append(&mut chat.live);
        chat.live = live;
    }
    looked
}

impl Chat {
    /// Remembers the relay's name for an answer, once there is one. Whether that is new.
    fn note(&mut self, live: &mut Live) -> bool {
        if live.is_noted {
            return false;
        }
        let Some(name) = live.job.relay_id() else { return false };
        self.note_relay(live.answer, &name);
        live.is_noted = true;
        true
    }

    /// Takes a batch; its size in bytes.
    fn receive(&mut self, id: AnswerId, known: &mut Held, batch: &Batch) -> usize {
        let mut bytes = 0;
        let answer = self.answers.entry(id).or_default();
        for event in &batch.events {
            let rest;
            let event = if *known == Held::default() {
                event
            } else {
                let before = known.text + known.thinking;
                let left = known.skip(event.clone());
                // What is passed over takes its time too.
                bytes += before - (known.text + known.thinking);
                let Some(event) = left else { continue };
                rest = event;
                &rest
            };
            answer.receive(event);
            self.conversation.receive(id, event);
            if let Some(line) = session::piece(id, event) {
                bytes += line.len();
                self.lines.push_str(&line);
            }
        }
        bytes
    }

    /// A job is over: the answer with it, unless it continues at the relay.
    fn over(&mut self, live: &Live, outcome: &Outcome, looked: &mut Looked) {
        looked.is_relay_changed |= live.is_noted;
        let id = live.answer;
        let is_left = live.is_left && matches!(outcome.ending, Ending::Cancelled { .. });
        if is_left {
            self.left.insert(id);
            self.has_left(id, Note::at_relay());
            return looked.left.push(live.job.id());
        }
        if let Some(error) = outcome.ending.error().filter(|error| live.is_noted && is_out_of_reach(error)) {
            self.has_left(id, Note::out_of_reach(&error));
            looked.left.push(live.job.id());
        } else {
            self.ended(id, outcome, live.is_noted);
        }
        let text = match outcome.ending {
            Ending::Completed(_) => Some("The answer is complete."),
            Ending::Cancelled { .. } => None,
            Ending::Truncated(_) => Some("The answer was cut off."),
            Ending::TimedOut { .. } => Some("The answer timed out."),
            Ending::Failed(_) => Some("There is no answer: it failed."),
        };
        looked.ended.push(Drained { chat: self.key, answer: id, text });
    }

    fn ended(&mut self, id: AnswerId, outcome: &Outcome, is_relayed: bool) {
        let note = if is_relayed { Note::of_relayed(outcome) } else { Note::of(outcome) };
        let answer = self.answers.entry(id).or_default();
        answer.text.finish();
        answer.note = note;
        let is_nothing = self.conversation.answer(id).is_some_and(|answer| answer.is_empty());
        if is_nothing && !outcome.is_completed() {
            // It stays on screen, with why; it is no part of the conversation, and the history does not keep it.
            self.conversation.over_at_relay(id);
            self.lines.push_str(&session::take_out(id));
            let turn = self.conversation.turn(id.turn);
            let has_others =
                turn.is_some_and(|turn| turn.variants().len() > 1 && turn.shown != Shown::SideBySide);
            if has_others && matches!(outcome.ending, Ending::Cancelled { .. }) {
                // Stopped before its first word: the answer before it is shown again.
                self.conversation.take_out(id);
                self.answers.remove(&id);
            }
        } else if self.conversation.end(id, outcome)
            && let Some(answer) = self.conversation.answer(id)
        {
            self.lines.push_str(&session::end(answer));
        }
        self.touch();
    }
}
