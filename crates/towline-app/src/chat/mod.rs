//! A conversation: what was said, under which settings, and what the next turn sends.
//!
//! It is pure: a foreground asks it for a request, runs that wherever it likes, and tells it what came. The history a
//! request carries holds only turns that were answered: wholly, or in part where the part was kept. Each turn stands where
//! its question was asked, however late its answer comes.
//!
//! [`session`] writes a conversation as lines of JSON and reads it back, [`files`] keeps those lines on disk,
//! [`export`] shows it to people and programs.

pub mod export;
pub mod files;
pub mod session;

use serde_json::{Map, Value};

use towline::{ChatRequest, Ending, Event, Format, Message, Options, Outcome, Think, ToolCall, Usage};

/// What every question of a conversation goes with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// The model that is asked when a question names none.
    pub model: String,
    /// Instructions to the model.
    pub system: Option<String>,
    /// Model options.
    pub options: Options,
    /// Whether to think. `None` leaves it to the server.
    pub think: Option<Think>,
    /// What form answers must have.
    pub format: Option<Format>,
}

/// A turn's number, unique in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TurnId(pub u64);

/// How far the answer of a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answered {
    /// It is on its way.
    Pending,
    /// It is whole.
    Whole,
    /// The stream ended before its terminal record; what came is kept.
    Truncated,
    /// Somebody stopped it; what came is kept.
    Cancelled,
    /// A clock ran out; what came is kept.
    TimedOut,
    /// It failed; what came is kept.
    Failed,
}

impl Answered {
    /// Its name in sessions. Stable; the names of outcomes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Whole => "completed",
            Self::Truncated => "truncated",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Whole, Self::Truncated, Self::Cancelled, Self::TimedOut, Self::Failed]
            .into_iter()
            .find(|answered| answered.as_str() == text)
    }

    fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Completed(_) => Self::Whole,
            Ending::Truncated(_) => Self::Truncated,
            Ending::Cancelled { .. } => Self::Cancelled,
            Ending::TimedOut { .. } => Self::TimedOut,
            Ending::Failed(_) => Self::Failed,
        }
    }

    /// Whether the answer is there in part.
    pub fn is_partial(self) -> bool {
        match self {
            Self::Truncated | Self::Cancelled | Self::TimedOut | Self::Failed => true,
            Self::Pending | Self::Whole => false,
        }
    }
}

/// Where a relay runs an answer, and what the turn held before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRelay {
    /// What the relay calls it.
    pub id: String,
    /// How much of the answer stood there before.
    pub before: Held,
    /// It has ended, so there is nothing more to be had of it.
    pub is_over: bool,
}

/// How much of an answer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Bytes of text.
    pub text: usize,
    /// Bytes of reasoning.
    pub thinking: usize,
    /// Calls of tools.
    pub calls: usize,
}

impl Held {
    /// Takes from a piece that is told again what is there already; `None` when all of it is.
    pub fn skip(&mut self, event: Event) -> Option<Event> {
        let rest = |known: &mut usize, mut text: String| {
            let there = (*known).min(text.len());
            *known -= there;
            // Both are the same bytes, so what is there ends where a character does.
            let rest = text.split_off(text.ceil_char_boundary(there));
            (there == 0 || !rest.is_empty()).then_some(rest)
        };
        match event {
            Event::Text(text) => rest(&mut self.text, text).map(Event::Text),
            Event::Thinking(text) => rest(&mut self.thinking, text).map(Event::Thinking),
            Event::ToolCall(_) if self.calls > 0 => {
                self.calls -= 1;
                None
            }
            Event::ToolCall(_)
            | Event::Image(_)
            | Event::Logprobs(_)
            | Event::Progress(_)
            | Event::Usage(_) => Some(event),
        }
    }
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Its number.
    pub id: TurnId,
    /// The model that was asked.
    pub model: String,
    /// What was asked.
    pub question: Message,
    /// What was answered so far.
    pub answer: Message,
    /// How far the answer is.
    pub answered: Answered,
    /// Token counts and timings.
    pub usage: Option<Usage>,
    /// The relay that runs the answer or ran it, if one does.
    pub at_relay: Option<AtRelay>,
    /// Fields of the session's records that this version does not know: of the question, and of the end.
    extra: [Map<String, Value>; 2],
}

impl Turn {
    fn new(id: TurnId, model: &str, question: Message) -> Self {
        Self {
            id,
            model: model.to_owned(),
            question,
            answer: Message::assistant(""),
            answered: Answered::Pending,
            usage: None,
            at_relay: None,
            extra: [Map::new(), Map::new()],
        }
    }

    /// Whether the answer holds anything.
    pub fn is_empty(&self) -> bool {
        self.answer.content.is_empty() && self.answer.thinking.is_empty() && self.answer.tool_calls.is_empty()
    }

    /// How much of the answer is there.
    pub fn held(&self) -> Held {
        let Message { content, thinking, tool_calls, .. } = &self.answer;
        Held { text: content.len(), thinking: thinking.len(), calls: tool_calls.len() }
    }

    /// The relay that has the rest of an answer whose end is not known.
    pub fn left_at_relay(&self) -> Option<&AtRelay> {
        self.at_relay.as_ref().filter(|at| !at.is_over)
    }

    /// Whether requests carry the turn as history. Thinking alone is no answer.
    fn is_history(&self) -> bool {
        let says_something = !self.answer.content.is_empty() || !self.answer.tool_calls.is_empty();
        self.answered != Answered::Pending && (says_something || self.answered == Answered::Whole)
    }
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conversation {
    /// What every question goes with.
    pub settings: Settings,
    turns: Vec<Turn>,
    next: u64,
    /// Fields of the session's first record that this version does not know.
    extra: Map<String, Value>,
    /// Records of the session that this version does not know.
    unknown: Vec<Value>,
}

impl Conversation {
    /// A conversation under these settings, without turns.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// The turns, in the order in which they were asked.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// The turn with this number.
    pub fn turn(&self, id: TurnId) -> Option<&Turn> {
        self.turns.iter().find(|turn| turn.id == id)
    }

    fn turn_mut(&mut self, id: TurnId) -> Option<&mut Turn> {
        self.turns.iter_mut().find(|turn| turn.id == id)
    }

    /// The last turn.
    pub fn last(&self) -> Option<&Turn> {
        self.turns.last()
    }

    /// Adds a question to `model`. Its answer is pending.
    pub fn ask(&mut self, model: &str, question: Message) -> TurnId {
        let id = TurnId(self.next);
        self.next += 1;
        self.turns.push(Turn::new(id, model, question));
        id
    }

    /// What is sent for a turn: the settings, the answered turns before it, its question, and what is already there of
    /// its answer, for the model to go on with.
    pub fn request(&self, id: TurnId) -> Option<ChatRequest> {
        let turn = self.turn(id)?;
        let mut request = self.request_to(&turn.model, turn.question.clone(), Some(id));
        if !turn.answer.content.is_empty() {
            request = request.message(Message::assistant(turn.answer.content.clone()));
        }
        Some(request)
    }

    /// What is sent for a question beside the conversation, which is not added to it.
    pub fn aside(&self, model: &str, question: Message) -> ChatRequest {
        self.request_to(model, question, None)
    }

    fn request_to(&self, model: &str, question: Message, before: Option<TurnId>) -> ChatRequest {
        let settings = &self.settings;
        let mut request = ChatRequest::new(model);
        request.options = settings.options.clone();
        request.think.clone_from(&settings.think);
        request.format.clone_from(&settings.format);
        request.messages.extend(settings.system.as_deref().map(Message::system));
        let earlier = self.turns.iter().take_while(|turn| Some(turn.id) != before);
        for turn in earlier.filter(|turn| turn.is_history()) {
            request.messages.push(turn.question.clone());
            // Models are not shown their own earlier reasoning.
            request.messages.push(Message { thinking: String::new(), ..turn.answer.clone() });
        }
        request.message(question)
    }

    /// A piece of a turn's answer came.
    pub fn receive(&mut self, id: TurnId, event: &Event) {
        let Some(turn) = self.turn_mut(id) else { return };
        match event {
            Event::Text(text) => turn.answer.content.push_str(text),
            Event::Thinking(text) => turn.answer.thinking.push_str(text),
            Event::ToolCall(call) => turn.answer.tool_calls.push(ToolCall::clone(call)),
            Event::Usage(usage) => turn.usage.get_or_insert_default().absorb(usage),
            Event::Image(_) | Event::Logprobs(_) | Event::Progress(_) => {}
        }
    }

    /// A turn's stream has ended. A turn that was not answered at all leaves the conversation: `false`.
    pub fn end(&mut self, id: TurnId, outcome: &Outcome) -> bool {
        let answered = Answered::of(&outcome.ending);
        self.over_at_relay(id);
        let Some(turn) = self.turn_mut(id) else { return false };
        if turn.is_empty() && answered != Answered::Whole {
            self.remove(id);
            return false;
        }
        turn.answered = answered;
        true
    }

    /// Adds a turn that was asked elsewhere, with what came of its answer.
    pub fn keep(&mut self, model: &str, question: Message, outcome: &Outcome) -> TurnId {
        let id = self.ask(model, question);
        if let Some(turn) = self.turn_mut(id) {
            turn.answer.content.clone_from(&outcome.reply.text);
            turn.answer.thinking.clone_from(&outcome.reply.thinking);
            turn.answer.tool_calls.clone_from(&outcome.reply.tool_calls);
            turn.usage.clone_from(&outcome.reply.usage);
            turn.answered = Answered::of(&outcome.ending);
        }
        id
    }

    /// Drops a turn's answer: it is pending again.
    pub fn retry(&mut self, id: TurnId) {
        if let Some(turn) = self.turn_mut(id) {
            turn.answer = Message::assistant("");
            turn.usage = None;
            turn.at_relay = None;
            turn.answered = Answered::Pending;
        }
    }

    /// A relay runs a turn's answer, under this name: what comes from now on is also there. Without effect when that is
    /// known.
    pub fn relayed(&mut self, id: TurnId, name: &str) {
        let Some(turn) = self.turn_mut(id) else { return };
        if turn.left_at_relay().is_none_or(|at| at.id != name) {
            turn.at_relay = Some(AtRelay { id: name.to_owned(), before: turn.held(), is_over: false });
        }
    }

    /// No relay has more of a turn's answer.
    pub fn over_at_relay(&mut self, id: TurnId) {
        if let Some(at) = self.turn_mut(id).and_then(|turn| turn.at_relay.as_mut()) {
            at.is_over = true;
        }
    }

    /// A turn's answer is left to the relay that runs it: what came is kept, the rest is there. `false` where no relay
    /// runs it.
    pub fn leave(&mut self, id: TurnId) -> bool {
        match self.turn_mut(id) {
            Some(turn) if turn.left_at_relay().is_some() => {
                turn.answered = Answered::Truncated;
                true
            }
            Some(_) | None => false,
        }
    }

    /// A turn's answer is read on from the relay that runs it: it is pending again. How much of what the relay tells is
    /// there already, and the relay's name for it; `None` where no relay has the rest.
    pub fn rejoin(&mut self, id: TurnId) -> Option<(String, Held)> {
        let turn = self.turn_mut(id)?;
        let AtRelay { id, before, .. } = turn.left_at_relay()?.clone();
        turn.answered = Answered::Pending;
        let held = turn.held();
        let known = Held {
            text: held.text.saturating_sub(before.text),
            thinking: held.thinking.saturating_sub(before.thinking),
            calls: held.calls.saturating_sub(before.calls),
        };
        Some((id, known))
    }

    /// Has a turn's partial answer gone on with: it is pending, and keeps what it has. `false` when there is nothing to go
    /// on from.
    pub fn resume(&mut self, id: TurnId) -> bool {
        match self.turn_mut(id) {
            Some(turn) if turn.answered.is_partial() && !turn.answer.content.is_empty() => {
                turn.answered = Answered::Pending;
                // What is gone on with is no longer what the relay has.
                turn.at_relay = None;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes a turn out.
    pub fn remove(&mut self, id: TurnId) {
        self.turns.retain(|turn| turn.id != id);
    }

    /// Forgets every turn; the settings stay.
    pub fn clear(&mut self) {
        self.turns.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline::{Error, ErrorKind, FinishReason, Origin, Role};

    fn outcome(ending: Ending) -> Outcome {
        Outcome::new(ending)
    }

    fn whole() -> Outcome {
        outcome(Ending::Completed(Some(FinishReason::Stop)))
    }

    fn truncated() -> Outcome {
        outcome(Ending::Truncated(Error::new(ErrorKind::Truncated, Origin::Server, "cut")))
    }

    fn sent(request: Option<ChatRequest>) -> Vec<String> {
        let messages = request.map(|request| request.messages).unwrap_or_default();
        messages
            .iter()
            .map(|message| {
                let who = match message.role {
                    Role::System => "s",
                    Role::User => "u",
                    Role::Assistant => "a",
                    Role::Tool => "t",
                };
                format!("{who}:{}", message.content)
            })
            .collect()
    }

    fn say(chat: &mut Conversation, id: TurnId, text: &str, outcome: &Outcome) {
        chat.receive(id, &Event::Text(text.to_owned()));
        chat.end(id, outcome);
    }

    #[test]
    fn a_request_carries_what_was_answered_before_it() {
        let settings = Settings { model: "m".into(), system: Some("be brief".into()), ..Settings::default() };
        let mut chat = Conversation::new(settings);
        let one = chat.ask("m", Message::user("one"));
        assert_eq!(sent(chat.request(one)), ["s:be brief", "u:one"]);
        let two = chat.ask("m", Message::user("two"));
        assert_eq!(sent(chat.request(two)), ["s:be brief", "u:two"], "the first is not answered yet");
        say(&mut chat, two, "2", &whole());
        say(&mut chat, one, "1", &truncated());
        let three = chat.ask("n", Message::user("three"));
        let request = chat.request(three).unwrap();
        assert_eq!(request.model, "n");
        assert_eq!(sent(Some(request)), ["s:be brief", "u:one", "a:1", "u:two", "a:2", "u:three"]);
        assert_eq!(sent(Some(chat.aside("x", Message::user("y")))).len(), 6);
    }

    #[test]
    fn what_was_not_answered_is_not_history() {
        let mut chat = Conversation::default();
        let one = chat.ask("m", Message::user("one"));
        assert!(!chat.end(one, &truncated()));
        assert!(chat.turns().is_empty());
        let two = chat.ask("m", Message::user("two"));
        chat.receive(two, &Event::Thinking("hm".into()));
        assert!(chat.end(two, &truncated()));
        let three = chat.ask("m", Message::user("three"));
        assert_eq!(sent(chat.request(three)), ["u:three"], "thinking alone is no answer");
    }

    #[test]
    fn thinking_is_kept_and_not_sent() {
        let mut chat = Conversation::default();
        let one = chat.ask("m", Message::user("one"));
        chat.receive(one, &Event::Thinking("hm".into()));
        say(&mut chat, one, "1", &whole());
        let two = chat.ask("m", Message::user("two"));
        assert_eq!(chat.turn(one).unwrap().answer.thinking, "hm");
        assert_eq!(chat.request(two).unwrap().messages[1].thinking, "");
    }

    #[test]
    fn a_partial_answer_is_gone_on_with_and_a_retry_forgets_it() {
        let mut chat = Conversation::default();
        let one = chat.ask("m", Message::user("one"));
        assert!(!chat.resume(one));
        say(&mut chat, one, "half", &truncated());
        assert!(chat.resume(one));
        assert_eq!(sent(chat.request(one)), ["u:one", "a:half"]);
        say(&mut chat, one, " and half", &whole());
        assert_eq!(chat.turn(one).unwrap().answer.content, "half and half");
        assert!(!chat.resume(one), "it is whole");
        chat.retry(one);
        assert_eq!(sent(chat.request(one)), ["u:one"]);
    }

    #[test]
    fn what_a_relay_runs_is_left_and_rejoined_without_telling_anything_twice() {
        let mut chat = Conversation::default();
        let one = chat.ask("m", Message::user("one"));
        assert!(!chat.leave(one), "no relay runs it");
        say(&mut chat, one, "be", &truncated());
        assert!(chat.resume(one));
        chat.relayed(one, "r1");
        let log = ["fo", "ré ", "and after"].map(|text| Event::Text(text.into()));
        chat.receive(one, &log[0]);
        chat.receive(one, &log[1]);
        chat.relayed(one, "r1");
        assert!(chat.leave(one));
        assert_eq!(chat.turn(one).unwrap().answered, Answered::Truncated);
        let (name, mut known) = chat.rejoin(one).unwrap();
        assert_eq!((name.as_str(), known.text), ("r1", 6), "what stood there before is not the relay's");
        // As a reader that is behind gets it.
        let told = Event::Text("foré and after".into());
        for event in [told, Event::Text("!".into())] {
            if let Some(event) = known.skip(event) {
                chat.receive(one, &event);
            }
        }
        assert_eq!(chat.turn(one).unwrap().answer.content, "beforé and after!");
        chat.end(one, &whole());
        assert!(chat.rejoin(one).is_none() && !chat.leave(one), "it is over");
        chat.retry(one);
        assert_eq!(chat.turn(one).unwrap().at_relay, None);
    }

    #[test]
    fn an_answer_from_elsewhere_can_be_kept() {
        let mut chat = Conversation::default();
        let mut other = truncated();
        other.reply.text = "b says".into();
        let kept = chat.keep("b", Message::user("q"), &other);
        assert_eq!(chat.turn(kept).unwrap().answered, Answered::Truncated);
        let next = chat.ask("m", Message::user("next"));
        assert_eq!(sent(chat.request(next)), ["u:q", "a:b says", "u:next"]);
    }
}
