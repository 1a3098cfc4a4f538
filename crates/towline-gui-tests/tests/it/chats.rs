//! The list of chats, and what is on disk.

use egui::{Key, Modifiers};
use towline_testkit::{Routes, Script, fakemodel, records::ollama};

use crate::stage::{Begin, Stage};

fn kept(folder: &tempfile::TempDir) -> Begin {
    Begin { folder: Some(folder.path().join("sessions")), ..Begin::default() }
}

fn turns(stage: &Stage) -> usize {
    stage.window(|window| window.chat().map_or(0, |chat| chat.conversation.turns().len()))
}

#[test]
fn chats_come_back_in_another_window() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(fakemodel::plan(), kept(&folder));
    stage.ask("what is a weir?");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    stage.until("its name", |stage| {
        stage.window(|window| window.chat().is_some_and(|chat| chat.name.is_some()))
    });
    drop(stage);
    let mut stage = Stage::new(fakemodel::plan(), kept(&folder));
    // The chat that was shown last is shown again.
    stage.until("the chat", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(turns(&stage), 1);
    stage.ask("and a lock?");
    stage.until("the answer", |stage| turns(stage) == 2 && !stage.can_click("Stop answer"));
}

#[test]
fn a_chat_is_renamed_pinned_searched_deleted_and_had_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(fakemodel::plan(), kept(&folder));
    stage.ask("about rivers");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    stage.click("New chat");
    stage.ask("about hills");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    stage.until("both names", |stage| {
        stage.window(|window| window.chats.iter().all(|chat| chat.is_empty() || chat.name.is_some()))
    });

    stage.click("Menu of about rivers");
    stage.click("Rename");
    stage.until("the field", |stage| stage.typed("Chat name") == "about rivers");
    stage.press(Modifiers::COMMAND, Key::A);
    stage.type_into("Chat name", "waters");
    stage.press(Modifiers::NONE, Key::Enter);
    stage.until("the new name", |stage| stage.can_click("Menu of waters"));
    assert!(
        folder.path().join("sessions/waters.jsonl").is_file() || {
            stage.until("the file", |_| folder.path().join("sessions/waters.jsonl").is_file());
            true
        }
    );

    stage.click("Menu of waters");
    stage.click("Pin");
    assert_eq!(
        stage.window(|window| window.listed().first().map(|chat| chat.title())).as_deref(),
        Some("waters")
    );

    stage.press(Modifiers::COMMAND, Key::F);
    stage.type_into("Search chats", "hills");
    stage.until("the found ones", |stage| !stage.can_click("Menu of waters"));
    assert!(stage.can_click("about hills"));
    stage.press(Modifiers::COMMAND, Key::A);
    stage.press(Modifiers::NONE, Key::Backspace);

    stage.click("Menu of waters");
    stage.click("Delete");
    stage.until("its going", |stage| !stage.can_click("Menu of waters"));
    stage.click("Undo");
    stage.until("its return", |stage| stage.can_click("Menu of waters"));
    stage.click("Menu of waters");
    stage.click("Delete");
    drop(stage);
    let left = std::fs::read_dir(folder.path().join("sessions")).expect("a folder").count();
    assert_eq!(left, 1, "the deleted chat's file is gone once the window is");
}

#[test]
fn switching_away_stops_nothing_and_the_end_is_announced() {
    let script = Script::ndjson_open([ollama::chat_text("half")])
        .wait("rest")
        .lines([ollama::chat_text(" whole"), ollama::chat_done("stop", 2)])
        .end_chunks();
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask("a long story");
    stage.until_shown("half");
    stage.press(Modifiers::COMMAND, Key::N);
    stage.until("the empty chat", |stage| stage.shows("Ask something"));
    stage.server.open("rest");
    stage.until("the announcement", |stage| !stage.notified.lock().expect("no panic").is_empty());
    let notified = stage.notified.lock().expect("no panic").clone();
    assert_eq!(notified, [("a long story".to_owned(), "The answer is complete.".to_owned())]);
    stage.click("a long story");
    stage.until_shown("half whole");
}

#[test]
fn several_chats_answer_at_once_and_every_word_comes_in_order() {
    let mut stage = Stage::new(fakemodel::plan(), Begin { model: "words:400", ..Begin::default() });
    for number in 0..8 {
        stage.ask(&format!("chat {number}"));
        stage.press(Modifiers::COMMAND, Key::N);
    }
    stage.until("all ends", |stage| {
        stage.window(|window| window.chats.iter().all(|chat| chat.live.is_empty()))
    });
    let answers: Vec<String> = stage.window(|window| {
        let chats = window.chats.iter().filter(|chat| !chat.is_empty());
        chats
            .filter_map(|chat| Some(chat.answers.get(&chat.conversation.last()?.id)?.text.text().to_owned()))
            .collect()
    });
    assert_eq!(answers.len(), 8);
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.split_whitespace().count() >= 400));
}

#[test]
fn a_chat_is_exported_and_a_session_imported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.md");
    let mut stage = Stage::new(fakemodel::plan(), Begin { files: vec![path.clone()], ..Begin::default() });
    stage.ask("about rivers");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    stage.click("Menu of about rivers");
    stage.click("Export as Markdown");
    stage.until_shown("Written:");
    assert!(std::fs::read_to_string(&path).expect("a file").contains("## You\n\nabout rivers"));
    stage.click("Dismiss notice");
    stage.click("Menu of about rivers");
    stage.click("Export as JSON");
    stage.until("the JSON", |_| std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with('{')));

    let session = folder.path().join("old.jsonl");
    let lines = [
        r#"{"record":"session","version":1,"created":"x"}"#,
        r#"{"record":"question","turn":0,"model":"m","content":"an old question"}"#,
        r#"{"record":"text","turn":0,"text":"an old answer"}"#,
        r#"{"record":"end","turn":0,"ending":"completed"}"#,
    ];
    std::fs::write(&session, lines.join("\n") + "\n").expect("a file");
    let mut stage = Stage::new(fakemodel::plan(), Begin { files: vec![session], ..Begin::default() });
    stage.click("Import a chat");
    stage.until_shown("an old answer");
}
