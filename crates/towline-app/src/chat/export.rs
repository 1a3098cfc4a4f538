//! A conversation as Markdown or JSON.

use serde_json::{Value, json};
use towline::Message;

use super::{Answered, Conversation, Turn, Variant, session};
use crate::document::Document;

/// The conversation as Markdown. Closes code blocks that an answer leaves open.
pub fn markdown(title: &str, chat: &Conversation) -> String {
    let mut text = format!("# {title}\n");
    if let Some(system) = &chat.settings.system {
        text.push_str(&format!("\n> System: {}\n", system.replace('\n', "\n> ")));
    }
    for turn in chat.turns() {
        let shown = turn.side_by_side();
        let words = turn.question_of(turn.answer()).content;
        text.push_str(&format!("\n## You\n\n{}\n", closed(&words)));
        text.extend(images(&turn.question).map(|images| format!("\n*({images})*\n")));
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
    text.extend(images(answer).map(|images| format!("\n*({images})*\n")));
    if *answered != Answered::Whole {
        text.push_str(&format!("\n*({})*\n", answered.as_str().replace('_', " ")));
    }
}

/// A text with the number of a message's images, if it has any.
pub fn images(message: &Message) -> Option<String> {
    match message.images.len() {
        0 => None,
        1 => Some("1 image".to_owned()),
        count => Some(format!("{count} images")),
    }
}

/// The text, with an open code block closed.
fn closed(text: &str) -> String {
    let text = text.trim_end();
    let fence = Document::of(text).closing_fence();
    fence.map_or_else(|| text.to_owned(), |fence| format!("{text}\n{fence}"))
}

/// The conversation as one JSON object, which `docs/prompt.md` describes.
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
        "tags": chat.tags,
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

/// Reads a conversation that [`json()`] wrote. Side-by-side answers become consecutive turns.
///
/// # Errors
/// If a part is missing in the text; says which, for people.
pub fn read_json(text: &str) -> Result<Conversation, String> {
    let mut whole: Value =
        serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?;
    let turns = whole["turns"].as_array().cloned().filter(|_| whole["version"] == json!(1));
    let turns = turns.ok_or("this is neither a session nor a chat that was exported as JSON")?;
    let mut settings = whole["settings"].take();
    settings["record"] = json!("settings");
    let mut lines = session::header("") + &format!("{settings}\n");
    if whole["tags"].is_array() {
        lines += &format!("{}\n", json!({ "record": "tags", "tags": whole["tags"] }));
    }
    for (number, turn) in turns.iter().enumerate() {
        let (question, answer) = (&turn["question"], &turn["answer"]);
        let mut asked =
            json!({ "record": "question", "model": turn["model"], "content": question["content"] });
        if question["images"].is_array() {
            asked["images"] = question["images"].clone();
        }
        let mut records = vec![asked];
        for (kind, text) in [("thinking", &answer["thinking"]), ("text", &answer["content"])] {
            records.extend(text.is_string().then(|| json!({ "record": kind, "text": text })));
        }
        for call in answer["tool_calls"].as_array().into_iter().flatten() {
            let (name, arguments) = (&call["function"]["name"], &call["function"]["arguments"]);
            records.push(
                json!({ "record": "tool_call", "id": call["id"], "name": name, "arguments": arguments }),
            );
        }
        for image in answer["images"].as_array().into_iter().flatten() {
            records.push(json!({ "record": "image", "image": image }));
        }
        let mut end = json!({ "record": "end", "ending": turn["ending"] });
        if !turn["usage"].is_null() {
            end["usage"] = turn["usage"].clone();
        }
        // A running answer has no end yet.
        records.extend((turn["ending"] != json!("pending")).then_some(end));
        for mut record in records {
            record["turn"] = json!(number);
            lines.push_str(&format!("{record}\n"));
        }
    }
    session::read(&lines).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Settings;
    use towline::Event;
    use towline::event::Image;

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

    #[test]
    fn what_is_exported_is_read() {
        let settings = Settings { model: "m".into(), system: Some("be brief".into()), ..Settings::default() };
        let mut chat = Conversation::new(settings);
        chat.tags = vec!["rust".into(), "work".into()];
        let id = chat.ask("m", Message::user("q?").with_image(b"png"));
        let call = towline::event::ToolCall {
            id: Some("c".into()),
            name: "weather".into(),
            arguments: serde_json::json!({ "place": "sea" }),
        };
        for event in [
            Event::Thinking("hm".into()),
            Event::Text("a!".into()),
            Event::ToolCall(Box::new(call)),
            Event::Image(Image { base64: "cG5n".into() }),
        ] {
            chat.receive(id, &event);
        }
        chat.end(id, &towline::Outcome::new(towline::Ending::Completed(None)));
        let two = chat.ask("m", Message::user("and?"));
        chat.receive(two, &Event::Text("more".into()));
        chat.end(two, &towline::Outcome::new(towline::Ending::Completed(None)));
        assert_eq!(read_json(&json("T", &chat)).unwrap(), chat);
        assert_eq!(markdown("T", &chat).matches("\n*(1 image)*\n").count(), 2, "one asked, one answered");
        assert!(read_json("{\"turns\": []}").unwrap_err().contains("neither"));
        assert!(read_json("[1").unwrap_err().contains("not JSON"));
    }
}
