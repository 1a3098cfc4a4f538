//! A search finds the same as a reading of every conversation.

use proptest::prelude::*;
use rusqlite::Connection;
use towline::outcome::FinishReason;
use towline::{Ending, Event, Message, Outcome};

use super::search::Common;
use super::store::VERSIONS;
use super::*;
use crate::chat::{Conversation, Settings, session};

const LETTERS: [char; 12] = ['a', 'b', 'A', 'é', 'É', 'ß', '長', '江', ' ', '"', '%', '\\'];

/// The data of a turn: its question, its answer and whether that has ended, an edited question and an answer to it.
type Asked = (String, String, bool, Option<String>);

#[derive(Debug, Clone)]
struct Made {
    turns: Vec<Asked>,
    title: Option<String>,
    updated: i64,
}

fn text(most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&LETTERS[..]), 0..=most).prop_map(String::from_iter)
}

fn made() -> impl Strategy<Value = Made> {
    let turn = (text(5), text(7), any::<bool>(), proptest::option::of(text(4)));
    let turns = proptest::collection::vec(turn, 0..4);
    (turns, proptest::option::of(text(5)), 0..3i64).prop_map(|(turns, title, updated)| Made {
        turns,
        title,
        updated,
    })
}

fn import(history: &mut History, made: &Made) {
    let mut chat = Conversation::new(Settings { model: "m".into(), ..Settings::default() });
    let mut lines = session::header("2026-01-02T03:04:05Z");
    let done = Outcome::new(Ending::Completed(Some(FinishReason::Stop)));
    for (question, answer, has_ended, words) in &made.turns {
        let id = chat.ask("m", Message::user(question.as_str()));
        lines += &session::question(chat.turn(id.turn).unwrap());
        for piece in answer.split_inclusive('a') {
            lines += &session::piece(id, &Event::Text(piece.into())).unwrap();
        }
        if *has_ended {
            chat.end(id, &done);
            lines += &chat.answer(id).map(session::end).unwrap();
        }
        if let Some(again) = words.as_ref().and_then(|words| chat.retry(id.turn, None, Some(words.clone()))) {
            lines += &session::retry(chat.turn(again.turn).unwrap(), chat.answer(again).unwrap());
            chat.end(again, &done);
            lines += &chat.answer(again).map(session::end).unwrap();
        }
    }
    let id = history.import(&lines, None).unwrap();
    if let Some(title) = &made.title {
        history.set_title(id, title).unwrap();
    }
    let sql = "UPDATE chat SET updated = ?2 WHERE id = ?1";
    history.database.execute(sql, [id.0, made.updated]).unwrap();
}

/// Every text of a conversation, both indexed and not yet indexed.
fn texts(history: &History, chat: i64) -> [Vec<String>; 2] {
    let all = |sql: &str| {
        let mut texts = history.database.prepare(sql).unwrap();
        let texts = texts.query_map([chat], |row| row.get::<_, Option<String>>(0)).unwrap();
        texts.filter_map(|text| text.unwrap()).collect::<Vec<_>>()
    };
    let of_variants = "FROM variant JOIN turn ON turn.id = variant.turn WHERE turn.chat = ?1";
    [
        [
            all("SELECT question FROM turn WHERE chat = ?1"),
            all(&format!("SELECT variant.text {of_variants}")),
            all(&format!("SELECT variant.words {of_variants}")),
        ]
        .concat(),
        [
            all("SELECT title FROM chat WHERE id = ?1"),
            all("SELECT name FROM chat WHERE id = ?1"),
            all(&format!(
                "SELECT (SELECT group_concat(text, '' ORDER BY id) FROM piece WHERE variant = variant.id)
                 {of_variants} AND ending IS NULL"
            )),
        ]
        .concat(),
    ]
}

fn small(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The conversations that contain the words, found by reading everything.
fn read_all(history: &History, words: &str, limit: usize) -> Vec<i64> {
    let words = words.trim();
    let mut chats =
        history.database.prepare("SELECT id, updated FROM chat ORDER BY updated DESC, id DESC").unwrap();
    let chats = chats.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap);
    let asks = |chat: &i64| history.summary(ChatId(*chat)).unwrap().turns > 0;
    let has = |chat: &i64| {
        let [indexed, others] = texts(history, *chat);
        let in_any_case = |text: &String| small(text).contains(&small(words));
        let in_ascii_case = |text: &String| text.to_ascii_lowercase().contains(&words.to_ascii_lowercase());
        let is_short = words.chars().count() < 3;
        indexed.iter().any(in_any_case)
            || others.iter().any(|text| if is_short { in_any_case(text) } else { in_ascii_case(text) })
    };
    chats.filter(|chat| !words.is_empty() && asks(chat) && has(chat)).take(limit).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_search_finds_what_a_reading_of_all_finds(
        chats in proptest::collection::vec(made(), 1..7),
        words in proptest::collection::vec(text(4), 1..12),
        limit in 1usize..8,
        places in 0usize..4,
        threes in 0usize..5,
        read in 0usize..3,
    ) {
        let mut history = History::in_memory().unwrap();
        chats.iter().for_each(|made| import(&mut history, made));
        let effort = [
            Common { places, threes, chats: read },
            Common { places: 1_000, threes: 1_000, chats: 0 },
        ];
        for words in &words {
            let expected = read_all(&history, words, limit);
            for common in effort {
                let found = history.search_with(words, limit, common).unwrap();
                let found: Vec<i64> = found.iter().map(|found| found.chat.id.0).collect();
                prop_assert_eq!(&found, &expected, "{:?} with {:?}", words, common);
            }
        }
    }
}

#[test]
fn every_character_is_found_in_each_of_its_cases() {
    let mut history = History::in_memory().unwrap();
    let single = |mut chars: Box<dyn Iterator<Item = char>>| chars.next().filter(|_| chars.next().is_none());
    let pairs: Vec<(char, char)> = ('\u{80}'..=char::MAX)
        .filter_map(|c| Some((c, single(Box::new(c.to_uppercase()))?)))
        .filter(|(c, upper)| c != upper && single(Box::new(upper.to_lowercase())) == Some(*c))
        .collect();
    assert!(pairs.len() > 1_000, "{}", pairs.len());
    let small: String = pairs.iter().flat_map(|(small, _)| [*small, '.', '.']).collect();
    let made = Made { turns: vec![(".".into(), small, true, None)], title: Some("t".into()), updated: 1 };
    import(&mut history, &made);
    for (small, large) in pairs {
        assert_eq!(history.search(&large.to_string(), 9).unwrap().len(), 1, "{large} of {small}");
    }
}

#[test]
fn a_history_of_an_earlier_version_is_searched_for_short_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let before = Connection::open(&path).unwrap();
    VERSIONS[..3].iter().for_each(|version| before.execute_batch(version).unwrap());
    before
        .execute_batch(
            "PRAGMA user_version = 3;
             INSERT INTO chat (id, name, created, updated) VALUES (1, 'n', 1, 1);
             INSERT INTO turn (id, chat, number, question, shown) VALUES (1, 1, 0, 'in the river', 1);
             INSERT INTO variant (turn, number, model, text, ending, created) VALUES (1, 1, 'm', '長江', 'completed', 1);",
        )
        .unwrap();
    drop(before);
    let history = History::open(&path).unwrap();
    for (words, count) in [("in", 1), ("er", 1), ("r", 1), ("長江", 1), ("江", 1), ("zq", 0), ("z", 0)] {
        assert_eq!(history.search(words, 9).unwrap().len(), count, "{words}");
    }
}
