//! One answer for drawing, and how it ended.

use towline::engine::JobState;
use towline::error::ErrorKind;
use towline::event::{Span, Usage};
use towline::{Ending, Error, Event, Outcome};
use towline_app::chat::Variant;

use towline_app::document::Document;

/// Maximum number of pictures that are drawn for one answer.
const MAX_IMAGES: usize = 16;

/// How an answer ended, if it did not simply complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What happened.
    pub what: String,
    /// What can be done about it.
    pub hint: Option<&'static str>,
}

/// The state of a running answer, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Progressing {
    /// In words.
    pub words: String,
    /// Whether nothing has arrived for a while.
    pub is_stalled: bool,
}

/// One answer as it is drawn.
#[derive(Debug, Default)]
pub struct Answer {
    /// The answer.
    pub text: Document,
    /// The reasoning before it.
    pub thinking: Document,
    /// Pictures, in base64, as they arrived.
    pub images: Vec<String>,
    /// How it ended.
    pub note: Option<Note>,
}

impl Answer {
    /// An existing answer.
    pub fn of(variant: &Variant) -> Self {
        Self {
            text: Document::of(&variant.answer.content),
            thinking: Document::of(&variant.answer.thinking),
            images: variant.answer.images.iter().take(MAX_IMAGES).cloned().collect(),
            note: None,
        }
    }

    /// A piece came.
    pub fn receive(&mut self, event: &Event) {
        match event {
            Event::Text(text) => self.text.push(text),
            Event::Thinking(text) => self.thinking.push(text),
            Event::Image(image) if self.images.len() < MAX_IMAGES => self.images.push(image.base64.clone()),
            Event::Image(_)
            | Event::ToolCall(_)
            | Event::Logprobs(_)
            | Event::Progress(_)
            | Event::Usage(_) => {}
        }
    }
}

impl Note {
    /// The note for an ending; `None` if the answer is complete and all frames were understood.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let ended = Self::of_ending(&outcome.ending);
        let unknown = match outcome.not_understood.count {
            0 => return ended,
            1 => "One record of the server was not understood.".to_owned(),
            count => format!("{count} records of the server were not understood."),
        };
        let (what, hint) = ended.map_or((String::new(), None), |note| (note.what + " ", note.hint));
        Some(Self { what: what + &unknown, hint })
    }

    fn of_ending(ending: &Ending) -> Option<Self> {
        match ending {
            Ending::Completed(reason) => reason.as_ref().and_then(|reason| {
                let is_cut = reason.as_str() == "length";
                is_cut.then(|| Self {
                    what: "Stopped at the token limit.".into(),
                    hint: Some("Continue asks for the rest; the limit is in the chat's settings (Ctrl+I)"),
                })
            }),
            Ending::Cancelled { .. } => Some(Self { what: "Stopped by you.".into(), hint: None }),
            Ending::TimedOut { limit, .. } => {
                Some(Self { what: format!("Timed out after {}.", Span(*limit)), hint: None })
            }
            Ending::Truncated(error) => {
                Some(Self { what: format!("Cut off: {}.", error.message), hint: hint(error) })
            }
            Ending::Failed(error) => {
                Some(Self { what: format!("Failed: {}.", error.message), hint: hint(error) })
            }
        }
    }
}

impl Note {
    /// The note for an answer whose rest is on the relay.
    pub fn at_relay() -> Self {
        Self {
            what: "It continues on the relay.".into(),
            hint: Some("Continue attaches to it again, as Reattach in the panel (Ctrl+J) does"),
        }
    }

    /// The note for a relay that cannot be reached, where the answer may continue.
    pub fn out_of_reach(error: &Error) -> Self {
        Self {
            what: format!("The relay cannot be reached: {}.", error.message),
            hint: Some("the rest is read when it is back"),
        }
    }

    /// The note for the ending of an answer that was read from the relay.
    pub fn of_relayed(outcome: &Outcome) -> Option<Self> {
        let mut note = Self::of(outcome)?;
        if outcome.ending.error().is_some_and(|error| error.kind == ErrorKind::NotFound) {
            note.hint = Some("the relay no longer has it; Continue asks for the rest, Retry asks again");
        }
        Some(note)
    }
}

fn hint(error: &Error) -> Option<&'static str> {
    match error.kind {
        ErrorKind::Connect => Some("is the server running? Ctrl+, names another one"),
        ErrorKind::NotFound => Some("Ctrl+M shows the models there are, and pulls others"),
        ErrorKind::ConnectionLost | ErrorKind::Truncated => Some("Continue asks for the rest"),
        ErrorKind::Unauthorized => Some("the key is in OLLAMA_API_KEY"),
        ErrorKind::Busy => Some("Retry asks again"),
        ErrorKind::InvalidRequest
        | ErrorKind::Tls
        | ErrorKind::Rejected
        | ErrorKind::Server
        | ErrorKind::Protocol
        | ErrorKind::Limit
        | ErrorKind::Redirect
        | ErrorKind::TimedOut
        | ErrorKind::Cancelled
        | ErrorKind::Task => None,
    }
}

/// The tokens of an answer and their number a second, as its server counted them; `None` if it did not.
pub fn counted(usage: &Usage) -> Option<(u64, f64)> {
    let (tokens, time) = (usage.completion_tokens?, usage.completion?);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tokens as f64 / time.as_secs_f64().max(0.001);
    Some((tokens, rate))
}

/// A number of tokens, for people.
pub fn tokens(count: u64) -> String {
    format!("{count} token{}", if count == 1 { "" } else { "s" })
}

/// The state of a running answer. `is_loaded` says whether the server has the model in memory, if known.
pub fn progressing(state: JobState, silent_seconds: u64, is_loaded: Option<bool>) -> Progressing {
    let plain = |words: &str| Progressing { words: words.to_owned(), is_stalled: false };
    match state {
        JobState::Queued => plain("queued"),
        JobState::Connecting => plain("connecting…"),
        JobState::Waiting if is_loaded == Some(false) => plain("loading the model…"),
        JobState::Waiting => plain("waiting for the first token…"),
        JobState::Streaming if silent_seconds >= super::chat::STALLED_SECONDS => {
            Progressing { words: format!("stalled for {silent_seconds} s"), is_stalled: true }
        }
        JobState::Streaming | JobState::Running => plain("streaming"),
        JobState::Paused => plain("paused: nothing is read; the server may continue to generate for a while"),
        JobState::Cancelling => plain("stopping…"),
        JobState::Completed
        | JobState::Truncated
        | JobState::Cancelled
        | JobState::TimedOut
        | JobState::Failed => plain("ending…"),
    }
}

#[cfg(test)]
mod tests {
    use towline::outcome::{FinishReason, NotUnderstood};

    use super::*;

    #[test]
    fn what_was_not_understood_is_said_whatever_the_ending() {
        let note_of = |ending: Ending, count: u64| {
            let outcome =
                Outcome { not_understood: NotUnderstood { count, first: vec![] }, ..Outcome::new(ending) };
            Note::of(&outcome).map(|note| note.what)
        };
        let (whole, cut) = (FinishReason::Stop, FinishReason::Length);
        assert_eq!(note_of(Ending::Completed(Some(whole.clone())), 0), None);
        let note = note_of(Ending::Completed(Some(whole)), 1);
        assert_eq!(note.as_deref(), Some("One record of the server was not understood."));
        let note = note_of(Ending::Completed(Some(cut)), 2);
        let wanted = "Stopped at the token limit. 2 records of the server were not understood.";
        assert_eq!(note.as_deref(), Some(wanted));
    }
}
