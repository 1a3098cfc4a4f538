//! Where things are: what has to be in sight is, at every size, and what is drawn last is right.

use egui::accesskit::Role;
use egui::{Color32, Key, Modifiers, Rect, Shape, Vec2};
use towline_gui::command::{Command, Dialog, FindOrder};
use towline_gui::ui::find::CURRENT;
use towline_gui::ui::theme::Palette;
use towline_testkit::{Routes, Script, fakemodel, records::ollama};

use crate::stage::{Begin, Stage};

const LONG: &str = "Please tell me all there is to know about weirs, locks and sluices, now?";

fn lines(count: usize) -> String {
    (1..=count).map(|line| format!("Line {line} of the answer.\n\n")).collect()
}

fn answered(text: &str, begin: Begin) -> Stage {
    let script = Script::ndjson([ollama::chat_text(text), ollama::chat_done("stop", 2)]);
    let mut stage = Stage::new(Routes::new().path("/api/chat", script), begin);
    stage.ask("begin");
    stage.until("the end", |stage| {
        !stage.window(|window| window.chat().is_some_and(|chat| !chat.live.is_empty()))
    });
    stage.until("quiet", |stage| stage.wanted_next().is_none());
    stage
}

fn has_newest(stage: &Stage) -> bool {
    stage.can_click("Go to the newest")
}

#[test]
fn a_long_title_leaves_the_list_and_its_menus_where_they_are() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.ask_to_end(LONG);
    stage.harness.run_steps(20);
    let title = stage.window(|window| window.chat().map(|chat| chat.title())).expect("a title");
    let menu = stage.button_rect(&format!("Menu of {title}"));
    assert!(menu.right() <= 262.0 && menu.width() > 10.0, "{menu:?}");
    let name = stage.button_rect(&title);
    assert!(name.right() <= menu.left() && name.width() > 150.0, "{name:?} and its menu {menu:?}");
    assert!(stage.button_rect("Add files").left() >= 262.0, "the chat begins beside the list");
}

#[test]
fn in_a_narrow_window_the_list_and_the_chat_take_turns() {
    let mut stage = Stage::new(fakemodel::plan(), Begin { size: [480.0, 320.0], ..Begin::default() });
    stage.ask_to_end(LONG);
    assert!(!stage.can_click("New chat"));
    stage.click("Show or hide the chats");
    stage.until("the list", |stage| stage.can_click("New chat") && !stage.can_click("Send"));
    stage.click("New chat");
    stage.until_shown("Ask something");
    for name in ["Add files", "Model", "Server", "Compare models", "Jobs", "Settings of this chat"] {
        let place = stage.button_rect(name);
        assert!(place.right() <= 480.0 && place.bottom() <= 320.0 && place.area() > 0.0, "{name}: {place:?}");
    }
}

#[test]
fn a_screen_reader_hears_headings_cells_ends_and_titles_before_menus() {
    let text = "# Weirs\n\n| river | length |\n|---|---|\n| Nile | long |\n\nThat is all.\n";
    let stage = answered(text, Begin::default());
    assert_eq!(stage.labels_of(Role::Heading), ["Weirs"]);
    assert_eq!(stage.labels_of(Role::ColumnHeader), ["river", "length"]);
    assert_eq!(stage.labels_of(Role::Cell), ["Nile", "long"]);
    assert_eq!(stage.labels_of(Role::Status), ["begin: The answer is complete."]);
    for (role, name) in
        [(Role::Navigation, "Chats"), (Role::Main, "Questions and answers"), (Role::Table, "Table")]
    {
        assert_eq!(stage.labels_of(role), [name]);
    }
    let buttons = stage.labels_of(Role::Button);
    let at = |label: &str| buttons.iter().position(|one| one == label);
    assert!(at("begin").is_some() && at("begin") < at("Menu of begin"), "{buttons:?}");
    let mut stage = answered(text, Begin { size: [480.0, 320.0], ..Begin::default() });
    let labels = stage.labels();
    let at = |label: &str| labels.iter().position(|one| one == label);
    assert!(at("begin").is_some() && at("begin") < at("Jobs"), "{labels:?}");
    stage.press(Modifiers::COMMAND, Key::Comma);
    assert_eq!(stage.labels_of(Role::Dialog), ["Settings"]);
    let headings = stage.labels_of(Role::Heading);
    assert!(["Settings", "Look"].iter().all(|one| headings.iter().any(|other| other == one)), "{headings:?}");
}

#[test]
fn in_a_narrow_window_nothing_is_cut() {
    let mut stage = answered("An answer.", Begin { size: [480.0, 320.0], ..Begin::default() });
    stage.press(Modifiers::COMMAND, Key::F);
    stage.type_into("Find in this chat", "no such words in it");
    stage.until_shown("nothing found");
    let said = stage.label_rect("nothing found");
    assert!(said.width() > 50.0 && said.right() <= 468.0, "{said:?}");
    stage.press(Modifiers::NONE, Key::Escape);
    stage.click("Jobs");
    stage.until("the jobs", |stage| stage.can_click("Close the jobs"));
    let (forget, close) = (stage.button_rect("Forget ended"), stage.button_rect("Close the jobs"));
    assert!(forget.right() < close.left() && close.right() <= 480.0, "{forget:?} {close:?}");
}

#[test]
fn in_a_low_window_the_jobs_and_the_chat_take_turns() {
    let mut stage = Stage::new(fakemodel::plan(), Begin { size: [480.0, 320.0], ..Begin::default() });
    stage.ask_to_end(LONG);
    stage.click("Jobs");
    stage.until("the jobs", |stage| stage.can_click("Close the jobs") && !stage.can_click("Send"));
    stage.press(Modifiers::NONE, Key::Escape);
    stage.until("the chat", |stage| stage.can_click("Jobs") && !stage.can_click("Close the jobs"));
    assert!(!stage.window(|window| window.state.shows_jobs));
    // In a higher one they leave room for it.
    let mut stage = Stage::new(fakemodel::plan(), Begin { size: [1_000.0, 480.0], ..Begin::default() });
    stage.ask_to_end(LONG);
    stage.click("Jobs");
    let place = |stage: &Stage| stage.button_rect("Question").top() - stage.button_rect("Jobs").bottom();
    stage.until("both", |stage| stage.can_click("Close the jobs") && place(stage) > 120.0);
}

/// Whether a text with this ground is painted.
fn paints(stage: &Stage, ground: Color32) -> bool {
    let texts = stage.harness.output().shapes.iter().filter_map(|clipped| {
        if let Shape::Text(text) = &clipped.shape { Some(&text.galley.job.sections) } else { None }
    });
    texts.flatten().any(|section| section.format.background == ground)
}

#[test]
fn words_are_found_in_the_chat() {
    let text = format!(
        "{}The **weir** and the WEIR.\n\n```rust\nlet weir = 1;\n```\n\n| a | b |\n|---|---|\n| c | weirs |\n\n{}",
        lines(150),
        lines(150)
    );
    let mut stage = answered(&text, Begin::default());
    let quiet = |stage: &Stage| stage.wanted_next().is_none();
    stage.press(Modifiers::COMMAND, Key::F);
    stage.type_into("Find in this chat", "weir");
    stage.until_shown("1 of 4");
    stage.until("quiet", quiet);
    assert!(stage.shows("The weir and the WEIR.") && paints(&stage, CURRENT), "{:?}", stage.labels());
    assert!(paints(&stage, Palette::of(true).found));
    assert!(has_newest(&stage), "it is in the middle");
    for (modifiers, shown) in [
        (Modifiers::NONE, "2 of 4"),
        (Modifiers::NONE, "3 of 4"),
        (Modifiers::NONE, "4 of 4"),
        (Modifiers::NONE, "1 of 4"),
        (Modifiers::SHIFT, "4 of 4"),
    ] {
        stage.press(modifiers, Key::Enter);
        stage.until_shown(shown);
        stage.until("quiet", quiet);
        assert!(paints(&stage, CURRENT), "{shown}");
    }
    // What is out of sight is gone to, also in a question.
    stage.type_into("Find in this chat", "x");
    stage.until_shown("nothing found");
    stage.window(|window| window.act(Command::Find(FindOrder::Text("BEGIN".into()))));
    stage.until_shown("1 of 1");
    stage.until("quiet", quiet);
    assert!(paints(&stage, CURRENT) && stage.shows("begin"));
    stage.press(Modifiers::NONE, Key::Escape);
    stage.until("its end", |stage| !stage.can_click("Next place"));
    assert!(!paints(&stage, CURRENT));
    stage.type_into("Question", "next");
    assert_eq!(stage.typed("Question"), "next");
}

#[test]
fn long_names_leave_the_buttons_of_models_in_sight() {
    let name = "a-model-with-a-name-that-is-longer-than-the-window-is-wide-in-all-its-parts:latest";
    let tags = format!(
        r#"{{"models":[{{"name":"{name}","size":19000000000,"details":{{"parameter_size":"30B"}}}}]}}"#
    );
    for size in [[480.0, 320.0], [1_000.0, 640.0]] {
        let routes = Routes::new().path("/api/tags", Script::respond(200, "application/json", &tags));
        let mut stage = Stage::new(routes, Begin { size, ..Begin::default() });
        stage.until("a model", |stage| stage.window(|window| !window.catalog.installed.is_empty()));
        stage.press(Modifiers::COMMAND, Key::M);
        let delete = format!("Delete {name}");
        stage.until("the dialog", |stage| stage.can_click(&delete));
        stage.until("quiet", |stage| stage.wanted_next().is_none());
        let place = stage.button_rect(&delete);
        assert!(place.left() > 0.0 && place.right() < size[0] && place.bottom() < size[1], "{place:?}");
    }
}

#[test]
fn a_long_chat_is_counted_over_several_frames() {
    let text = format!("The weir.\n\n{}The weir.", lines(25_000));
    assert!(text.len() > 512 << 10);
    let mut stage = answered(&text, Begin::default());
    stage.press(Modifiers::COMMAND, Key::F);
    stage.type_into("Find in this chat", "weir");
    stage.until_shown(" of 2");
    stage.until("quiet", |stage| stage.wanted_next().is_none());
    assert!(paints(&stage, CURRENT));
}

#[test]
fn lines_of_code_are_wrapped_or_not() {
    let long = format!("let sum = {};", "one + ".repeat(60));
    let mut stage = answered(&format!("Code:\n\n```rust\n{long}\n```\n"), Begin::default());
    let wrapped = stage.label_rect(&long);
    stage.click("Wrap lines");
    stage.until("quiet", |stage| stage.wanted_next().is_none());
    let across = stage.label_rect(&long);
    assert!(wrapped.height() > 2.5 * across.height() && across.height() > 10.0, "{wrapped:?} {across:?}");
    assert!(across.width() > 2.0 * wrapped.width(), "{wrapped:?} {across:?}");
    stage.click("Wrap lines");
    stage.until("quiet", |stage| stage.wanted_next().is_none());
    assert_eq!(stage.label_rect(&long), wrapped);
}

#[test]
fn every_dialog_ends_in_sight() {
    for (size, scale) in [([480.0, 320.0], 1.0), ([640.0, 400.0], 1.5), ([500.0, 330.0], 2.0)] {
        for (dialog, button) in [
            (Dialog::Models, "Close"),
            (Dialog::Settings, "Close"),
            (Dialog::Help, "Close"),
            (Dialog::Chat, "Save"),
        ] {
            let mut stage = Stage::new(fakemodel::plan(), Begin { size, scale, ..Begin::default() });
            stage.window(|window| window.act(Command::Show(dialog.clone())));
            stage.until("the dialog", |stage| stage.can_click(button));
            stage.until("quiet", |stage| stage.wanted_next().is_none());
            let (place, screen) =
                (stage.button_rect(button), Rect::from_min_size(egui::Pos2::ZERO, Vec2::from(size)));
            assert!(screen.contains_rect(place), "{dialog:?} at {size:?}: {place:?}");
            stage.click(button);
            stage.until("its end", |stage| stage.window(|window| window.dialog == Dialog::None));
        }
    }
}

#[test]
fn what_is_drawn_last_stands_where_it_belongs() {
    let mut stage = answered(&lines(60), Begin::default());
    let last = stage.button_rect("Regenerate answer");
    assert!(last.bottom() <= stage.button_rect("Add files").top() && last.area() > 0.0, "{last:?}");
    stage.harness.run_steps(3);
    assert_eq!(stage.button_rect("Regenerate answer"), last, "a later frame would move it");
    stage.press(Modifiers::COMMAND, Key::Comma);
    stage.until("quiet", |stage| stage.wanted_next().is_none());
    let close = stage.button_rect("Close");
    stage.harness.run_steps(3);
    assert_eq!(stage.button_rect("Close"), close, "a later frame would move the dialog");
}

#[test]
fn the_transcript_follows_until_somebody_scrolls_up_and_again_from_the_end_on() {
    let begin = Script::ndjson_open([ollama::chat_text(&lines(80))])
        .wait("more")
        .lines([ollama::chat_text(&lines(40)), ollama::chat_text("the very end")])
        .wait("rest")
        .lines([ollama::chat_done("stop", 2)])
        .end_chunks();
    let other = Script::ndjson([ollama::chat_text("another answer"), ollama::chat_done("stop", 1)]);
    let mut stage = Stage::new(Routes::new().path_each("/api/chat", [begin, other]), Begin::default());
    stage.ask("begin");
    stage.until_shown("Line 80 of");
    assert!(!has_newest(&stage));
    stage.press(Modifiers::NONE, Key::PageUp);
    stage.until("a way back", has_newest);
    assert!(!stage.shows("Line 80 of"));
    stage.server.open("more");
    stage.until("what came", |stage| {
        stage.window(|window| {
            let answer = window.chat().and_then(|chat| chat.conversation.last()).map(|turn| turn.answer());
            answer.is_some_and(|answer| answer.answer.content.ends_with("the very end"))
        })
    });
    stage.harness.run_steps(3);
    assert!(has_newest(&stage) && !stage.shows("the very end"), "it stays where somebody reads");
    stage.click("Go to the newest");
    stage.until_shown("the very end");
    stage.until("no button", |stage| !has_newest(stage));
    stage.server.open("rest");
    stage.until("the end", |stage| stage.can_click("Regenerate answer"));
    // Nothing is typed, so the keys of the cursor scroll.
    stage.press(Modifiers::NONE, Key::Home);
    stage.until("the beginning", |stage| stage.shows("Line 1 of") && has_newest(stage));
    stage.press(Modifiers::NONE, Key::ArrowDown);
    stage.press(Modifiers::NONE, Key::End);
    stage.until("the end", |stage| stage.shows("the very end") && !has_newest(stage));
    // Who asks while scrolled up sees the question and its answer.
    stage.press(Modifiers::NONE, Key::Home);
    stage.until("the beginning", has_newest);
    stage.ask("and?");
    stage.until_shown("another answer");
}
