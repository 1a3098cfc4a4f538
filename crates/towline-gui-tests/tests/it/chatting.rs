//! Questions and answers.

use egui::{Key, Modifiers};
use towline_gui::command::Command;
use towline_testkit::{Routes, Script, fakemodel, records::ollama};

use crate::stage::{Begin, Stage};

/// An answer that stops in the middle until the test lets it go on.
fn gated() -> Script {
    let done = ollama::chat_done("stop", 3);
    Script::ndjson_open([ollama::chat_text("first half")])
        .wait("rest")
        .lines([ollama::chat_text(", second half"), done])
        .end_chunks()
}

fn content(stage: &Stage) -> String {
    stage.window(|window| {
        let chat = window.chat().expect("a chat");
        chat.conversation.last().map(|turn| turn.answer().answer.content.clone()).unwrap_or_default()
    })
}

#[test]
fn an_answer_streams_and_ends() {
    let mut stage = Stage::new(gated(), Begin::default());
    stage.ask("hello");
    stage.until_shown("first half");
    assert!(stage.shows("streaming") && stage.can_click("Stop answer"), "{:?}", stage.labels());
    stage.server.open("rest");
    stage.until_shown("first half, second half");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    assert!(!stage.can_click("Stop"));
    assert_eq!(stage.typed("Question"), "");
}

#[test]
fn enter_sends_and_shift_enter_begins_a_line() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.type_into("Question", "one");
    stage.press(Modifiers::SHIFT, Key::Enter);
    stage.type_into("Question", "two");
    stage.press(Modifiers::NONE, Key::Enter);
    stage.until("the answer", |stage| content(stage).contains("two"));
    let question = stage.window(|window| {
        window.chat().and_then(|chat| chat.conversation.last()).map(|turn| turn.question.content.clone())
    });
    assert_eq!(question.as_deref(), Some("one\ntwo"));
}

#[test]
fn stop_keeps_what_arrived_and_continue_continues_it() {
    let stopped = Script::ndjson_open([ollama::chat_text("first half")]).stall();
    let rest = Script::ndjson([ollama::chat_text(", second half"), ollama::chat_done("stop", 2)]);
    let routes = Routes::new().path_each("/api/chat", [stopped, rest]);
    let mut stage = Stage::new(routes, Begin::default());
    stage.ask("hello");
    stage.until_shown("first half");
    stage.click("Stop answer");
    stage.until_shown("cancelled");
    stage.until_shown("Stopped by you.");
    assert_eq!(content(&stage), "first half");
    stage.click("Continue answer");
    stage.until("the rest", |stage| content(stage) == "first half, second half");
    let requests = stage.server.requests();
    let last = requests.iter().rfind(|request| request.path() == "/api/chat").expect("a request");
    assert!(String::from_utf8_lossy(&last.body).contains("first half"), "the partial answer is sent along");
}

#[test]
fn escape_and_the_shortcut_stop_too() {
    let endless = Script::ndjson_open([ollama::chat_text("some words")]).stall();
    let mut stage = Stage::new(Routes::new().path("/api/chat", endless), Begin::default());
    stage.ask("one");
    stage.until_shown("some words");
    stage.press(Modifiers::COMMAND, Key::Period);
    stage.until_shown("Stopped by you.");
    stage.type_into("Question", "two");
    stage.press(Modifiers::NONE, Key::Enter);
    stage.until("the second answer", |stage| stage.can_click("Stop answer"));
    stage.press(Modifiers::COMMAND, Key::L);
    stage.press(Modifiers::NONE, Key::Escape);
    stage.until("its end", |stage| !stage.can_click("Stop answer"));
}

#[test]
fn a_failure_says_why_and_retry_asks_again() {
    let failing = Script::error(500, "out of memory");
    let good = Script::ndjson([ollama::chat_text("better now"), ollama::chat_done("stop", 2)]);
    let routes = Routes::new().path_each("/api/chat", [failing, good]);
    let mut stage = Stage::new(routes, Begin::default());
    stage.ask("hello");
    stage.until_shown("out of memory");
    assert!(stage.shows("failed"));
    stage.click("Retry answer");
    stage.until_shown("better now");
    assert_eq!(stage.window(|window| window.chat().map_or(0, |chat| chat.conversation.turns().len())), 1);
}

#[test]
fn a_cut_answer_is_called_cut() {
    let mut stage = Stage::new(fakemodel::plan(), Begin { model: "truncate-after:3", ..Begin::default() });
    stage.ask("hello");
    stage.until_shown("cut off");
    assert!(stage.can_click("Continue answer") && stage.can_click("Retry answer"));
}

#[test]
fn regenerate_shows_another_answer() {
    let say = |text: &str| Script::ndjson([ollama::chat_text(text), ollama::chat_done("stop", 1)]);
    let routes = Routes::new().path_each("/api/chat", [say("the first try"), say("the second try")]);
    let mut stage = Stage::new(routes, Begin::default());
    stage.ask("hello");
    stage.until_shown("the first try");
    stage.click("Regenerate answer");
    stage.until_shown("the second try");
    assert!(!stage.shows("the first try"));
    stage.press(Modifiers::COMMAND, Key::R);
    stage.until("a third", |stage| {
        stage.server.requests().iter().filter(|one| one.path() == "/api/chat").count() == 3
    });
}

#[test]
fn a_changed_question_keeps_what_came_after() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    for question in ["one", "two"] {
        stage.ask(question);
        stage.until("the answer", |stage| content(stage).trim() == question);
        stage.until("its end", |stage| !stage.can_click("Stop answer"));
    }
    stage.click("Edit question");
    stage.type_into("Changed question", "!");
    stage.click("Send changed question");
    stage.until("the answer", |stage| {
        stage.window(|window| {
            let mut answers = window.chat().into_iter().flat_map(|chat| chat.conversation.answers());
            answers.any(|answer| answer.answer.content.contains('!'))
        })
    });
    stage.until("its end", |stage| !stage.can_click("Stop answer"));
    assert_eq!(stage.window(|window| window.chat().map_or(0, |chat| chat.conversation.turns().len())), 2);
    stage.press(Modifiers::COMMAND, Key::E);
    stage.click("Cancel");
    assert!(!stage.can_click("Send changed question"));
}

#[test]
fn several_models_side_by_side_and_one_is_kept() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.until("the models", |stage| stage.window(|window| !window.catalog.installed.is_empty()));
    stage.click("Compare models");
    stage.click("normal");
    stage.press(Modifiers::NONE, Key::Escape);
    stage.ask("the same question");
    stage.until("both", |stage| stage.can_click("Keep echo") && stage.can_click("Keep normal"));
    stage.click("Keep normal");
    stage.until("one", |stage| !stage.can_click("Keep echo"));
    let models = stage.window(|window| {
        window.chat().map(|chat| {
            chat.conversation.turns().iter().map(|turn| turn.answer().model.clone()).collect::<Vec<_>>()
        })
    });
    assert_eq!(models, Some(vec!["normal".to_owned()]));
}

#[test]
fn thinking_is_folded_and_tools_are_shown() {
    let mut stage = Stage::new(fakemodel::plan(), Begin { model: "thinking", ..Begin::default() });
    stage.ask("hello");
    stage.until_shown("Thoughts (");
    stage.click("New chat");
    stage.window(|window| window.act(Command::Model("tools".into())));
    stage.ask("hello");
    stage.until_shown("The model asks for");
}

#[test]
fn code_is_copied_without_its_fences() {
    let answer = "Look:\n\n```rust\nfn main() {}\n```\n";
    let script = Script::ndjson([ollama::chat_text(answer), ollama::chat_done("stop", 1)]);
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask("code, please");
    stage.until("the code", |stage| stage.can_click("Copy code"));
    stage.until("the end", |stage| stage.can_click("Copy answer"));
    for (button, copied) in
        [("Copy code", "fn main() {}\n"), ("Copy answer", answer), ("Copy question", "code, please")]
    {
        let found = std::cell::Cell::new(false);
        stage.click_and(button, |output| {
            let is_copy = |command: &egui::OutputCommand| matches!(command, egui::OutputCommand::CopyText(text) if text == copied);
            found.set(found.get() || output.platform_output.commands.iter().any(is_copy));
        });
        assert!(found.get(), "{button}");
    }
}

#[test]
fn a_formula_is_shown_as_it_was_written_and_copied() {
    let answer = "Then:\n\n\\[ \\frac{a}{b}_1 \\]\n\nand \\(x_2\\) too.";
    let script = Script::ndjson([ollama::chat_text(answer), ollama::chat_done("stop", 1)]);
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask_to_end("a formula, please");
    assert!(stage.shows("\\[ \\frac{a}{b}_1 \\]") && stage.shows("\\(x_2\\)"), "{:?}", stage.labels());
    let found = std::cell::Cell::new(false);
    stage.click_and("Copy formula", |output| {
        let is_copy = |command: &egui::OutputCommand| matches!(command, egui::OutputCommand::CopyText(text) if text == "\\[ \\frac{a}{b}_1 \\]");
        found.set(found.get() || output.platform_output.commands.iter().any(is_copy));
    });
    assert!(found.get());
}

#[test]
fn files_go_with_the_question() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "weirs and locks\n").expect("a file");
    let mut stage = Stage::new(fakemodel::plan(), Begin { files: vec![path], ..Begin::default() });
    stage.click("Add files");
    stage.until("the file", |stage| stage.can_click("Remove notes.txt"));
    stage.click("Remove notes.txt");
    assert!(!stage.can_click("Remove notes.txt"));
    stage.press(Modifiers::COMMAND, Key::O);
    stage.until("the file", |stage| stage.can_click("Remove notes.txt"));
    stage.ask("what is this?");
    stage.until("the answer", |stage| content(stage).contains("weirs and locks"));
}

#[test]
fn long_pasted_text_becomes_a_file() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.type_into("Question", "see");
    stage.harness.event(egui::Event::Paste("line\n".repeat(10_000)));
    stage.until("the file", |stage| stage.can_click("Remove pasted 1.txt"));
    assert_eq!(stage.typed("Question"), "see");
}

#[test]
fn links_are_followed_by_keys() {
    let answer = "See [one](https://one.example/) and [two](https://two.example/).";
    let script = Script::ndjson([ollama::chat_text(answer), ollama::chat_done("stop", 1)]);
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), Begin::default());
    stage.ask_to_end("where?");
    stage.focus_link("See one");
    assert!(stage.shows("https://one.example/"), "{:?}", stage.labels());
    stage.press(Modifiers::NONE, Key::ArrowRight);
    assert!(stage.shows("https://two.example/"), "{:?}", stage.labels());
    // Only the press: it is in the frame of the press that the link is opened.
    stage.harness.event(egui::Event::Key {
        key: Key::Enter,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers: Modifiers::NONE,
    });
    let mut opened = Vec::new();
    for _ in 0..4 {
        stage.harness.step();
        let commands = &stage.harness.output().platform_output.commands;
        opened.extend(commands.iter().filter_map(|command| {
            if let egui::OutputCommand::OpenUrl(open) = command { Some(open.url.clone()) } else { None }
        }));
    }
    assert_eq!(opened, ["https://two.example/"]);
}

#[test]
fn an_answer_that_is_asked_again_and_stopped_at_once_is_still_there() {
    let whole = Script::ndjson([ollama::chat_text("the whole answer"), ollama::chat_done("stop", 1)]);
    let silent = Script::ndjson_open([""; 0]).stall();
    let routes = Routes::new().path_each("/api/chat", [whole, silent]);
    let mut stage = Stage::new(routes, Begin::default());
    stage.ask_to_end("hello");
    stage.press(Modifiers::COMMAND, Key::R);
    stage.until("the second", |stage| stage.can_click("Stop answer"));
    stage.press(Modifiers::COMMAND, Key::L);
    stage.press(Modifiers::NONE, Key::Escape);
    stage
        .until("the first again", |stage| stage.shows("the whole answer") && !stage.can_click("Stop answer"));
    assert_eq!(content(&stage), "the whole answer");
}

#[test]
fn a_question_that_was_deleted_is_had_back() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.ask_to_end("about rivers");
    stage.click("Remove question and answer");
    stage.until("nothing", |stage| content(stage).is_empty());
    stage.click("Undo");
    stage.until("both", |stage| content(stage).trim() == "about rivers");
    assert!(stage.can_click("Regenerate answer") && !stage.can_click("Undo"));
}

#[test]
fn several_models_are_ticked_at_once_and_the_kept_one_is_asked_from_then_on() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.until("the models", |stage| stage.window(|window| !window.catalog.installed.is_empty()));
    stage.click("Compare models");
    for model in ["normal", "thinking"] {
        stage.click(model);
    }
    stage.press(Modifiers::NONE, Key::Escape);
    stage.ask("the same question");
    stage.click("Keep normal");
    let settings = stage.window(|window| {
        window.chat().map(|chat| (chat.conversation.settings.model.clone(), chat.compared.clone()))
    });
    assert_eq!(settings, Some(("normal".to_owned(), vec![])));
}

#[test]
fn retry_asks_the_model_that_is_chosen_now() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.ask_to_end("hello");
    stage.window(|window| window.act(Command::Model("normal".into())));
    stage.click("Regenerate answer");
    stage.until("the other model", |stage| {
        stage.window(|window| {
            window
                .chat()
                .and_then(|chat| chat.conversation.last())
                .is_some_and(|turn| turn.answer().model == "normal")
        })
    });
}

#[test]
fn an_answer_that_a_limit_cut_is_continued() {
    let cut = Script::ndjson([ollama::chat_text("first half"), ollama::chat_done("length", 2)]);
    let rest = Script::ndjson([ollama::chat_text(", second half"), ollama::chat_done("stop", 2)]);
    let routes = Routes::new().path_each("/api/chat", [cut, rest]);
    let mut stage = Stage::new(routes, Begin::default());
    stage.ask("hello");
    stage.click("Continue answer");
    stage.until("the rest", |stage| content(stage) == "first half, second half");
    stage.until("its end", |stage| !stage.can_click("Stop answer"));
    assert!(!stage.can_click("Continue answer"));
}

#[test]
fn what_shift_was_held_for_counts_and_not_whether_it_is_held_at_the_frames_end() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    let enter = |modifiers: Modifiers| egui::Event::Key {
        key: Key::Enter,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers,
    };
    stage.type_into("Question", "one");
    stage.harness.event(enter(Modifiers::SHIFT));
    stage.harness.event(egui::Event::Text("two".into()));
    stage.harness.run_steps(2);
    assert_eq!(stage.typed("Question"), "one\ntwo");
    stage.harness.event(egui::Event::Text("!".into()));
    stage.harness.event(enter(Modifiers::NONE));
    stage.until("the answer", |stage| content(stage).contains("two!"));
}

#[test]
fn a_desktop_without_dialogs_is_said_so_and_a_path_is_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a/notes.txt");
    std::fs::create_dir(folder.path().join("a")).expect("a folder");
    std::fs::write(&path, "weirs and locks\n").expect("a file");
    let mut stage = Stage::new(fakemodel::plan(), Begin { has_dialogs: false, ..Begin::default() });
    stage.click("Add files");
    stage.until_shown("no dialogs");
    stage.type_into("Path of the file", &path.to_string_lossy());
    stage.click("Add file");
    stage.until("the file", |stage| stage.can_click("Remove notes.txt"));
    stage.ask_to_end("what is this?");
    // The chat is called after the words, not after the file.
    let title = "what is this?";
    stage.click(&format!("Menu of {title}"));
    stage.click("Export as JSON");
    stage.until("the name that is offered", |stage| {
        stage.typed("Path of the file").ends_with("what is this_.json")
    });
    let exported = folder.path().join("out.json");
    stage.press(Modifiers::COMMAND, Key::A);
    stage.type_into("Path of the file", &exported.to_string_lossy());
    stage.press(Modifiers::NONE, Key::Enter);
    stage.until("the file", |_| exported.is_file());
    stage.click("Import");
    stage.type_into("Path of the file", &exported.to_string_lossy());
    stage.click("Import file");
    stage.until("a second chat", |stage| stage.window(|window| window.listed().len()) == 2);
    assert!(content(&stage).contains("weirs and locks"));
}

#[test]
fn templates_begin_a_question() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("review.md", "---\nsystem = \"You review code.\"\n---\nReview this:\n\n{{input}}"),
        ("rhyme.md", "Write a rhyme about {{topic}}"),
        ("letter.md", "Write a letter"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let templates = Some(folder.path().to_owned());
    let mut stage = Stage::new(fakemodel::plan(), Begin { templates, ..Begin::default() });
    stage.type_into("Question", "/");
    stage.until("the templates", |stage| stage.can_click("Template letter"));
    stage.type_into("Question", "r");
    stage.until("those that fit", |stage| !stage.can_click("Template letter"));
    assert!(stage.can_click("Template review") && stage.can_click("Template rhyme"));
    stage.press(Modifiers::NONE, Key::ArrowDown);
    stage.press(Modifiers::NONE, Key::Enter);
    stage.until("the question", |stage| stage.typed("Question") == "Write a rhyme about {{topic}}");
    stage.until_shown("Replace what is between {{ and }}.");
    stage.type_into("Question", "!");
    assert_eq!(stage.typed("Question"), "Write a rhyme about {{topic}}!", "the cursor is behind it");
    assert!(!stage.can_click("Template rhyme"));
    stage.window(|window| window.act(Command::Draft("/".into())));
    stage.window(|window| window.act(Command::Draft("/review fn main() {}".into())));
    stage.click("Template review");
    stage.until("its text", |stage| stage.typed("Question") == "Review this:\n\nfn main() {}");
    let system =
        stage.window(|window| window.chat().and_then(|chat| chat.conversation.settings.system.clone()));
    assert_eq!(system.as_deref(), Some("You review code."));
    stage.click("Send");
    stage.until("the answer", |stage| content(stage).contains("fn main() {}"));
}

#[test]
fn the_context_meter_says_how_full_it_is() {
    let done = r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",
        "prompt_eval_count":300,"eval_count":100}"#;
    let answer = Script::ndjson([ollama::chat_text("words"), done.replace('\n', "")]);
    let json = "application/json";
    let tags = r#"{"models":[{"name":"m:latest","size":700}]}"#;
    let ps = r#"{"models":[{"name":"m:latest","context_length":512}]}"#;
    let routes = Routes::new()
        .path("/api/chat", answer)
        .path("/api/tags", Script::respond(200, json, tags))
        .path("/api/ps", Script::respond(200, json, ps));
    let mut stage = Stage::new(routes, Begin { model: "m", ..Begin::default() });
    stage.ask_to_end("hello");
    stage.until_shown("context 78 % of 512");
    stage.press(Modifiers::COMMAND, Key::N);
    stage.until("none in a new chat", |stage| !stage.shows("context 78 %"));
}
