//! A conversation: its turns, its settings, and the request of the next turn.
//!
//! It is pure: a foreground gets a request from it, runs the request anywhere, and passes the events back. A
//! request contains only answered turns, including partial answers that were kept. Each turn stays at the
//! position of its question, however late its answer arrives. A turn keeps every answer as a [`Variant`]: a
//! retry, an edited question and another model each add one, and nothing is replaced.
//!
//! [`session`] writes a conversation as lines of JSON and reads it back, [`files`] finds such files on disk,
//! [`export`] exports it for people and programs, a [`Reading`] brings an answer into it, and [`context`]
//! computes how full the model's context is.

pub mod context;
pub mod export;
pub mod files;
mod reading;
mod request;
pub mod session;

pub use reading::{Ended, Reading, is_out_of_reach};

use serde_json::{Map, Value};

use towline::api::{Format, Options, Think};
use towline::event::{ToolCall, Usage};
use towline::outcome::FinishReason;
use towline::{ChatRequest, Ending, Event, Message, Outcome};

/// The field of the `end` record with the reason why the model stopped.
const REASON: &str = "reason";

/// The settings of every question of a conversation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// The model for questions that do not name one.
    pub model: String,
    /// Instructions to the model.
    pub system: Option<String>,
    /// Model options.
    pub options: Options,
    /// Whether to think. `None` leaves it to the server.
    pub think: Option<Think>,
    /// The required format of answers.
    pub format: Option<Format>,
}

/// The part of a question that the user typed, without the files before it (each with its name, a colon and a
/// fence on separate lines). For a question with only files, the name of the first one.
pub fn own_words(question: &str) -> &str {
    let (mut rest, mut first) = (question, None);
    while let Some((name, file)) = rest.split_once(":\n") {
        let fence = &file[..file.bytes().take_while(|byte| *byte == b'`').count()];
        let end = format!("\n{fence}\n\n");
        if fence.len() < 3 || name.contains('\n') {
            break;
        }
        let Some(at) = file[fence.len()..].find(&end) else { break };
        rest = &file[fence.len() + at + end.len()..];
        first = first.or(Some(name));
    }
    first.filter(|_| rest.trim().is_empty()).unwrap_or(rest)
}

/// A turn's number, unique in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TurnId(pub u64);

/// The state of a turn's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answered {
    /// It is running.
    Pending,
    /// It is whole.
    Whole,
    /// The stream ended before its terminal record; the text so far is kept.
    Truncated,
    /// It was cancelled; the text so far is kept.
    Cancelled,
    /// It timed out; the text so far is kept.
    TimedOut,
    /// It failed; the text so far is kept.
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

    /// Whether the answer is partial.
    pub fn is_partial(self) -> bool {
        match self {
            Self::Truncated | Self::Cancelled | Self::TimedOut | Self::Failed => true,
            Self::Pending | Self::Whole => false,
        }
    }
}

/// An answer on a relay, and the part that the turn had before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRelay {
    /// The relay's id of the answer.
    pub id: String,
    /// How much of the answer existed before.
    pub before: Size,
    /// It has ended, so nothing more will arrive.
    pub is_over: bool,
}

/// The size of an answer, or of the part of it that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Bytes of text.
    pub text: usize,
    /// Bytes of reasoning.
    pub thinking: usize,
    /// Calls of tools.
    pub calls: usize,
    /// Images.
    pub images: usize,
}

impl Size {
    /// Removes from a repeated piece the part that already exists; `None` if all of it does.
    pub fn skip(&mut self, event: Event) -> Option<Event> {
        let rest = |known: &mut usize, mut text: String| {
            let there = (*known).min(text.len());
            *known -= there;
            // Both have the same bytes, so the existing part ends at a character boundary.
            let rest = text.split_off(text.ceil_char_boundary(there));
            (there == 0 || !rest.is_empty()).then_some(rest)
        };
        let one = |known: &mut usize, event| match known.checked_sub(1) {
            Some(rest) => {
                *known = rest;
                None
            }
            None => Some(event),
        };
        match event {
            Event::Text(text) => rest(&mut self.text, text).map(Event::Text),
            Event::Thinking(text) => rest(&mut self.thinking, text).map(Event::Thinking),
            Event::ToolCall(_) => one(&mut self.calls, event),
            Event::Image(_) => one(&mut self.images, event),
            Event::Logprobs(_) | Event::Progress(_) | Event::Usage(_) => Some(event),
        }
    }
}

/// The position of an answer in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerId {
    /// The turn to which it belongs.
    pub turn: TurnId,
    /// Its number in the turn, from 1. The number stays the same when an earlier variant is removed.
    pub variant: u32,
}

/// One answer of a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Its place.
    pub id: AnswerId,
    /// The model that was asked.
    pub model: String,
    /// The wording of the question, if it differs from the turn's.
    pub words: Option<String>,
    /// The answer so far.
    pub answer: Message,
    /// How far the answer is.
    pub answered: Answered,
    /// Token counts and timings.
    pub usage: Option<Usage>,
    /// The relay that runs or ran the answer, if any.
    pub at_relay: Option<AtRelay>,
    /// Fields of the `end` record that this version does not know.
    extra: Map<String, Value>,
}

impl Variant {
    fn new(id: AnswerId, model: &str, words: Option<String>) -> Self {
        Self {
            id,
            model: model.to_owned(),
            words,
            answer: Message::assistant(""),
            answered: Answered::Pending,
            usage: None,
            at_relay: None,
            extra: Map::new(),
        }
    }

    /// Whether the answer is empty.
    pub fn is_empty(&self) -> bool {
        self.held() == Size::default()
    }

    /// How much of the answer is there.
    pub fn held(&self) -> Size {
        let Message { content, thinking, tool_calls, images, .. } = &self.answer;
        Size { text: content.len(), thinking: thinking.len(), calls: tool_calls.len(), images: images.len() }
    }

    /// The relay that has the rest of an answer, if its end is not known yet.
    pub fn detached_at_relay(&self) -> Option<&AtRelay> {
        self.at_relay.as_ref().filter(|at| !at.is_over)
    }

    /// Whether requests include the answer. Thinking alone does not count as an answer.
    fn is_history(&self) -> bool {
        let says_something = !self.answer.content.is_empty() || !self.answer.tool_calls.is_empty();
        self.answered != Answered::Pending && (says_something || self.answered == Answered::Whole)
    }

    /// Whether a token limit ended the answer, so that the model may have more to say.
    pub fn is_cut(&self) -> bool {
        let reason = self.extra.get(REASON).and_then(Value::as_str);
        self.answered == Answered::Whole && reason == Some(FinishReason::Length.as_str())
    }

    /// Whether the model can be asked to continue the answer.
    pub fn can_continue(&self) -> bool {
        (self.answered.is_partial() || self.is_cut()) && !self.answer.content.is_empty()
    }

    /// Whether the answer is empty and has ended.
    fn is_nothing(&self) -> bool {
        self.is_empty() && self.answered != Answered::Whole && self.detached_at_relay().is_none()
    }
}

/// Which of its variants a turn shows, and which one later requests include.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// This one.
    One(u32),
    /// The last variant of each model, side by side. A later request includes the answer of the model that it
    /// asks.
    SideBySide,
}

/// A question and its answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Its number.
    pub id: TurnId,
    /// The question.
    pub question: Message,
    /// The shown variant.
    pub shown: Selection,
    /// Never empty.
    variants: Vec<Variant>,
    /// Fields of the `question` record that this version does not know.
    extra: Map<String, Value>,
}

impl Turn {
    fn new(id: TurnId, models: &[impl AsRef<str>], question: Message) -> Self {
        let variant = |(number, model)| Variant::new(AnswerId { turn: id, variant: number }, model, None);
        let variants: Vec<Variant> = (1..).zip(models.iter().map(AsRef::as_ref)).map(variant).collect();
        let shown = if variants.len() > 1 { Selection::SideBySide } else { Selection::One(1) };
        Self { id, question, shown, variants, extra: Map::new() }
    }

    /// Its answers, in the order in which they were requested. There is at least one.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// One of its answers.
    pub fn variant(&self, number: u32) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.id.variant == number)
    }

    /// The shown answer; with several side by side, the last.
    pub fn answer(&self) -> &Variant {
        let last = self.variants.len() - 1;
        let shown = match self.shown {
            Selection::One(number) => self.variants.iter().position(|variant| variant.id.variant == number),
            Selection::SideBySide => None,
        };
        &self.variants[shown.unwrap_or(last)]
    }

    /// The shown answers: one, or the last of each model.
    pub fn side_by_side(&self) -> Vec<&Variant> {
        if self.shown != Selection::SideBySide {
            return vec![self.answer()];
        }
        let is_last =
            |at: usize, one: &Variant| self.variants[at + 1..].iter().all(|later| later.model != one.model);
        self.variants.iter().enumerate().filter(|(at, one)| is_last(*at, one)).map(|(_, one)| one).collect()
    }

    /// The question with the wording of this answer.
    pub fn question_of(&self, variant: &Variant) -> Message {
        let mut question = self.question.clone();
        if let Some(words) = &variant.words {
            question.content.clone_from(words);
        }
        question
    }

    /// The number of the next answer.
    fn next(&self) -> u32 {
        self.variants.iter().map(|variant| variant.id.variant).max().unwrap_or(0) + 1
    }

    /// Adds an answer, which becomes the shown one unless the turn shows all side by side.
    fn add(&mut self, model: &str, words: Option<String>) -> AnswerId {
        self.add_as(self.next(), model, words)
    }

    fn add_as(&mut self, number: u32, model: &str, words: Option<String>) -> AnswerId {
        let id = AnswerId { turn: self.id, variant: number };
        self.variants.push(Variant::new(id, model, words));
        if self.shown != Selection::SideBySide {
            self.shown = Selection::One(id.variant);
        }
        id
    }

    /// Removes an answer, if it is not the only one.
    fn remove_variant(&mut self, number: u32) {
        if self.variants.len() > 1 {
            self.variants.retain(|variant| variant.id.variant != number);
        }
        if self.shown == Selection::One(number)
            && let Some(last) = self.variants.last()
        {
            self.shown = Selection::One(last.id.variant);
        }
    }

    /// The answer that a request to `model` includes.
    fn history_for(&self, model: &str) -> Option<&Variant> {
        match self.shown {
            Selection::One(_) => Some(self.answer()).filter(|variant| variant.is_history()),
            Selection::SideBySide => {
                self.variants.iter().rfind(|variant| variant.model == model && variant.is_history())
            }
        }
    }
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conversation {
    /// The settings of every question.
    pub settings: Settings,
    /// The words that it is filed under, in their order.
    pub tags: Vec<String>,
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

    /// The answer with this number.
    pub fn answer(&self, id: AnswerId) -> Option<&Variant> {
        self.turn(id.turn)?.variant(id.variant)
    }

    fn answer_mut(&mut self, id: AnswerId) -> Option<&mut Variant> {
        self.turn_mut(id.turn)?.variants.iter_mut().find(|variant| variant.id == id)
    }

    /// Every answer of every turn.
    pub fn answers(&self) -> impl Iterator<Item = &Variant> {
        self.turns.iter().flat_map(|turn| &turn.variants)
    }

    /// The last turn.
    pub fn last(&self) -> Option<&Turn> {
        self.turns.last()
    }

    /// Adds a question to `model`. Its answer is pending.
    pub fn ask(&mut self, model: &str, question: Message) -> AnswerId {
        AnswerId { turn: self.ask_all(&[model], question), variant: 1 }
    }

    /// Adds a question to one or more models. Their answers are pending and shown side by side.
    pub fn ask_all(&mut self, models: &[impl AsRef<str>], question: Message) -> TurnId {
        let id = TurnId(self.next);
        self.next += 1;
        self.turns.push(Turn::new(id, models, question));
        id
    }

    /// The request for an answer: the settings, the answered turns before it, its question, and the existing
    /// part of the answer, which the model continues.
    pub fn request(&self, id: AnswerId) -> Option<ChatRequest> {
        let turn = self.turn(id.turn)?;
        let variant = turn.variant(id.variant)?;
        let settings = &self.settings;
        let mut request = ChatRequest::new(&variant.model);
        request.options = settings.options.clone();
        request.think.clone_from(&settings.think);
        request.format.clone_from(&settings.format);
        request.messages.extend(settings.system.as_deref().map(Message::system));
        for earlier in self.turns.iter().take_while(|earlier| earlier.id != id.turn) {
            let Some(answer) = earlier.history_for(&variant.model) else { continue };
            request.messages.push(earlier.question_of(answer));
            // Requests do not include the model's earlier reasoning. Servers accept images only with
            // questions.
            let (thinking, images) = (String::new(), Vec::new());
            request.messages.push(Message { thinking, images, ..answer.answer.clone() });
        }
        request.messages.push(turn.question_of(variant));
        if !variant.answer.content.is_empty() {
            request = request.message(Message::assistant(variant.answer.content.clone()));
        }
        Some(request)
    }

    /// Adds a piece of an answer.
    pub fn receive(&mut self, id: AnswerId, event: &Event) {
        let Some(variant) = self.answer_mut(id) else { return };
        match event {
            Event::Text(text) => variant.answer.content.push_str(text),
            Event::Thinking(text) => variant.answer.thinking.push_str(text),
            Event::ToolCall(call) => variant.answer.tool_calls.push(ToolCall::clone(call)),
            Event::Usage(usage) => variant.usage.get_or_insert_default().absorb(usage),
            Event::Image(image) => variant.answer.images.push(image.base64.clone()),
            Event::Logprobs(_) | Event::Progress(_) => {}
        }
    }

    /// Handles the end of an answer's stream. An empty answer is removed from the conversation, with its turn
    /// if the turn has no other answer; returns `false` then.
    pub fn end(&mut self, id: AnswerId, outcome: &Outcome) -> bool {
        let answered = Answered::of(&outcome.ending);
        self.over_at_relay(id);
        let Some(variant) = self.answer_mut(id) else { return false };
        if variant.is_empty() && answered != Answered::Whole {
            self.remove_answer(id);
            return false;
        }
        variant.answered = answered;
        match &outcome.ending {
            Ending::Completed(Some(reason @ FinishReason::Length)) => {
                variant.extra.insert(REASON.to_owned(), Value::from(reason.as_str()));
            }
            Ending::Completed(_)
            | Ending::Truncated(_)
            | Ending::Cancelled { .. }
            | Ending::TimedOut { .. }
            | Ending::Failed(_) => drop(variant.extra.remove(REASON)),
        }
        true
    }

    /// Adds an answer to a turn: from `model`, or the model of the shown answer, to another wording if there
    /// is one.
    pub fn retry(&mut self, id: TurnId, model: Option<&str>, words: Option<String>) -> Option<AnswerId> {
        let turn = self.turn_mut(id)?;
        let shown = turn.answer();
        let (model, words) =
            (model.unwrap_or(&shown.model).to_owned(), words.or_else(|| shown.words.clone()));
        let words = words.filter(|words| *words != turn.question.content);
        Some(turn.add(&model, words))
    }

    /// Sets the variant that a turn shows.
    pub fn show(&mut self, id: TurnId, shown: Selection) {
        if let Some(turn) = self.turn_mut(id)
            && match shown {
                Selection::One(number) => turn.variant(number).is_some(),
                Selection::SideBySide => true,
            }
        {
            turn.shown = shown;
        }
    }

    /// Records that a relay runs an answer under this id, so the relay has everything from now on. No effect
    /// if that is known.
    pub fn relayed(&mut self, id: AnswerId, name: &str) {
        let Some(variant) = self.answer_mut(id) else { return };
        if variant.detached_at_relay().is_none_or(|at| at.id != name) {
            variant.at_relay = Some(AtRelay { id: name.to_owned(), before: variant.held(), is_over: false });
        }
    }

    /// Records that no relay has more of an answer.
    pub fn over_at_relay(&mut self, id: AnswerId) {
        if let Some(at) = self.answer_mut(id).and_then(|variant| variant.at_relay.as_mut()) {
            at.is_over = true;
        }
    }

    /// Leaves an answer to the relay that runs it: the text so far is kept, and the relay has the rest.
    /// `false` if no relay runs it.
    pub fn detach(&mut self, id: AnswerId) -> bool {
        match self.answer_mut(id) {
            Some(variant) if variant.detached_at_relay().is_some() => {
                variant.answered = Answered::Truncated;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Resumes an answer from the relay that runs it: it is pending again. Returns how much of the relay's
    /// text already exists, and the relay's id; `None` if no relay has the rest.
    pub fn rejoin(&mut self, id: AnswerId) -> Option<(String, Size)> {
        let variant = self.answer_mut(id)?;
        let AtRelay { id, before, .. } = variant.detached_at_relay()?.clone();
        variant.answered = Answered::Pending;
        let held = variant.held();
        let known = Size {
            text: held.text.saturating_sub(before.text),
            thinking: held.thinking.saturating_sub(before.thinking),
            calls: held.calls.saturating_sub(before.calls),
            images: held.images.saturating_sub(before.images),
        };
        Some((id, known))
    }

    /// Continues a partial answer: it is pending again, and keeps its text. `false` if there is nothing to
    /// continue.
    pub fn resume(&mut self, id: AnswerId) -> bool {
        match self.answer_mut(id) {
            Some(variant) if variant.can_continue() => {
                variant.answered = Answered::Pending;
                // A continued answer is no longer the one on the relay.
                variant.at_relay = None;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Removes an answer, and its turn if the turn has no other answer.
    pub fn remove_answer(&mut self, id: AnswerId) {
        match self.turn_mut(id.turn) {
            Some(turn) if turn.variants.len() > 1 => turn.remove_variant(id.variant),
            Some(_) | None => self.remove(id.turn),
        }
    }

    /// Removes a turn.
    pub fn remove(&mut self, id: TurnId) {
        self.turns.retain(|turn| turn.id != id);
    }

    /// Restores a turn that was removed.
    pub fn restore_turn(&mut self, turn: Turn) {
        let at = self.turns.partition_point(|other| other.id < turn.id);
        self.turns.insert(at, turn);
    }

    /// Removes all turns; the settings stay.
    pub fn clear(&mut self) {
        self.turns.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline::Error;
    use towline::api::Role;
    use towline::error::{ErrorKind, Fault};

    fn outcome(ending: Ending) -> Outcome {
        Outcome::new(ending)
    }

    fn whole() -> Outcome {
        outcome(Ending::Completed(Some(FinishReason::Stop)))
    }

    fn truncated() -> Outcome {
        outcome(Ending::Truncated(Error::new(ErrorKind::Truncated, Fault::Server, "cut")))
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

    fn say(chat: &mut Conversation, id: AnswerId, text: &str, outcome: &Outcome) {
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
        assert_eq!(chat.answer(one).unwrap().answer.thinking, "hm");
        assert_eq!(chat.request(two).unwrap().messages[1].thinking, "");
    }

    #[test]
    fn a_partial_answer_is_continued_and_a_retry_asks_again() {
        let mut chat = Conversation::default();
        let one = chat.ask("m", Message::user("one"));
        assert!(!chat.resume(one));
        say(&mut chat, one, "half", &truncated());
        assert!(chat.resume(one));
        assert_eq!(sent(chat.request(one)), ["u:one", "a:half"]);
        say(&mut chat, one, " and half", &whole());
        assert_eq!(chat.answer(one).unwrap().answer.content, "half and half");
        assert!(!chat.resume(one), "it is whole");
        let again = chat.retry(one.turn, None, None).unwrap();
        assert_eq!(sent(chat.request(again)), ["u:one"]);
        assert_eq!(chat.answer(one).unwrap().answer.content, "half and half", "nothing is replaced");
    }

    #[test]
    fn an_answer_that_a_limit_cut_can_be_continued_also_when_it_was_read_again() {
        let mut chat = Conversation::default();
        let one = chat.ask("m", Message::user("one"));
        say(&mut chat, one, "half", &outcome(Ending::Completed(Some(FinishReason::Length))));
        let mut chat = session::read(&session::write(&chat, "2026-01-01T00:00:00Z")).unwrap();
        assert!(chat.answer(one).unwrap().is_cut() && chat.resume(one));
        say(&mut chat, one, " and half", &whole());
        assert!(!chat.answer(one).unwrap().can_continue());
    }

    #[test]
    fn a_removed_turn_is_restored_at_its_position() {
        let mut chat = Conversation::default();
        let [one, two] = ["one", "two"].map(|words| chat.ask("m", Message::user(words)));
        let turn = chat.turn(one.turn).unwrap().clone();
        chat.remove(one.turn);
        chat.restore_turn(turn);
        assert_eq!(chat.turns().iter().map(|turn| turn.id).collect::<Vec<_>>(), [one.turn, two.turn]);
    }

    #[test]
    fn a_question_has_words_of_its_own_beside_its_files() {
        let files = "a.rs:\n````\nx ``` y\n````\n\nb:\n```\n```\n\n";
        assert_eq!(own_words(&format!("{files}why:\nbecause")), "why:\nbecause");
        assert_eq!(own_words(files), "a.rs");
        assert_eq!(own_words("see:\n```\nopen"), "see:\n```\nopen");
    }

    #[test]
    fn what_a_relay_runs_is_left_and_rejoined_without_telling_anything_twice() {
        let mut chat = Conversation::default();
        let one = chat.ask("m", Message::user("one"));
        assert!(!chat.detach(one), "no relay runs it");
        say(&mut chat, one, "be", &truncated());
        assert!(chat.resume(one));
        chat.relayed(one, "r1");
        let log = ["fo", "ré ", "and after"].map(|text| Event::Text(text.into()));
        chat.receive(one, &log[0]);
        chat.receive(one, &log[1]);
        chat.relayed(one, "r1");
        assert!(chat.detach(one));
        assert_eq!(chat.answer(one).unwrap().answered, Answered::Truncated);
        let (name, mut known) = chat.rejoin(one).unwrap();
        assert_eq!((name.as_str(), known.text), ("r1", 6), "what stood there before is not the relay's");
        // In the form in which a reader that is behind gets it.
        let event = Event::Text("foré and after".into());
        for event in [event, Event::Text("!".into())] {
            if let Some(event) = known.skip(event) {
                chat.receive(one, &event);
            }
        }
        assert_eq!(chat.answer(one).unwrap().answer.content, "beforé and after!");
        chat.end(one, &whole());
        assert!(chat.rejoin(one).is_none() && !chat.detach(one), "it is over");
    }

    #[test]
    fn a_turn_keeps_every_answer_and_the_shown_one_is_history() {
        let mut chat = Conversation::default();
        let first = chat.ask("m", Message::user("one"));
        say(&mut chat, first, "1", &whole());
        let other = chat.retry(first.turn, Some("n"), Some("uno".into())).unwrap();
        say(&mut chat, other, "2", &whole());
        let next = chat.ask("m", Message::user("next"));
        assert_eq!(sent(chat.request(next)), ["u:uno", "a:2", "u:next"]);
        chat.show(first.turn, Selection::One(first.variant));
        assert_eq!(sent(chat.request(next)), ["u:one", "a:1", "u:next"]);
        chat.show(first.turn, Selection::One(9));
        assert_eq!(chat.turn(first.turn).unwrap().answer().id, first, "there is no such variant");

        let failed = chat.retry(first.turn, None, None).unwrap();
        assert!(!chat.end(failed, &truncated()), "nothing came of it");
        assert_eq!(chat.turn(first.turn).unwrap().answer().id, other);
        assert_eq!(chat.retry(first.turn, None, None), Some(failed), "its number is free again");
    }

    #[test]
    fn side_by_side_each_model_is_sent_its_own_thread() {
        let mut chat = Conversation::default();
        let turn = chat.ask_all(&["a", "b"], Message::user("one"));
        let [a, b] = [1, 2].map(|variant| AnswerId { turn, variant });
        say(&mut chat, a, "of a", &whole());
        say(&mut chat, b, "of b", &whole());
        let again = chat.retry(turn, Some("a"), None).unwrap();
        say(&mut chat, again, "of a again", &whole());
        let shown: Vec<AnswerId> =
            chat.turn(turn).unwrap().side_by_side().iter().map(|variant| variant.id).collect();
        assert_eq!(shown, [b, again]);
        let next = chat.ask_all(&["a", "b", "c"], Message::user("two"));
        let of = |chat: &Conversation, variant| sent(chat.request(AnswerId { turn: next, variant }));
        assert_eq!(of(&chat, 1), ["u:one", "a:of a again", "u:two"]);
        assert_eq!(of(&chat, 2), ["u:one", "a:of b", "u:two"]);
        assert_eq!(of(&chat, 3), ["u:two"], "it was not asked");
        chat.show(turn, Selection::One(b.variant));
        assert_eq!(of(&chat, 3), ["u:one", "a:of b", "u:two"], "one was chosen");
    }
}
