//! Dialogs, settings and keys.

use egui::{Key, Modifiers};
use towline_app::servers::ServerSpec;
use towline_app::settings::NamedServer;
use towline_gui::command::{Command, Dialog};
use towline_gui::shortcuts::SHORTCUTS;
use towline_gui::store::Theme;
use towline_testkit::{Routes, Script, fakemodel, records::ollama};

use crate::stage::{Begin, Stage};

#[test]
fn the_keys_are_listed() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.click("Keys");
    for shortcut in SHORTCUTS {
        assert!(stage.shows(shortcut.what), "{}", shortcut.what);
    }
    stage.click("Close");
    stage.press(Modifiers::NONE, Key::F1);
    stage.until_shown("Begin a line");
    stage.press(Modifiers::NONE, Key::Escape);
    stage.until("the end of it", |stage| !stage.shows("Begin a line"));
}

#[test]
fn every_key_does_something() {
    for shortcut in SHORTCUTS {
        let mut stage = Stage::new(fakemodel::plan(), Begin::default());
        let command = (shortcut.command)();
        stage.harness.run_steps(2);
        if !shortcut.while_typing {
            stage.harness.ctx.memory_mut(egui::Memory::stop_text_input);
        }
        let before = stage.window(|window| format!("{:?} {:?}", window.dialog, window.state));
        stage.press(shortcut.keys.modifiers, shortcut.keys.logical_key);
        let after = stage.window(|window| format!("{:?} {:?}", window.dialog, window.state));
        if let Command::Show(dialog) = command {
            assert_eq!(stage.window(|window| window.dialog.clone()), dialog, "{}", shortcut.what);
        } else if after == before {
            // What changes a chat has tests of its own; here it is enough that nothing breaks.
            assert_eq!(stage.window(|window| window.dialog.clone()), Dialog::None, "{}", shortcut.what);
        }
    }
}

#[test]
fn colours_size_and_notifications_are_chosen() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.click("Settings");
    stage.click("Light");
    assert_eq!(stage.window(|window| window.state.theme), Theme::Light);
    stage.click("Dark");
    stage.click("Larger");
    assert!(stage.window(|window| window.state.zoom) > 1.0);
    stage.click("Usual size; now 110 %");
    stage.click("Smaller");
    stage.click("when an answer ends in the background");
    assert!(!stage.window(|window| window.state.notifies));
    stage.click("Close");
    assert!(stage.window(|window| window.state.zoom) < 1.0);
}

#[test]
fn another_server_is_used() {
    let other = towline_testkit::Server::start(fakemodel::plan());
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    stage.click("Settings");
    stage.type_into("Server address", &other.url());
    stage.click("Connect");
    let url = other.url();
    stage.until("the other server", |stage| {
        stage.window(|window| window.server.shown().contains(url.trim_start_matches("http://")))
    });
    assert!(other.wait_for_request(1, std::time::Duration::from_secs(30)).is_some());
}

#[test]
fn the_servers_of_the_configuration_are_chosen_in_the_composer() {
    let other = towline_testkit::Server::start(fakemodel::plan());
    let gpu = NamedServer { host: other.url(), key: None, running: None };
    let folder = tempfile::tempdir().expect("a folder");
    let begin = Begin {
        relay: Some(folder.path().to_owned()),
        servers: [("gpu".to_owned(), gpu)].into(),
        ..Begin::default()
    };
    let mut stage = Stage::new(fakemodel::plan(), begin);
    let usual = stage.server.url();
    let uses = |url: &str| {
        let address = url.trim_start_matches("http://").to_owned();
        move |stage: &Stage| stage.window(|window| window.server.shown().contains(&address))
    };
    stage.until("the usual server", uses(&usual));
    stage.click("Server");
    stage.click("gpu");
    stage.until("the other server", uses(&other.url()));
    stage.ask_to_end("hello");
    assert!(other.requests().iter().any(|request| request.path() == "/api/chat"));
    assert!(stage.server.requests().iter().all(|request| request.path() != "/api/chat"));
    stage.click("Server");
    stage.click("The usual server");
    stage.until("the usual server again", uses(&usual));
}

#[test]
fn a_chat_has_settings_of_its_own() {
    let mut stage = Stage::new(fakemodel::plan(), Begin { size: [1_000.0, 900.0], ..Begin::default() });
    stage.click("Settings of this chat");
    stage.type_into("Instructions for the model", "be brief");
    stage.type_into("Temperature", "hot");
    stage.until_shown("option temperature takes a number");
    assert!(!stage.can_click("Save"));
    stage.press(Modifiers::COMMAND, Key::A);
    stage.type_into("Temperature", "0.5");
    stage.click("Answers in JSON");
    stage.click("Save");
    stage.ask_to_end("hello");
    let requests = stage.server.requests();
    let chat = requests.iter().find(|request| request.path() == "/api/chat").expect("a request");
    let body = String::from_utf8_lossy(&chat.body);
    for part in ["be brief", "\"temperature\":0.5", "\"format\":\"json\""] {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[test]
fn models_are_used_pulled_and_deleted() {
    let tags = r#"{"models":[{"name":"alpha","size":1500000000,"capabilities":["completion","tools","vision"]},
        {"name":"beta","size":700,"capabilities":null}]}"#;
    let ps = r#"{"models":[{"name":"alpha"}]}"#;
    let pulled = Script::ndjson_open([ollama::progress("sha256:aa", 500, 1_000)])
        .wait("pulled")
        .lines([ollama::status("success")])
        .end_chunks();
    let json = "application/json";
    let routes = Routes::new()
        .path("/api/tags", Script::respond(200, json, tags))
        .path("/api/ps", Script::respond(200, json, ps))
        .path("/api/pull", pulled)
        .path("/api/delete", Script::respond(200, json, "{}"));
    let mut stage = Stage::new(routes, Begin { model: "", ..Begin::default() });
    stage.until("a model", |stage| {
        stage.window(|window| window.chat().is_some_and(|chat| chat.conversation.settings.model == "alpha"))
    });
    stage.press(Modifiers::COMMAND, Key::M);
    stage.until_shown("1.5 GB");
    assert!(stage.shows("loaded") && stage.shows("vision, tools"));
    stage.type_into("Model to pull", "gamma");
    stage.click("Pull");
    stage.until_shown("500 B of 1 KB");
    stage.server.open("pulled");
    stage.until("its end", |stage| !stage.can_click("Stop pull of gamma"));
    stage.click("Delete beta");
    stage.click("Delete model");
    stage.until("the request", |stage| {
        stage.server.requests().iter().any(|request| request.path() == "/api/delete")
    });
    stage.click("Use beta");
    assert_eq!(
        stage.window(|window| window.chat().map(|chat| chat.conversation.settings.model.clone())).as_deref(),
        Some("beta")
    );
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let mut stage = Stage::new(fakemodel::plan(), Begin::default());
    let nobody = towline_testkit::ports::Refusing::new().expect("a port");
    stage.window(|window| {
        window.act(Command::Connect(ServerSpec { host: Some(nobody.addr().to_string()), server: None }))
    });
    stage.until("the complaint", |stage| stage.window(|window| window.catalog.error.is_some()));
    stage.ask("hello");
    stage.until_shown("Failed:");
    stage.until_shown("is the server running?");
}

#[test]
fn a_chat_whose_model_is_gone_offers_those_that_are_there() {
    let tags = r#"{"models":[{"name":"alpha","size":700},{"name":"beta","size":700}]}"#;
    let routes = Routes::new().path("/api/tags", Script::respond(200, "application/json", tags));
    let mut stage = Stage::new(routes, Begin { model: "gone", ..Begin::default() });
    stage.until_shown("The server does not have gone.");
    stage.click("Use beta");
    stage.until("no complaint", |stage| !stage.shows("The server does not have"));
    // What asked the built-in model asks a real one once there is one; that it was the toy is not remembered.
    stage.window(|window| window.act(Command::Model("brook".into())));
    stage.window(|window| window.state.model.clear());
    stage.until("a model that is there", |stage| {
        stage.window(|window| window.chat().is_some_and(|chat| chat.conversation.settings.model == "alpha"))
    });
}
