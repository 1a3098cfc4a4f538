//! `retry`, `edit`, `pipe`, settings, help.

use serde_json::json;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::stage::{CTRL_C, Scene, Step, play};

fn answers(texts: &[&str]) -> Server {
    let scripts: Vec<Script> = texts.iter().map(|text| Script::ndjson(ollama::chat(&[text]))).collect();
    Server::start(Routes::new().path_each("/api/chat", scripts).path(
        "/api/tags",
        Script::respond(200, "application/json", r#"{"models":[{"name":"m:latest"},{"name":"other:1b"}]}"#),
    ))
}

#[test]
fn retry_and_edit_replace_the_last_turn() {
    let server = answers(&["one", "again", "edited"]);
    play(
        &server,
        Scene { editor: Some("better\n"), ..Scene::default() },
        [
            Step::Type("ask"),
            Step::See("one\n</>"),
            Step::Type("retry"),
            Step::See("again\n</>"),
            Step::Type("edit"),
            Step::See("editor ask"),
            Step::See("$ m> better"),
            Step::See("edited\n</>"),
        ],
    );
    for request in server.requests() {
        assert_eq!(request.json().unwrap()["messages"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn an_answer_goes_into_commands_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("two words.txt");
    let to_file = format!("> '{}'", out.display());
    let server = answers(&["one\ntwo\nthree"]);
    play(
        &server,
        Scene::default(),
        [
            Step::Type("ask"),
            Step::See("three\n</>"),
            Step::Type("pipe | sort -r; printf end; exit 7"),
            Step::See("two\nthree\none"),
            Step::See("end"),
            Step::See("! Exit 7"),
            Step::Type("pipe %1 | cat"),
            Step::See("one\ntwo\nthree"),
            Step::Type(&to_file),
            Step::See("Done                    pipe %1 > "),
            Step::Type("pipe %1 > /no/such/folder/x"),
            Step::See(
                "Failed                  pipe %1 > /no/such/folder/x: /no/such/folder/x cannot be written",
            ),
        ],
    );
    assert_eq!(std::fs::read_to_string(out).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn a_live_answer_goes_into_a_command_and_ctrl_c_ends_the_command_only() {
    let script = Script::ndjson_open([ollama::chat_text("line\n")]).stall();
    let server = Server::start(Routes::new().path("/api/chat", script));
    play(
        &server,
        Scene::default(),
        [
            Step::Type("ask &"),
            Step::Status("1 running"),
            Step::Type("pipe %1 | head -n 1"),
            Step::See("line\n"),
            Step::Status("[]"),
            Step::Type(":model other"),
            Step::See("prompt other> "),
            Step::Type("pipe %1 | cat -n"),
            Step::See("1\tline"),
            CTRL_C,
            Step::See("Cancelled"),
            Step::Status("1 running"),
        ],
    );
}

#[test]
fn what_is_nearly_a_command_is_asked_about_and_a_model_is_shown() {
    let show = json!({ "license": "MIT", "details": { "family": "llama", "parameter_size": "1B" } });
    let server = Server::start(
        Routes::new()
            .path("/api/chat", Script::ndjson(ollama::chat(&["An answer."])))
            .path("/api/show", Script::respond(200, "application/json", show.to_string())),
    );
    play(
        &server,
        Scene::default(),
        [
            Step::Type("jbos"),
            Step::See("~ did you mean jobs? Enter sends the line to the model"),
            Step::See("prefill  jbos"),
            Step::Type(" jbos"),
            Step::See("An answer.\n</>"),
            Step::Type("/show"),
            Step::See("architecture    llama"),
            Step::Type("/show license"),
            Step::See("MIT"),
            Step::Type("/set verbose"),
            Step::Type("/set"),
            Step::See("stats        on"),
            Step::Type("/set nothink"),
            Step::Type("/set"),
            Step::See("think        off"),
            Step::Type("/bogus"),
            Step::See("! :bogus: command not found"),
            Step::Type("!ls"),
            Step::See("! ! runs nothing here: Ctrl-Z returns to the shell"),
            Step::Type("pipe | cat >/dev/null &"),
            Step::See("[1]+  "),
            Step::See("Done"),
        ],
    );
    assert_eq!(server.requests().iter().filter(|request| request.path() == "/api/chat").count(), 1);
}

#[test]
fn settings_are_set_shown_and_sent() {
    let server = answers(&["one"]);
    play(
        &server,
        Scene::default(),
        [
            Step::Type(":model other"),
            Step::See("prompt other> "),
            Step::Type("set num_ctx 4096"),
            Step::Type(":think low"),
            Step::Type(":format json"),
            Step::Type(":system \"be brief\""),
            Step::Type("set"),
            Step::See("model        other"),
            Step::See("num_ctx      4096"),
            Step::Type("ask"),
            Step::See("one\n</>"),
            Step::Type(":models"),
            Step::See("m:latest\nother:1b"),
            Step::Type("/load m"),
            Step::See("prompt m> "),
            Step::Type(":help kill"),
            Step::See("kill [-9] %n… | %*"),
            Step::Type("help"),
            Step::See(":help VERB"),
        ],
    );
    let sent = server.requests()[0].json().unwrap();
    assert_eq!((sent["model"].as_str(), sent["think"].as_str()), (Some("other"), Some("low")));
    assert_eq!((&sent["options"]["num_ctx"], sent["format"].as_str()), (&4096.into(), Some("json")));
    assert_eq!(sent["messages"][0]["content"], "be brief");
}
