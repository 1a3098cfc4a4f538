//! Brings one running answer into its conversation, and into the records that are written to the history.

use std::borrow::Cow;

use towline::error::{ErrorKind, Fault};
use towline::{Error, Event, Outcome};

use super::{AnswerId, Conversation, Size, session};

/// An answer that is being read. Its text goes into the conversation, and as records into `lines`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    id: AnswerId,
    /// The part of the conversation that the relay is about to repeat.
    known: Size,
    /// The relay's id of it, once it was recorded.
    relay: Option<String>,
    is_detached: bool,
}

/// The result of an answer whose stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is in the conversation, with its end.
    Kept,
    /// Nothing arrived. The records do not have it; the conversation has it until it is removed.
    Nothing,
    /// A relay has the rest.
    Detached,
}

impl Reading {
    /// A new answer, or one that continues.
    pub fn new(id: AnswerId) -> Self {
        Self { id, known: Size::default(), relay: None, is_detached: false }
    }

    /// Reads from its beginning an answer whose rest is on a relay. Returns the relay's id and the reading;
    /// `None` if no relay has the rest.
    pub fn resumed(chat: &mut Conversation, id: AnswerId) -> Option<(String, Self)> {
        let (relay, known) = chat.rejoin(id)?;
        Some((relay.clone(), Self { id, known, relay: Some(relay), is_detached: false }))
    }

    /// The id of the answer.
    pub fn id(&self) -> AnswerId {
        self.id
    }

    /// The relay's id of it, if a relay runs it.
    pub fn relay(&self) -> Option<&str> {
        self.relay.as_deref()
    }

    /// Number of bytes of text in the conversation that the relay is about to repeat.
    pub fn repeated_bytes(&self) -> usize {
        self.known.text + self.known.thinking
    }

    /// Whether it was left to the relay on purpose.
    pub fn is_detached(&self) -> bool {
        self.is_detached
    }

    /// Records that a relay runs it under this id. Call this before the first event from the relay.
    pub fn runs_at(&mut self, chat: &mut Conversation, relay: &str, lines: &mut String) {
        if self.relay.as_deref() != Some(relay) {
            chat.relayed(self.id, relay);
            lines.push_str(&session::relay(self.id, relay));
            self.relay = Some(relay.to_owned());
        }
    }

    /// Takes an event. Returns the part of it that is new; `None` if the conversation already had it.
    pub fn receive<'e>(
        &mut self,
        chat: &mut Conversation,
        event: &'e Event,
        lines: &mut String,
    ) -> Option<Cow<'e, Event>> {
        let event = match self.known == Size::default() {
            true => Cow::Borrowed(event),
            false => Cow::Owned(self.known.skip(event.clone())?),
        };
        chat.receive(self.id, &event);
        lines.extend(session::piece(self.id, &event));
        Some(event)
    }

    /// Leaves it to the relay on purpose: the local end of the stream is not its end.
    pub fn detach(&mut self) {
        self.is_detached = self.relay.is_some();
    }

    /// The stream has ended.
    pub fn end(&self, chat: &mut Conversation, outcome: &Outcome, lines: &mut String) -> Ended {
        let is_there = self.relay.is_some()
            && (self.is_detached || outcome.ending.error().is_some_and(|error| is_out_of_reach(&error)));
        if is_there && chat.detach(self.id) {
            return Ended::Detached;
        }
        let is_nothing = chat.answer(self.id).is_none_or(|answer| answer.is_empty());
        if is_nothing && !outcome.is_completed() {
            chat.over_at_relay(self.id);
            lines.push_str(&session::remove_answer(self.id));
            return Ended::Nothing;
        }
        chat.end(self.id, outcome);
        lines.extend(chat.answer(self.id).map(session::end));
        Ended::Kept
    }
}

/// Whether an error means only that the relay is out of reach: its answers continue, or end when it comes
/// back.
pub fn is_out_of_reach(error: &Error) -> bool {
    let is_lost = error.kind == ErrorKind::Connect || error.kind == ErrorKind::ConnectionLost;
    is_lost && error.fault == Fault::Transport
}

#[cfg(test)]
mod tests {
    use towline::{Ending, Message};

    use super::*;

    fn asked() -> (Conversation, AnswerId) {
        let mut chat = Conversation::default();
        let id = chat.ask("m", Message::user("why?"));
        (chat, id)
    }

    fn text(text: &str) -> Event {
        Event::Text(text.to_owned())
    }

    fn content(chat: &Conversation, id: AnswerId) -> &str {
        &chat.answer(id).unwrap().answer.content
    }

    #[test]
    fn what_the_relay_repeats_is_skipped_to_the_byte() {
        let whole = ["so ", "is ", "it, ", "naïvely"];
        let everything = whole.concat();
        for cut in (0..=everything.len()).filter(|cut| everything.is_char_boundary(*cut)) {
            let (mut chat, id) = asked();
            let mut lines = session::header("x") + &session::question(chat.turn(id.turn).unwrap());
            let mut first = Reading::new(id);
            first.runs_at(&mut chat, "r1", &mut lines);
            first.receive(&mut chat, &text(&everything[..cut]), &mut lines);
            // The program has exited. Another one reads its records.
            let mut again = session::read(&lines).unwrap();
            let (relay, mut second) = Reading::resumed(&mut again, id).unwrap();
            assert_eq!(relay, "r1");
            for piece in whole {
                second.receive(&mut again, &text(piece), &mut lines);
            }
            let ended = second.end(&mut again, &Outcome::new(Ending::Completed(None)), &mut lines);
            assert_eq!((ended, content(&again, id)), (Ended::Kept, everything.as_str()), "{cut}");
            assert_eq!(content(&session::read(&lines).unwrap(), id), everything, "{cut}: as it is written");
        }
    }

    #[test]
    fn an_answer_that_is_detached_or_out_of_reach_has_no_end() {
        let cancelled = Ending::Cancelled { reason: "left".into(), may_have_had_effect: true };
        let lost = Ending::Failed(Error::new(ErrorKind::ConnectionLost, Fault::Transport, "gone"));
        for (ending, leaves, at_relay, expected) in [
            (cancelled.clone(), true, true, Ended::Detached),
            (lost.clone(), false, true, Ended::Detached),
            (cancelled.clone(), false, true, Ended::Kept),
            (cancelled, true, false, Ended::Kept),
            (lost, false, false, Ended::Kept),
        ] {
            let (mut chat, id) = asked();
            let mut lines = String::new();
            let mut reading = Reading::new(id);
            if at_relay {
                reading.runs_at(&mut chat, "r1", &mut lines);
            }
            reading.receive(&mut chat, &text("a part"), &mut lines);
            if leaves {
                reading.detach();
            }
            let ended = reading.end(&mut chat, &Outcome::new(ending.clone()), &mut lines);
            assert_eq!(ended, expected, "{ending:?}");
            assert_eq!(lines.contains("\"record\":\"end\""), ended == Ended::Kept, "{lines}");
            assert_eq!(chat.answer(id).unwrap().detached_at_relay().is_some(), ended == Ended::Detached);
        }
    }
}
