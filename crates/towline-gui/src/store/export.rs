//! A chat as Markdown or JSON.

use serde_json::{Value, json};
use towline_app::chat::{Answered, Conversation, Turn};

/// The conversation for people to read.
pub fn markdown(title: &str, chat: &Conversation) -> String {
    let mut text = format!("# {title}\n");
    if let Some(system) = &chat.settings.system {
        text.push_str(&format!("\n> System: {}\n", system.replace('\n', "\n> ")));
    }
    for turn in chat.turns() {
        text.push_str(&format!("\n## You\n\n{}\n", turn.question.content.trim_end()));
        if !turn.question.images.is_empty() {
            text.push_str(&format!("\n*({} images)*\n", turn.question.images.len()));
        }
        text.push_str(&format!("\n## {}\n", turn.model));
        if !turn.answer.thinking.is_empty() {
            let thinking = turn.answer.thinking.trim_end().replace('\n', "\n> ");
            text.push_str(&format!("\n> {thinking}\n"));
        }
        if !turn.answer.content.is_empty() {
            text.push_str(&format!("\n{}\n", turn.answer.content.trim_end()));
        }
        for call in &turn.answer.tool_calls {
            text.push_str(&format!("\n```json\n{} {}\n```\n", call.name, call.arguments));
        }
        if turn.answered != Answered::Whole {
            text.push_str(&format!("\n*({})*\n", turn.answered.as_str().replace('_', " ")));
        }
    }
    text
}

/// The conversation for programs: one object, whole.
pub fn json(title: &str, chat: &Conversation) -> String {
    let turn = |turn: &Turn| {
        json!({
            "question": turn.question,
            "model": turn.model,
            "answer": turn.answer,
            "ending": turn.answered.as_str(),
            "usage": turn.usage,
        })
    };
    let turns: Vec<Value> = chat.turns().iter().map(turn).collect();
    let settings = &chat.settings;
    let whole = json!({
        "title": title,
        "model": settings.model,
        "system": settings.system,
        "options": settings.options,
        "turns": turns,
    });
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline::{Event, Message};
    use towline_app::chat::Settings;

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
    }
}
