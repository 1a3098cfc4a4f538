//! A conversation as Markdown or JSON.

use serde_json::{Value, json};

use super::{Answered, Conversation, Turn, Variant};
use crate::document::Document;

/// The conversation for people to read. Code that an answer leaves open is closed.
pub fn markdown(title: &str, chat: &Conversation) -> String {
    let mut text = format!("# {title}\n");
    if let Some(system) = &chat.settings.system {
        text.push_str(&format!("\n> System: {}\n", system.replace('\n', "\n> ")));
    }
    for turn in chat.turns() {
        let shown = turn.side_by_side();
        let words = turn.question_of(turn.answer()).content;
        text.push_str(&format!("\n## You\n\n{}\n", closed(&words)));
        if !turn.question.images.is_empty() {
            text.push_str(&format!("\n*({} images)*\n", turn.question.images.len()));
        }
        shown.into_iter().for_each(|variant| answer(&mut text, variant));
    }
    text
}

fn answer(text: &mut String, variant: &Variant) {
    let Variant { model, answer, answered, .. } = variant;
    text.push_str(&format!("\n## {model}\n"));
    if !answer.thinking.is_empty() {
        let thinking = answer.thinking.trim_end().replace('\n', "\n> ");
        text.push_str(&format!("\n> {thinking}\n"));
    }
    if !answer.content.is_empty() {
        text.push_str(&format!("\n{}\n", closed(&answer.content)));
    }
    for call in &answer.tool_calls {
        text.push_str(&format!("\n```json\n{} {}\n```\n", call.name, call.arguments));
    }
    if *answered != Answered::Whole {
        text.push_str(&format!("\n*({})*\n", answered.as_str().replace('_', " ")));
    }
}

/// A text whose code is closed.
fn closed(text: &str) -> String {
    let text = text.trim_end();
    let fence = Document::of(text).closing_fence();
    fence.map_or_else(|| text.to_owned(), |fence| format!("{text}\n{fence}"))
}

/// The conversation for programs, described in `docs/prompt.md`: one object, whole.
pub fn json(title: &str, chat: &Conversation) -> String {
    let answer = |turn: &Turn, variant: &Variant| {
        json!({
            "question": turn.question_of(variant),
            "model": variant.model,
            "answer": variant.answer,
            "ending": variant.answered.as_str(),
            "usage": variant.usage,
        })
    };
    let shown = |turn: &Turn| -> Vec<Value> {
        turn.side_by_side().into_iter().map(|variant| answer(turn, variant)).collect()
    };
    let turns: Vec<Value> = chat.turns().iter().flat_map(shown).collect();
    let settings = &chat.settings;
    let whole = json!({
        "version": 1,
        "title": title,
        "settings": {
            "model": settings.model,
            "system": settings.system,
            "options": settings.options,
            "think": settings.think,
            "format": settings.format,
        },
        "turns": turns,
    });
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Settings;
    use towline::{Event, Message};

    #[test]
    fn both_forms_say_everything() {
        let mut chat = Conversation::new(Settings { model: "m".into(), ..Settings::default() });
        let id = chat.ask("m", Message::user("q?"));
        chat.receive(id, &Event::Thinking("hm".into()));
        chat.receive(id, &Event::Text("a!\n".into()));
        assert_eq!(markdown("T", &chat), "# T\n\n## You\n\nq?\n\n## m\n\n> hm\n\na!\n\n*(pending)*\n");
        let value: Value = serde_json::from_str(&json("T", &chat)).unwrap();
        assert_eq!(value["turns"][0]["answer"]["content"], "a!\n");
        assert_eq!(value["turns"][0]["question"]["role"], "user");
        chat.receive(id, &Event::Text("```sh\nls".into()));
        assert!(
            markdown("T", &chat).contains("\na!\n```sh\nls\n```\n\n*(pending)*\n"),
            "code that was cut is closed"
        );
    }
}
