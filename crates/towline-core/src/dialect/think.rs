//! Thinking that a server leaves inside the text, between `<think>` and `</think>` at its beginning.
//!
//! It is separated as the model's reasoning, wherever records split the tags. White space around the tags
//! belongs to neither part; without tags the text stays as it arrived, record by record.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::event::Event;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// How much leading white space is held back in case a tag follows, in bytes and in events.
const MAX_HELD: usize = 64;

/// How to treat thinking that a server leaves inside the text, between `<think>` and `</think>` at its
/// beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThinkTags {
    /// Separate it: the text between the tags becomes thinking, and the tags are removed.
    #[default]
    Split,
    /// Keep the text as the server sent it.
    Keep,
}

impl ThinkTags {
    /// Splits a whole answer into thinking and text. If the tag is not closed, all of it is thinking.
    #[must_use]
    pub fn split(self, text: String) -> (String, String) {
        let mut events = VecDeque::from([Event::Text(text)]);
        Tags::new(self).split(&mut events, 0, true);
        let (mut thinking, mut text) = (String::new(), String::new());
        for event in events {
            match event {
                Event::Text(part) => text += &part,
                Event::Thinking(part) => thinking += &part,
                Event::ToolCall(_)
                | Event::Image(_)
                | Event::Logprobs(_)
                | Event::Progress(_)
                | Event::Usage(_) => {}
            }
        }
        (thinking, text)
    }
}

/// Whether the text of a stream so far contains thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkTagsFound {
    /// It has none: it is text, or nothing has arrived.
    No,
    /// The text so far may be the beginning of a tag; it is held back.
    Perhaps,
    /// It had a tag, which was removed.
    Yes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TagState {
    /// Only white space and the beginning of a tag have arrived.
    Start,
    /// Between the tags; `true` while only white space has arrived there.
    Inside(bool),
    /// After the closing tag, with only white space since.
    AfterClosing,
    /// In the answer: no more tags are expected.
    Answer,
}

/// The state of the text of one stream.
#[derive(Debug)]
pub(super) struct Tags {
    state: TagState,
    /// Text that may belong to a tag, and the events after it.
    held: Vec<Event>,
    has_found: bool,
}

impl Tags {
    pub(super) fn new(tags: ThinkTags) -> Self {
        let state = match tags {
            ThinkTags::Split => TagState::Start,
            ThinkTags::Keep => TagState::Answer,
        };
        Self { state, held: Vec::new(), has_found: false }
    }

    /// Whether all further text is part of the answer.
    pub(super) fn is_in_answer(&self) -> bool {
        self.state == TagState::Answer
    }

    pub(super) fn found(&self) -> ThinkTagsFound {
        match (self.has_found, self.held.is_empty()) {
            (true, _) => ThinkTagsFound::Yes,
            (false, true) => ThinkTagsFound::No,
            (false, false) => ThinkTagsFound::Perhaps,
        }
    }

    /// How much text is held back.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.held.iter().filter_map(Event::text).map(str::len).sum()
    }

    /// Separates thinking from text in the events from `from` on. `is_end`: there is no text after them.
    pub(super) fn split(&mut self, events: &mut VecDeque<Event>, from: usize, is_end: bool) {
        if self.is_in_answer() {
            return;
        }
        for event in events.split_off(from) {
            match event {
                Event::Text(text) => self.text(text, events),
                Event::Thinking(_) => {
                    // This server separates thinking itself.
                    self.release_held(events);
                    events.push_back(event);
                }
                Event::ToolCall(_)
                | Event::Image(_)
                | Event::Logprobs(_)
                | Event::Progress(_)
                | Event::Usage(_) => {
                    if self.held.len() > MAX_HELD {
                        self.release_held(events);
                    }
                    // No event may overtake the text.
                    if self.held.is_empty() { events.push_back(event) } else { self.held.push(event) }
                }
            }
        }
        if is_end {
            self.release_held(events);
        }
    }

    /// Releases the text that is held back: it belongs to no tag, or the stream has ended.
    pub(super) fn release_held(&mut self, events: &mut VecDeque<Event>) {
        let was = std::mem::replace(&mut self.state, TagState::Answer);
        let is_thinking = matches!(was, TagState::Inside(_));
        events.extend(self.held.drain(..).map(|event| match event.text() {
            Some(text) if is_thinking => Event::Thinking(text.to_owned()),
            Some(_) | None => event,
        }));
    }

    fn text(&mut self, text: String, events: &mut VecDeque<Event>) {
        match self.state {
            TagState::Start => {
                let all = self.with_held(&text);
                let seen = all.trim_start();
                if let Some(rest) = seen.strip_prefix(OPEN) {
                    self.has_found = true;
                    self.inside(rest, true, events);
                    return;
                }
                let may_be_tag = OPEN.starts_with(seen) && all.len() <= MAX_HELD;
                drop(all);
                if may_be_tag {
                    self.held.push(Event::Text(text));
                } else {
                    self.release_held(events);
                    events.push_back(Event::Text(text));
                }
            }
            TagState::Inside(is_blank) => {
                let all = self.with_held(&text);
                self.inside(&all, is_blank, events);
            }
            TagState::AfterClosing => self.after_closing(&text, events),
            TagState::Answer => events.push_back(Event::Text(text)),
        }
    }

    /// The text that is held back, followed by this text; a long text is not copied.
    fn with_held<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.held.is_empty() {
            return Cow::Borrowed(text);
        }
        self.held.iter().filter_map(Event::text).chain([text]).collect()
    }

    /// `text` and the text that was held back are between the tags, up to the closing tag.
    fn inside(&mut self, text: &str, is_blank: bool, events: &mut VecDeque<Event>) {
        let seen = if is_blank { text.trim_start() } else { text };
        let (thought, rest) = match seen.find(CLOSE) {
            Some(at) => (&seen[..at], Some(&seen[at + CLOSE.len()..])),
            None => {
                let tag = (1..CLOSE.len()).rev().find(|length| seen.ends_with(&CLOSE[..*length]));
                (&seen[..seen.len() - tag.unwrap_or(0)], None)
            }
        };
        if !thought.is_empty() {
            events.push_back(Event::Thinking(thought.to_owned()));
        }
        events.extend(self.held.drain(..).filter(|event| event.text().is_none()));
        match rest {
            Some(rest) => self.after_closing(rest, events),
            None => {
                self.state = TagState::Inside(is_blank && thought.is_empty());
                let tag = &seen[thought.len()..];
                self.held.extend((!tag.is_empty()).then(|| Event::Text(tag.to_owned())));
            }
        }
    }

    fn after_closing(&mut self, text: &str, events: &mut VecDeque<Event>) {
        self.state = TagState::AfterClosing;
        let text = text.trim_start();
        if !text.is_empty() {
            self.state = TagState::Answer;
            events.push_back(Event::Text(text.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_copied_only_behind_what_is_held_back() {
        let mut tags = Tags::new(ThinkTags::Split);
        assert!(matches!(tags.with_held("a long text"), Cow::Borrowed("a long text")));
        tags.text("<thi".to_owned(), &mut VecDeque::new());
        assert_eq!(tags.with_held("nk>"), "<think>");
    }

    /// The result for pieces of text, with thinking in brackets; pieces of one kind are joined.
    fn split(pieces: &[&str]) -> String {
        let (mut tags, mut events) = (Tags::new(ThinkTags::Split), VecDeque::new());
        for piece in pieces {
            let from = events.len();
            events.push_back(Event::Text((*piece).to_owned()));
            tags.split(&mut events, from, false);
        }
        let from = events.len();
        tags.split(&mut events, from, true);
        let (mut text, mut thinking) = (String::new(), String::new());
        for event in events {
            match event {
                Event::Text(piece) => text.push_str(&piece),
                Event::Thinking(piece) => {
                    assert!(text.is_empty(), "thinking comes first");
                    thinking.push_str(&piece);
                }
                other @ (Event::ToolCall(_)
                | Event::Image(_)
                | Event::Logprobs(_)
                | Event::Progress(_)
                | Event::Usage(_)) => panic!("{other:?}"),
            }
        }
        if thinking.is_empty() { text } else { format!("[{thinking}]{text}") }
    }

    #[test]
    fn thinking_is_separated_wherever_its_tags_are_cut() {
        let body = " \n<think>\na < b </thin\n</think>\n\nGood <think>day</think>";
        let wanted = "[a < b </thin\n]Good <think>day</think>";
        for first in 0..=body.len() {
            for second in first..=body.len() {
                assert_eq!(split(&[&body[..first], &body[first..second], &body[second..]]), wanted);
            }
        }
        let bytes: Vec<String> = body.chars().map(String::from).collect();
        assert_eq!(split(&bytes.iter().map(String::as_str).collect::<Vec<_>>()), wanted);
    }

    #[test]
    fn text_without_tags_stays_as_it_came() {
        for text in
            ["", " ", "\n\nHello", "<", "<thin", "<thinking>no</thinking>", "a<think>b</think>", "</think>"]
        {
            assert_eq!(split(&[text]), text);
            assert_eq!(split(&text.split_inclusive(|_| true).collect::<Vec<_>>()), text);
        }
        let blank = " ".repeat(1000);
        assert_eq!(split(&[&blank, "<think>late"]), format!("{blank}<think>late"));
    }

    #[test]
    fn an_end_inside_the_tags_loses_nothing() {
        assert_eq!(split(&["<think>"]), "");
        assert_eq!(split(&["<think>so", "</thi"]), "[so</thi]");
        assert_eq!(split(&["<think>\n\n</think>\n\n", "yes"]), "yes");
        assert_eq!(split(&["<think>so</think>"]), "[so]");
    }

    #[test]
    fn a_server_that_separates_thinking_is_left_alone() {
        let (mut tags, mut events) = (Tags::new(ThinkTags::Split), VecDeque::new());
        events.extend([Event::Thinking("t".into()), Event::Text("<think>x</think>".into())]);
        let wanted = events.clone();
        tags.split(&mut events, 0, false);
        assert_eq!(events, wanted);
        let mut tags = Tags::new(ThinkTags::Keep);
        events.pop_front();
        tags.split(&mut events, 0, true);
        assert_eq!(events, [Event::Text("<think>x</think>".into())]);
    }
}
