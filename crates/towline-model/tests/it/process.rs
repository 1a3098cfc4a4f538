//! A user's file in a process of its own.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use towline_model::{Config, Runner, Source};

use crate::client::lines;
use crate::server::Running;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/brook-q8_0.gguf");
const ASK: &str =
    r#"{"model":"mine","prompt":"What is a river?","options":{"num_predict":300,"temperature":1.5}}"#;
const SHORT: &str = r#"{"model":"mine","prompt":"hello","stream":false,"options":{"num_predict":2}}"#;

/// The example program, which knows how to be a model process; built together with the tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("examples/serve");
    assert!(program.exists(), "{} is missing: build the examples", program.display());
    program
}

/// A server whose children write their process ids, one per line, into a file.
struct Parent {
    server: Running,
    ids: PathBuf,
}

impl Parent {
    fn start(name: &str, rate: Option<f32>) -> Self {
        let ids = std::env::temp_dir().join(format!("towline-model-{}-{name}", std::process::id()));
        std::fs::write(&ids, "").unwrap();
        let script =
            format!("echo $$ >> '{}'; exec '{}' model-process \"$0\"", ids.display(), program().display());
        let runner = Runner { program: "sh".into(), arguments: vec!["-c".into(), script.into()] };
        let mine = Source::Gguf { path: FILE.into(), name: Some("mine".into()), threads: None };
        let config =
            Config { models: vec![Source::Builtin, mine], runner: Some(runner), rate, ..Config::default() };
        Self { server: Running::start(config), ids }
    }

    fn children(&self) -> Vec<String> {
        std::fs::read_to_string(&self.ids).unwrap().lines().map(str::to_owned).collect()
    }

    fn kill_last_child(&self) {
        let id = self.children().pop().unwrap();
        assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.ids));
    }
}

#[test]
fn a_users_file_answers_from_a_process_that_starts_when_it_is_asked() {
    let parent = Parent::start("answers", None);
    let mut client = parent.server.client();
    assert_eq!(client.get("/api/tags").json()["models"].as_array().unwrap().len(), 2);
    assert!(parent.children().is_empty());
    let greedy = |model: &str| {
        format!(
            r#"{{"model":"{model}","prompt":"What is a river?","stream":false,"options":{{"temperature":0,"repeat_penalty":1}}}}"#
        )
    };
    let built_in = client.post("/api/generate", &greedy("brook")).json();
    let mine = client.post("/api/generate", &greedy("mine")).json();
    assert_eq!(mine["response"], built_in["response"]);
    assert_eq!(mine["model"], "mine");
    let streamed: Vec<Value> = lines(client.post("/api/generate", ASK)).collect();
    assert_eq!(streamed.last().unwrap()["done"], true);
    assert_eq!(
        client.post("/api/embed", r#"{"model":"mine","input":"x"}"#).json()["embeddings"][0]
            .as_array()
            .unwrap()
            .len(),
        192
    );
    let refused = client.post("/api/generate", r#"{"model":"mine","prompt":"x","suffix":"y"}"#);
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"], "\"mine\" does not support insert");
    let running = client.get("/api/ps").json();
    let names: Vec<&str> =
        running["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["brook:latest", "mine:latest"]);
    assert_eq!(parent.children().len(), 1);
}

#[test]
fn a_process_that_dies_is_told_and_replaced() {
    let parent = Parent::start("dies", Some(30.0));
    let mut client = parent.server.client();
    let mut answer = client.post("/api/generate", ASK);
    assert!(answer.line().is_some());
    parent.kill_last_child();
    let records: Vec<Value> = lines(answer).collect();
    let error = records.last().unwrap()["error"].as_str().unwrap();
    assert!(error.contains("ended unexpectedly"), "{error}");
    assert_eq!(client.post("/api/generate", SHORT).json()["done"], true);
    assert_eq!(parent.children().len(), 2);
}

#[test]
fn a_process_ends_with_its_model_and_the_next_request_starts_another() {
    let parent = Parent::start("unloads", None);
    let mut client = parent.server.client();
    assert_eq!(client.post("/api/generate", SHORT).json()["done"], true);
    let unload = r#"{"model":"mine","keep_alive":0}"#;
    assert_eq!(client.post("/api/generate", unload).json()["done_reason"], "unload");
    while client.get("/api/ps").json()["models"] != Value::Array(Vec::new()) {}
    assert_eq!(client.post("/api/generate", SHORT).json()["done"], true);
    assert_eq!(parent.children().len(), 2);
}

#[test]
fn an_answer_goes_on_while_its_model_is_unloaded_and_loaded_again() {
    let parent = Parent::start("goes-on", Some(50.0));
    let mut first = parent.server.client();
    let mut answer = first.post(
        "/api/generate",
        r#"{"model":"mine","prompt":"What is a river?","options":{"num_predict":30,"temperature":0}}"#,
    );
    assert!(answer.line().is_some());
    let mut second = parent.server.client();
    let unload = r#"{"model":"mine","keep_alive":0}"#;
    assert_eq!(second.post("/api/generate", unload).json()["done_reason"], "unload");
    assert_eq!(second.post("/api/generate", SHORT).json()["done"], true);
    let records: Vec<Value> = lines(answer).collect();
    assert_eq!(records.last().unwrap()["done"], true);
}

/// The children of a process, as Linux lists them.
#[cfg(target_os = "linux")]
fn children_of(id: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    listed.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_ends_when_its_parent_is_killed() {
    use std::io::BufRead;

    let mut parent = Command::new(program())
        .args(["serve", "--listen", "127.0.0.1:0", "--gguf", FILE])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
    let ask = SHORT.replace("mine", "brook-q8_0");
    assert_eq!(crate::client::Client::connect(address).post("/api/generate", &ask).json()["done"], true);
    let children = children_of(parent.id());
    assert_eq!(children.len(), 1);
    parent.kill().unwrap();
    parent.wait().unwrap();
    let state = |id: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
    };
    // Gone, or waiting for whoever collects orphans.
    while state(children[0]).is_some_and(|state| state != 'Z') {
        std::thread::yield_now();
    }
}

#[test]
fn a_client_that_leaves_frees_the_processs_slot_too() {
    let parent = Parent::start("leaves", Some(20.0));
    let mut first: Vec<_> = (0..4).map(|_| parent.server.client()).collect();
    for client in &mut first {
        assert!(client.post("/api/generate", ASK).line().is_some());
    }
    drop(first);
    assert_eq!(parent.server.client().post("/api/generate", SHORT).json()["done"], true);
}

#[test]
fn a_program_that_is_no_model_process_is_an_error() {
    let with_program = |program: &str| {
        let mine = Source::Gguf { path: FILE.into(), name: Some("mine".into()), threads: None };
        let runner = Runner { program: program.into(), arguments: Vec::new() };
        Running::try_start(Config { models: vec![mine], runner: Some(runner), ..Config::default() })
    };
    let error = with_program("/nonexistent/program").err().unwrap();
    assert_eq!(error.to_string(), "cannot start the model process /nonexistent/program");
    for (program, text) in
        [("nonexistent-program", "cannot start the model process"), ("true", "ended unexpectedly")]
    {
        let server = with_program(program).unwrap();
        let mut client = server.client();
        let answer = client.post("/api/generate", SHORT);
        assert_eq!(answer.status, 500);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(text), "{error}");
    }
}
