//! The list of chats, and what is on disk.

use std::time::{Duration, Instant};

use egui::{Key, Modifiers, PointerButton};
use towline::{Event, Message};
use towline_app::chat::{Conversation, session};
use towline_app::history::{History, Limits, Writer};
use towline_gui::chats::ExportForm;
use towline_testkit::{Routes, Script, fakemodel, records::ollama};

use crate::stage::{Begin, Stage};

fn kept(folder: &tempfile::TempDir) -> Begin {
    Begin { folder: Some(folder.path().join("towline")), ..Begin::default() }
}

fn history(folder: &tempfile::TempDir) -> History {
    History::open(&folder.path().join("towline/history.db")).expect("a history")
}

fn titles(folder: &tempfile::TempDir) -> Vec<String> {
    history(folder).list(9).expect("a list").into_iter().map(|chat| chat.title).collect()
}

fn turns(stage: &Stage) -> usize {
    stage.window(|window| window.chat().map_or(0, |chat| chat.conversation.turns().len()))
}

#[test]
fn chats_come_back_in_another_window() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(fakemodel::plan(), kept(&folder));
    stage.ask_to_end("what is a weir?");
    stage.until_filed();
    drop(stage);
    let mut stage = Stage::new(fakemodel::plan(), kept(&folder));
    // The chat that was shown last is shown again.
    stage.until("the chat", |stage| stage.can_click("Regenerate answer"));
    assert_eq!(turns(&stage), 1);
    stage.ask("and a lock?");
    stage.until("the answer", |stage| turns(stage) == 2 && !stage.can_click("Stop answer"));
}

#[test]
fn chats_are_filed_under_tags() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("exported.json");
    let far = r#"{"version":1,"title":"t","tags":["far"],"settings":{"model":"m"},"turns":[
        {"question":{"role":"user","content":"about seas"},"model":"m","answer":{"role":"assistant","content":"Far."},"ending":"completed"}]}"#;
    std::fs::write(&file, far).expect("a file");
    let mut stage = Stage::new(fakemodel::plan(), Begin { files: vec![file], ..kept(&folder) });
    stage.ask_to_end("about rivers");
    stage.until_filed();
    stage.click("Menu of about rivers");
    stage.click("Tags");
    stage.type_into("Tags of the chat", "#Water school");
    stage.press(Modifiers::NONE, Key::Enter);
    stage.until("its tags", |stage| stage.shows("#water") && stage.can_click("Chats with tag school"));
    stage.until("the history", |_| {
        history(&folder).search("tag:water", 9).is_ok_and(|found| found.len() == 1)
    });
    stage.click("New chat");
    stage.ask_to_end("about hills");

    let listed = |titles: &'static [&str]| {
        move |stage: &Stage| {
            stage.window(|window| window.listed().iter().map(|chat| chat.title()).eq(titles.iter().copied()))
        }
    };
    stage.click("Chats with tag water");
    stage.until("one", listed(&["about rivers"]));
    assert_eq!(stage.typed("Search chats"), "tag:water");
    stage.click("Chats with tag water");
    stage.until("both", listed(&["about hills", "about rivers"]));

    stage.click("Import");
    stage.until("those of a file", |stage| stage.can_click("Chats with tag far"));
    stage.until("the history", |_| {
        history(&folder).search("seas tag:far", 9).is_ok_and(|found| found.len() == 1)
    });
    let exported = stage.window(|window| window.chat().map(|chat| chat.export(ExportForm::Json)));
    assert!(exported.expect("a chat").contains("\"far\""));

    stage.click("Menu of about rivers");
    stage.click("Tags");
    stage.until("the field", |stage| stage.typed("Tags of the chat") == "school water");
    stage.press(Modifiers::COMMAND, Key::A);
    stage.press(Modifiers::NONE, Key::Backspace);
    stage.click("Save");
    stage.until("none", |stage| !stage.can_click("Chats with tag water"));
}

#[test]
fn a_chat_is_renamed_pinned_searched_deleted_and_had_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(fakemodel::plan(), kept(&folder));
    stage.ask_to_end("about rivers");
    stage.click("New chat");
    stage.ask_to_end("about hills");

    stage.click("Menu of about rivers");
    stage.click("Rename");
    stage.until("the field", |stage| stage.typed("Chat name") == "about rivers");
    stage.press(Modifiers::COMMAND, Key::A);
    stage.type_into("Chat name", "waters");
    stage.press(Modifiers::NONE, Key::Enter);
    stage.until("the new name", |stage| stage.can_click("Menu of waters"));
    stage.until("the new title", |_| titles(&folder).contains(&"waters".to_owned()));

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
    assert_eq!(titles(&folder), ["about hills"], "the deleted chat is gone once the window is");
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
fn a_notification_that_is_clicked_opens_its_chat() {
    let script = Script::ndjson_open([ollama::chat_text("half")])
        .wait("rest")
        .lines([ollama::chat_done("stop", 2)])
        .end_chunks();
    let routes = Routes::new().path("/api/chat", script);
    let mut stage = Stage::new(routes, Begin { clicks_notices: true, ..Begin::default() });
    stage.ask("a long story");
    stage.until_shown("half");
    stage.press(Modifiers::COMMAND, Key::N);
    stage.until("the empty chat", |stage| stage.shows("Ask something"));
    stage.server.open("rest");
    stage.until("its chat", |stage| stage.shows("half") && !stage.shows("Ask something"));
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
            .filter_map(|chat| {
                Some(chat.answers.get(&chat.conversation.last()?.answer().id)?.text.text().to_owned())
            })
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
    stage.ask_to_end("about rivers");
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
    stage.click("Import");
    stage.until_shown("an old answer");
}

#[test]
fn what_another_program_says_in_an_open_chat_is_shown_within_a_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(fakemodel::plan(), kept(&folder));
    stage.ask_to_end("what is a weir?");
    stage.until_filed();
    let id = history(&folder).last().expect("a history").expect("a chat");
    let mut said: Conversation = history(&folder).load(id).expect("a chat");
    let answer = said.ask("m", Message::user("and a lock?"));
    let mut writer =
        Writer::start(&folder.path().join("towline/history.db"), Limits::default()).expect("a thread");
    let chat = writer.resume(id);
    let mut lines = session::question(said.turn(answer.turn).expect("a turn"));
    lines.extend(session::piece(answer, &Event::Text("A chamber with gates.".into())));
    let began = Instant::now();
    writer.append(chat, lines);
    stage.until_shown("A chamber with gates.");
    assert!(began.elapsed() < Duration::from_secs(5), "a second, on a machine that has nothing else to do");
    // And the window continues what the other has said.
    stage.ask("and a sluice?");
    stage.until("the answer", |stage| turns(stage) == 3 && !stage.can_click("Stop answer"));
    stage.until("all of it", |_| history(&folder).load(id).is_ok_and(|chat| chat.turns().len() == 3));
}

#[test]
fn a_retry_and_a_changed_question_add_an_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stage = Stage::new(fakemodel::plan(), kept(&folder));
    stage.ask_to_end("about rivers");
    stage.click("Regenerate answer");
    stage.until("the second", |stage| stage.shows("2 of 2") && stage.can_click("Regenerate answer"));
    stage.click("Edit question");
    stage.until("the field", |stage| stage.typed("Changed question") == "about rivers");
    stage.type_into("Changed question", " and hills");
    stage.click("Send changed question");
    stage.until("the third", |stage| stage.shows("3 of 3") && stage.can_click("Regenerate answer"));
    assert!(stage.shows("about rivers and hills") && turns(&stage) == 1);
    stage.click("Earlier answer");
    stage.until("the second again", |stage| stage.shows("2 of 3"));
    drop(stage);
    let mut history = history(&folder);
    let id = history.last().expect("a history").expect("a chat");
    let chat = history.load(id).expect("a chat");
    let [turn] = chat.turns() else { panic!("one turn: {chat:?}") };
    assert_eq!((turn.variants().len(), turn.answer().id.variant), (3, 2));
    assert_eq!(turn.variants()[2].words.as_deref(), Some("about rivers and hills"));
}

/// A server that lists its models, of which echo is none, once it is told to.
fn late_list() -> Routes {
    let listing = r#"{"models":[{"name":"another","size":1}]}"#;
    let listed = Script::ndjson_open([""]).wait("the list").lines([listing]).end_chunks();
    Routes::new().path("/api/tags", listed)
}

#[test]
fn a_click_is_not_lost_to_what_appears_before_its_release() {
    let answer = Script::ndjson([ollama::chat_text("An answer."), ollama::chat_done("stop", 1)]);
    let routes = late_list().path("/api/chat", answer);
    let mut stage = Stage::new(routes, Begin::default());
    stage.type_into("Question", "hello");
    let pos = stage.button_rect("Send").center();
    let pointer = |pressed| egui::Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    // Each step of the stage is a quarter of a second to egui.
    stage.harness.ctx.options_mut(|options| options.input_options.max_click_duration = 60.0);
    stage.harness.event(egui::Event::PointerMoved(pos));
    stage.harness.event(pointer(true));
    stage.harness.run_steps(3);
    stage.server.open("the list");
    stage.until_shown("The server does not have echo.");
    stage.harness.event(pointer(false));
    stage.until_shown("An answer.");
}

#[test]
fn nothing_moves_under_the_pointer_when_the_composer_gets_higher() {
    let mut stage = Stage::new(late_list(), Begin::default());
    stage.until("the composer", |stage| stage.can_click("Add files"));
    let before = stage.button_rect("Add files");
    stage.server.open("the list");
    // Each frame is looked at, so the one in which the list is there as well.
    stage.until("what is missing", |stage| {
        assert_eq!(stage.button_rect("Add files"), before);
        stage.shows("The server does not have echo.")
    });
}
