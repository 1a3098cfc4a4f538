//! What jobs have yielded comes into the chats.

use towline::chat::{TurnId, session};
use towline::engine::Batch;
use towline::{JobState, Outcome};

use super::{Chat, ChatKey};

/// What one look takes at most, in bytes; the rest comes with the next frame.
const MAX_FRAME_BYTES: usize = 512 << 10;
/// What is read of one answer at least, in bytes, so that no number of others keeps it from going on.
const MIN_SHARE_BYTES: usize = 4 << 10;

/// An answer that has ended.
#[derive(Debug)]
pub struct Drained {
    /// Its chat.
    pub chat: ChatKey,
    /// Its turn.
    pub turn: TurnId,
    /// How its job ended.
    pub state: JobState,
}

/// Takes what is new from the answers on their way: of each a share of half a megabyte. `true` beside the ended ones
/// when there may be more.
pub fn drain<'a>(chats: impl Iterator<Item = &'a mut Chat>) -> (Vec<Drained>, bool) {
    let chats: Vec<&mut Chat> = chats.filter(|chat| !chat.live.is_empty()).collect();
    let live: usize = chats.iter().map(|chat| chat.live.len()).sum();
    let share = (MAX_FRAME_BYTES / live.max(1)).max(MIN_SHARE_BYTES);
    let (mut ended, mut more) = (Vec::new(), false);
    for chat in chats {
        let mut live = std::mem::take(&mut chat.live);
        for one in &mut live {
            one.info = one.job.info();
            let mut taken = 0;
            while taken < share
                && let Some(batch) = one.reader.try_read_at_most(share - taken)
            {
                taken += chat.receive(one.turn, &batch);
                if let Some(outcome) = &batch.outcome {
                    chat.ended(one.turn, outcome);
                    let state = JobState::of_ending(&outcome.ending);
                    ended.push(Drained { chat: chat.key, turn: one.turn, state });
                }
            }
            more |= taken >= share && !one.reader.is_ended();
        }
        live.retain(|one| !one.reader.is_ended());
        live.append(&mut chat.live);
        chat.live = live;
    }
    (ended, more)
}

impl Chat {
    /// Takes a batch; its size in bytes.
    fn receive(&mut self, id: TurnId, batch: &Batch) -> usize {
        let mut bytes = 0;
        let answer = self.answers.entry(id).or_default();
        for event in &batch.events {
            answer.receive(event);
            self.conversation.receive(id, event);
            if let Some(line) = session::piece(id, event) {
                bytes += line.len();
                self.lines.push_str(&line);
            }
        }
        bytes
    }

    fn ended(&mut self, id: TurnId, outcome: &Outcome) {
        let answer = self.answers.entry(id).or_default();
        answer.end(outcome);
        let is_nothing = self.conversation.turn(id).is_some_and(|turn| turn.is_empty());
        if is_nothing && !outcome.is_completed() {
            // It stays on screen, with why; it is no part of the conversation, and a file never asks for it again.
            self.lines.push_str(&session::remove(id));
        } else if self.conversation.end(id, outcome)
            && let Some(turn) = self.conversation.turn(id)
        {
            self.lines.push_str(&session::end(turn));
        }
        self.written = std::time::SystemTime::now();
    }
}
