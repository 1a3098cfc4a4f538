//! The history for the relay's page, which reads it and adds questions.

use std::path::PathBuf;

use towline_app::chat::export::images;
use towline_app::chat::{AnswerId, Turn, own_words};
use towline_app::history::{
    ChatId, History, HistoryError, InHistory, SearchHit, Summary, read_place, turn_of,
};
use towline_relay::{PastConversation, PastTurn, PastTurns, PlaceInHistory, UserHistory};

/// The history at this path. The first question creates it if it does not exist.
#[derive(Debug)]
pub struct Past(pub PathBuf);

impl Past {
    fn open(&self) -> Result<Option<History>, String> {
        if !self.0.exists() {
            return Ok(None);
        }
        History::open(&self.0).map(Some).map_err(|error| error.to_string())
    }
}

impl UserHistory for Past {
    fn list(&self, text: &str, most: usize) -> Result<Vec<PastConversation>, String> {
        let Some(history) = self.open()? else { return Ok(Vec::new()) };
        let listed = if text.trim().is_empty() {
            history.list(most).map(|chats| chats.into_iter().map(|chat| shown(chat, None)).collect())
        } else {
            let shown = |SearchHit { chat, around }| shown(chat, Some(around));
            history.search(text, most).map(|found| found.into_iter().map(shown).collect())
        };
        listed.map_err(|error: HistoryError| error.to_string())
    }

    fn read(&self, id: &str) -> Result<Option<PastTurns>, String> {
        let (Some(mut history), Ok(id)) = (self.open()?, id.parse()) else { return Ok(None) };
        let id = ChatId(id);
        let read = history.summary(id).and_then(|summary| Ok((summary, history.load(id)?)));
        match read {
            Ok((Summary { title, .. }, chat)) => {
                Ok(Some(PastTurns { title, turns: chat.turns().iter().flat_map(answers).collect() }))
            }
            Err(HistoryError::Missing(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn ask(&self, conversation: Option<&str>, body: &[u8]) -> Result<Option<PlaceInHistory>, String> {
        // Other content than texts and images stays only on the relay.
        let Ok(request) = serde_json::from_slice(body) else { return Ok(None) };
        let continued = conversation.and_then(|id| id.parse().ok()).map(ChatId);
        let asked = History::open(&self.0).and_then(|mut history| history.ask(continued, &request));
        asked.map(|asked| asked.map(place)).map_err(|error| error.to_string())
    }

    fn record_retry(&self, before: &PlaceInHistory) -> Result<Option<PlaceInHistory>, String> {
        let (Some(mut history), Some((InHistory::Chat(chat), answer))) =
            (self.open()?, read_place(&before.conversation, &before.turn))
        else {
            return Ok(None);
        };
        let again = history.record_retry(chat, answer).map_err(|error| error.to_string())?;
        Ok(again.map(|answer| place((chat, answer))))
    }

    fn withdraw(&self, place: &PlaceInHistory) -> Result<(), String> {
        let Some((InHistory::Chat(chat), answer)) = read_place(&place.conversation, &place.turn) else {
            return Ok(());
        };
        let withdrawn = History::open(&self.0).and_then(|mut history| history.withdraw(chat, answer, None));
        withdrawn.map_err(|error| error.to_string())
    }
}

fn place((chat, answer): (ChatId, AnswerId)) -> PlaceInHistory {
    PlaceInHistory { conversation: InHistory::Chat(chat).to_string(), turn: turn_of(answer) }
}

fn shown(chat: Summary, around: Option<String>) -> PastConversation {
    let updated = jiff::Timestamp::from_millisecond(chat.updated_ms).unwrap_or_default();
    PastConversation {
        id: chat.id.0.to_string(),
        name: chat.name,
        title: chat.title,
        model: chat.model,
        turns: chat.turns,
        updated_at: updated.to_string(),
        around,
    }
}

/// The question, once, and each shown answer.
fn answers(turn: &Turn) -> Vec<PastTurn> {
    let several = turn.side_by_side();
    let names_models = several.len() > 1;
    let mut answers = Vec::new();
    for answer in several {
        let question = turn.question_of(answer).content;
        let question = if answers.is_empty() { own_words(&question).to_owned() } else { String::new() };
        let text = &answer.answer.content;
        let mut text = if names_models { format!("**{}**\n\n{text}", answer.model) } else { text.clone() };
        text.extend(images(&answer.answer).map(|images| format!("\n\n*({images})*")));
        answers.push(PastTurn { question, thinking: answer.answer.thinking.clone(), text });
    }
    answers
}

#[cfg(test)]
mod tests {
    use towline_app::chat::{Conversation, Settings};

    use super::*;

    #[test]
    fn what_the_history_has_is_listed_searched_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let past = Past(folder.path().join("history.db"));
        assert_eq!(past.list("", 10), Ok(Vec::new()));
        assert!(!past.0.exists(), "a look makes no history");
        let mut chat = Conversation::new(Settings::default());
        let asked =
            chat.ask("small", towline::Message::user("notes.txt:\n```\nropes\n```\n\nWhy do rivers bend?"));
        chat.receive(asked, &towline::Event::Text("They *meander*.".into()));
        chat.receive(asked, &towline::Event::Image(towline::event::Image { base64: "cG5n".into() }));
        let text = towline_app::chat::session::write(&chat, "2026-01-01T00:00:00Z");
        History::open(&past.0).unwrap().import(&text, Some("rivers")).unwrap();
        let listed = past.list(" ", 10).unwrap();
        assert_eq!((listed[0].name.as_str(), listed[0].turns, &listed[0].around), ("rivers", 1, &None));
        let found = past.list("MEANDER", 10).unwrap();
        assert!(found[0].around.as_ref().unwrap().contains("meander"));
        assert_eq!(past.list("nothing like it", 10), Ok(Vec::new()));
        let read = past.read(&found[0].id).unwrap().unwrap();
        assert_eq!(read.turns[0].question, "Why do rivers bend?");
        assert_eq!(read.turns[0].text, "They *meander*.\n\n*(1 image)*");
        assert_eq!(past.read("99"), Ok(None));
        assert_eq!(past.read("../x"), Ok(None));
    }
}
