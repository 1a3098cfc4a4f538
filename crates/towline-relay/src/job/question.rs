//! The question of a request, for lists.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// How much of a question is kept, in characters.
const QUESTION_CHARS: usize = 1000;

/// The question of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Question {
    /// The user's last message, if it is not blank.
    pub(crate) text: Option<String>,
    /// Number of the user's messages before it.
    pub(crate) before: u64,
}

/// The fields of the APIs: `messages` of Ollama, OpenAI and Anthropic, `prompt` of completions, `input` of
/// Responses.
#[derive(Default, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

impl Question {
    /// An unreadable body has no question.
    pub(crate) fn of(body: &[u8]) -> Self {
        let body: Body<'_> = serde_json::from_slice(body).unwrap_or_default();
        let Some(asked) = body.messages.or(body.prompt).or(body.input) else { return Self::default() };
        let Ok(messages) = serde_json::from_str::<Vec<Message<'_>>>(asked.get()) else {
            return Self { text: text_of(asked), before: 0 };
        };
        let mut of_user = messages.iter().filter(|message| message.role == "user");
        let last = of_user.next_back();
        let text = last.and_then(|message| text_of(message.content?));
        Self { text, before: of_user.count() as u64 }
    }
}

/// A text, or the texts of a list of parts.
fn text_of(content: &RawValue) -> Option<String> {
    let text = match serde_json::from_str::<Vec<Part>>(content.get()) {
        Ok(parts) => parts.into_iter().filter_map(|part| part.text).collect::<Vec<_>>().join("\n"),
        Err(_) => serde_json::from_str::<String>(content.get()).ok()?,
    };
    let text: String = text.trim().chars().take(QUESTION_CHARS).collect();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> (Option<String>, u64) {
        let Question { text, before } = Question::of(body.as_bytes());
        (text, before)
    }

    #[test]
    fn the_last_message_of_the_user_is_the_question() {
        let says = |text: &str, before| (Some(text.to_owned()), before);
        let chat = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},
            {"role":"assistant","content":"b","tool_calls":[]},{"role":"user","content":" why?\n"},
            {"role":"tool","content":"c"}]}"#;
        assert_eq!(of(chat), says("why?", 1));
        let parts = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"what"},
            {"type":"image_url","image_url":{"url":"data:"}},{"type":"text","text":"is it"}]}]}"#;
        assert_eq!(of(parts), says("what\nis it", 0));
        assert_eq!(of(r#"{"prompt":"say \u0041"}"#), says("say A", 0));
        assert_eq!(of(r#"{"input":"hello"}"#), says("hello", 0));
        let responses = r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},
            {"type":"function_call_output","output":"5"}]}"#;
        assert_eq!(of(responses), says("x", 0));
        let long = format!(r#"{{"prompt":"{}"}}"#, "é".repeat(5000));
        assert_eq!(of(&long).0.unwrap().chars().count(), QUESTION_CHARS);
    }

    #[test]
    fn what_cannot_be_read_has_no_question() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"messages":[]}"#,
            r#"{"messages":5}"#,
            r#"{"messages":[{"role":5,"content":"a"}]}"#,
            r#"{"messages":[{"role":"user"}]}"#,
            r#"{"messages":[{"role":"user","content":" "}]}"#,
            r#"{"messages":[{"role":"user","content":{"text":"a"}}]}"#,
            r#"{"prompt":["a"]}"#,
        ] {
            assert_eq!(of(body), (None, 0), "{body}");
        }
    }
}
