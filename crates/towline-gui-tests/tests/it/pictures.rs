//! Pictures of the window. A change in one is looked at by a person.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Key, Modifiers, Theme};
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};
use towline::engine::JobState;
use towline::engine::{JobId, JobInfo};
use towline_app::history::tags_of;
use towline_app::settings::NamedServer;
use towline_gui::command::{Command, Commands};
use towline_gui::relay::KnownJob;
use towline_gui::ui::theme;
use towline_gui::ui::{jobs, rows};
use towline_testkit::{Routes, Script, records::ollama};

use crate::paint::Painter;
use crate::stage::{Begin, Stage, fonts};

const RIVERS: &str = "\
## Rivers\n\nA **river** is a *natural* stream of water that flows in a `channel`, from [source](https://example.org) to mouth.\n\n\
1. It begins at a spring.\n2. Tributaries join it:\n   - brooks\n   - streams\n\n> All rivers run into the sea.\n\n\
| river | length | mouth |\n|---|---|---|\n| Nile | 6 650 km | Mediterranean |\n| Amazon | 6 400 km | Atlantic |\n\n\
```rust\n// How far is the sea?\nfn distance(river: &River) -> f64 {\n    river.legs.iter().map(|leg| leg.length * 1.0).sum()\n}\n```\n\n\
That is all. ✅";

fn answered(text: &str, begin: Begin) -> Stage {
    // Without usage: rates differ from run to run.
    let done =
        r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}"#;
    let script = Script::ndjson([ollama::chat_text(text), done.to_owned()]);
    let tags = r#"{"models":[{"name":"echo","size":700}]}"#;
    let routes = Routes::new()
        .path("/api/chat", script)
        .path("/api/tags", Script::respond(200, "application/json", tags))
        .path("/api/ps", Script::respond(200, "application/json", r#"{"models":[]}"#));
    let mut stage = Stage::new(routes, begin);
    stage.ask_to_end("What is a river?");
    stage
}

fn picture(mut stage: Stage, name: &str) {
    take(&mut stage, name);
}

fn take(stage: &mut Stage, name: &str) {
    stage.until("quiet", |stage| stage.window(|window| !window.catalog.is_listing()));
    stage.harness.remove_cursor();
    stage.harness.run_steps(4);
    // The server's port is another one each time.
    let server = stage.window(|window| window.server.shown().to_owned());
    let place = stage.label_rect(&server);
    assert!(place.area() > 0.0, "the server is shown");
    stage.harness.mask(egui::Rect::from_min_max(place.min, egui::pos2(220.0, place.max.y)).expand(2.0));
    let menu = stage.button_rect("Server");
    stage.harness.mask(egui::Rect::from_min_size(menu.min, egui::vec2(170.0, menu.height())).expand(2.0));
    stage.harness.snapshot(name);
}

#[test]
fn dark() {
    picture(answered(RIVERS, Begin::default()), "dark");
}

#[test]
fn light() {
    picture(answered(RIVERS, Begin { theme: Theme::Light, ..Begin::default() }), "light");
}

#[test]
fn east_asian_letters() {
    picture(
        answered(
            "川は自然に流れる水の道です。\n\n- 雨や泉から始まり、\n- 海へ注ぎます！\n\n河流是什么？ 강은 물이다 🟢🔴",
            Begin::default(),
        ),
        "cjk",
    );
}

#[test]
fn a_long_block_of_code() {
    let lines: String =
        (1..=120).map(|line| format!("let line_{line} = compute({line}, \"text\"); // {line}\n")).collect();
    picture(answered(&format!("Here it is:\n\n```rust\n{lines}```\n"), Begin::default()), "code");
}

#[test]
fn an_error() {
    let routes = Routes::new()
        .path(
            "/api/chat",
            Script::error(500, "model requires more system memory (9.8 GiB) than is available (4.1 GiB)"),
        )
        .path(
            "/api/tags",
            Script::respond(200, "application/json", r#"{"models":[{"name":"echo","size":700}]}"#),
        );
    let mut stage = Stage::new(routes, Begin::default());
    stage.ask("What is a river?");
    stage.until_shown("Failed:");
    picture(stage, "error");
}

#[test]
fn the_keys() {
    let mut stage = answered("Short.", Begin::default());
    stage.press(Modifiers::NONE, Key::F1);
    picture(stage, "keys");
}

/// The themes, with what the names of their pictures end in.
const BOTH: [(Theme, &str); 2] = [(Theme::Dark, "dark"), (Theme::Light, "light")];

/// A picture in both themes.
fn in_both(name: &str, make: impl Fn(Begin) -> Stage) {
    let mut results = SnapshotResults::new();
    for (theme, end) in BOTH {
        let mut stage = make(Begin { theme, ..Begin::default() });
        take(&mut stage, &format!("{name}-{end}"));
        results.extend_harness(&mut stage.harness);
    }
}

fn models() -> Routes {
    let tags = r#"{"models":[{"name":"gemma3:4b","capabilities":["completion","vision"],"size":3300000000,"details":{"parameter_size":"4.3B","quantization_level":"Q4_K_M"}},
        {"name":"llama3.2","capabilities":["completion","tools"],"size":2000000000,"details":{"parameter_size":"3.2B","quantization_level":"Q4_K_M"}}]}"#;
    let say = |text: &str| {
        let done =
            r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}"#;
        Script::ndjson([ollama::chat_text(text), done.to_owned()])
    };
    Routes::new()
        .path("/api/chat", say("A **weir** is a low dam across a river."))
        .path("/api/tags", Script::respond(200, "application/json", tags))
        .path("/api/ps", Script::respond(200, "application/json", r#"{"models":[{"name":"llama3.2"}]}"#))
}

#[test]
fn an_empty_chat() {
    in_both("empty", |begin| {
        let mut stage = Stage::new(models(), Begin { model: "", ..begin });
        stage.until("the models", |stage| stage.can_click("Models") && stage.shows("Models here"));
        stage
    });
}

#[test]
fn the_settings() {
    in_both("settings", |begin| {
        let mut stage = Stage::new(models(), Begin { model: "", ..begin });
        stage.until("the models", |stage| stage.shows("Models here"));
        stage.press(Modifiers::COMMAND, Key::I);
        stage
    });
}

#[test]
fn the_models() {
    in_both("models", |begin| {
        let mut stage = Stage::new(models(), Begin { model: "llama3.2", ..begin });
        stage.until("the models", |stage| stage.shows("Models here"));
        stage.press(Modifiers::COMMAND, Key::M);
        stage
    });
}

#[test]
fn two_models_side_by_side() {
    in_both("compare", |begin| {
        let mut stage = Stage::new(models(), Begin { model: "llama3.2", ..begin });
        stage.until("the models", |stage| stage.shows("Models here"));
        stage.click("Compare models");
        stage.click("gemma3:4b");
        stage.press(Modifiers::NONE, Key::Escape);
        stage.ask("What is a weir?");
        stage.until("both", |stage| stage.can_click("Keep llama3.2") && stage.can_click("Keep gemma3:4b"));
        stage
    });
}

#[test]
fn the_menu_of_servers() {
    let folder = tempfile::tempdir().expect("a folder");
    in_both("servers", |begin| {
        let server = |host: &str| NamedServer { host: host.into(), key: None, running: None };
        let named = [("gpu", "gpu.example:11434"), ("laptop", "192.168.1.7:11434")];
        let servers = named.map(|(name, host)| (name.to_owned(), server(host))).into();
        let relay = Some(folder.path().to_owned());
        let mut stage = Stage::new(models(), Begin { model: "llama3.2", relay, servers, ..begin });
        stage.until("the models", |stage| stage.shows("Models here"));
        stage.click("Server");
        stage
    });
}

#[test]
fn the_search_in_a_chat() {
    in_both("find", |begin| {
        let mut stage = answered(RIVERS, begin);
        stage.press(Modifiers::COMMAND, Key::F);
        stage.type_into("Find in this chat", "river");
        stage.press(Modifiers::NONE, Key::Enter);
        stage.until_shown("2 of");
        stage
    });
}

#[test]
fn the_templates() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["letter", "review", "rhyme"] {
        std::fs::write(folder.path().join(format!("{name}.md")), "Write: {{input}}").expect("a file");
    }
    in_both("templates", |begin| {
        let templates = Some(folder.path().to_owned());
        let mut stage = Stage::new(models(), Begin { model: "llama3.2", templates, ..begin });
        stage.until("the models", |stage| stage.shows("Models here"));
        stage.type_into("Question", "/");
        stage.type_into("Question", "r");
        stage.until("those that fit", |stage| stage.can_click("Template rhyme"));
        stage
    });
}

#[test]
fn the_context_that_is_nearly_full() {
    in_both("context", |begin| {
        let done = r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":350,"eval_count":100}"#;
        let answer = Script::ndjson([ollama::chat_text("It is a dam."), done.to_owned()]);
        let ps = r#"{"models":[{"name":"llama3.2","context_length":512}]}"#;
        let ps = Script::respond(200, "application/json", ps);
        let tags = r#"{"models":[{"name":"llama3.2","size":2000000000}]}"#;
        let tags = Script::respond(200, "application/json", tags);
        let routes = Routes::new().path("/api/chat", answer).path("/api/tags", tags).path("/api/ps", ps);
        let mut stage = Stage::new(routes, Begin { model: "llama3.2", ..begin });
        stage.ask_to_end("What is a weir?");
        stage.until_shown("context 87 % of 512");
        stage
    });
}

#[test]
fn code_that_is_not_wrapped() {
    in_both("wrap", |begin| {
        let long = "let everything = [\"a river\", \"a lake\", \"a sea\", \"an ocean\"].map(String::from).join(\", and then \");";
        let mut stage = answered(&format!("```rust\n{long}\nlet short = 1;\n```\n"), begin);
        stage.click("Wrap lines");
        stage
    });
}

#[test]
fn tags() {
    let folder = tempfile::tempdir().expect("a folder");
    in_both("tags", |begin| {
        let folder = Some(folder.path().join(format!("{:?}", begin.theme)));
        let mut stage = answered("A **river** is water that flows.", Begin { folder, ..begin });
        let tag = |stage: &mut Stage, tags: &str| {
            stage.until_filed();
            stage.window(|window| window.act(Command::Tag(window.current, tags_of(tags))));
        };
        tag(&mut stage, "rivers school");
        for (question, tags) in [("What is a tide?", "seas"), ("What is a lake?", "lakes school")] {
            stage.window(|window| window.act(Command::NewChat));
            stage.ask_to_end(question);
            tag(&mut stage, tags);
        }
        stage.click("Chats with tag school");
        stage.until("two", |stage| stage.window(|window| window.listed().len() == 2));
        stage
    });
}

#[test]
fn a_small_window_at_twice_the_pixels() {
    let begin = Begin { size: [480.0, 360.0], scale: 2.0, ..Begin::default() };
    let mut stage = answered("A river is a *natural* stream of **water**: `flow`.\n\n1. One\n2. Two", begin);
    stage.harness.remove_cursor();
    stage.harness.run_steps(4);
    stage.harness.snapshot("small");
}

#[test]
fn the_jobs() {
    let known =
        |job: &str| KnownJob { job: serde_json::from_str(job).expect("a job"), reported: Instant::now() };
    let row = |id: u64, state: JobState, silent: Option<u64>, deadline: Option<u64>| {
        let info = JobInfo {
            id: JobId(id),
            name: Arc::from(if id.is_multiple_of(2) { "llama3.2" } else { "gemma3:4b" }),
            group: None,
            model: Some(Arc::from("m")),
            state,
            records: id,
            received_bytes: 100 * id,
            tokens: 12 * id,
            tokens_per_second: 31.0 + f64::from(u32::try_from(id).unwrap_or(0)),
            age: Duration::from_secs(9),
            since_last_event: silent.map(Duration::from_secs),
            deadline_in: deadline.map(Duration::from_secs),
            log_bytes: 0,
            log_full: false,
        };
        let known = known(r#"{"id":"r","name":"rivers","model":"gemma3:4b","state":"streaming"}"#);
        rows::own_job(
            info,
            id == 9,
            (id == 9).then_some(&known),
            (id != 4).then(|| format!("About river {id}")),
        )
    };
    let relay = |id: &str, state: &str, owner: Option<bool>| {
        let job = format!(
            r#"{{"id":"{id}","model":"llama3.2","state":"{state}","path":"/api/chat","records":345,"tokens_per_second":41}}"#
        );
        let owner = owner.map(|has_rest| ("About weirs".to_owned(), has_rest));
        rows::of_relay(&known(&job), owner.as_ref())
    };
    let rows = [
        row(9, JobState::Streaming, Some(0), None),
        row(8, JobState::Streaming, Some(17), Some(95)),
        row(7, JobState::Waiting, None, None),
        row(6, JobState::Paused, Some(3), None),
        row(5, JobState::Cancelling, Some(0), None),
        relay("3fd1a09c77", "streaming", Some(true)),
        relay("b00c52e9aa", "paused", None),
        row(4, JobState::Completed, None, None),
        row(3, JobState::Failed, None, None),
        row(2, JobState::TimedOut, None, None),
        relay("77aa120cde", "interrupted", Some(false)),
    ];
    let mut harness = Harness::builder()
        .with_size([1_080.0, 330.0])
        .with_options(SnapshotOptions::new().threshold(1.5).max_failed_pixels(60))
        .renderer(Painter::default())
        .with_context_setup(|context| {
            theme::apply(context);
            fonts(context);
        })
        .build_ui(move |ui| {
            egui::CentralPanel::default().show(ui, |ui| {
                jobs::show(ui, &rows, None, &mut Commands::default());
            });
        });
    harness.run_steps(3);
    harness.snapshot("jobs");
}
