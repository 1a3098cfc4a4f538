//! The prompt on a relay: answers survive the prompt, its terminal and its connection.

use std::process::Command;

use rustix::process::Signal;
use towline_testkit::{Routes, Script, Server, records::ollama};

use super::{ended, stalled};
use crate::program::{Live, ended as ended_program, towline};
use crate::pty::Pty;
use crate::relay_jobs::Person;
use crate::wire::Wire;

/// A user's prompt on their own relay, which it starts.
fn on_own_relay(person: &Person) -> Pty {
    let mut pty = Pty::start(&mut with_home(person.types(&["--relay", "-m", "m"]), person));
    pty.expect_row("m>");
    pty
}

fn with_home(mut command: Command, person: &Person) -> Command {
    command.env("HOME", person.folder.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// The id of the only job on the user's relay.
fn only_job(person: &Person) -> String {
    let jobs = person.jobs();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_disowned_runs_on_and_is_read_later() {
    let person = Person::with(stalled());
    let mut pty = on_own_relay(&person);
    pty.press("one\r");
    pty.expect("some text");
    pty.press("\x1a");
    pty.expect("1 running");
    pty.press("disown %1\r");
    pty.expect("%1 continues without the prompt; towline attach ");
    let id = only_job(&person);
    // By its name, once the relay has reported that.
    let said = pty.text().replace('\n', "");
    assert!(said.contains("attach one reads it") || said.contains(&id), "{said}");
    pty.press("jobs\r");
    pty.expect("relay  one  streaming  m  \"one\"");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let mut reader = Pty::start(&mut person.types(&["attach", &id]));
    reader.expect("some text");
    person.model.open("go");
    assert_eq!(reader.end().code(), Some(0));
    assert_eq!(reader.text(), "some text\nmore");
}

#[test]
fn without_a_relay_nothing_can_be_disowned() {
    let server = stalled();
    let (mut pty, _home) = super::prompt(&server);
    pty.press("one &\r");
    pty.expect("1 running");
    pty.press("disown %1\r");
    pty.expect("no relay runs it");
    server.open("go");
    pty.expect("1 done");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

/// The terminal is closed, or everything in it is killed, while an answer streams.
#[test]
fn an_answer_survives_its_terminal() {
    for (signal, code) in [(Signal::KILL, None), (Signal::HUP, Some(143))] {
        let person = Person::with(stalled());
        let mut pty = on_own_relay(&person);
        pty.press("one\r");
        pty.expect("some text");
        pty.signal(signal);
        assert_eq!(pty.end().code(), code, "{signal:?}");
        let id = only_job(&person);
        let mut reader = Pty::start(&mut person.types(&["attach", &id]));
        reader.expect("some text");
        assert_eq!(person.jobs()[0]["state"], "streaming", "{signal:?}: it continues");
        person.model.open("go");
        assert_eq!(reader.end().code(), Some(0));
        assert_eq!(reader.text(), "some text\nmore", "{signal:?}");
    }
}

/// A relay in memory on a TCP port, in front of the model.
fn relay(model: &Server) -> (Live, Wire) {
    let arguments = ["relay", "--store", "memory", "--listen", "127.0.0.1:0", "--upstream", &model.url()];
    let mut relay = Live::start(&mut towline(arguments));
    relay.expect("listening on http://");
    let said = relay.stdout_text();
    let address = said.lines().find_map(|line| line.strip_prefix("listening on http://")).unwrap();
    (relay, Wire::to(address.parse().unwrap()))
}

/// Like `stalled`, with two gates.
fn in_three_parts() -> Server {
    let script = Script::ndjson_open([ollama::chat_text("some text\n")]);
    let script = script.wait("more").lines([ollama::chat_text("more\n")]);
    let script = script.wait("go").lines([ollama::chat_text("the end\n"), ollama::chat_done("stop", 3)]);
    Server::start(Routes::new().path("/api/chat", script.end_chunks()))
}

#[test]
fn a_connection_that_is_cut_is_a_note() {
    let model = in_three_parts();
    let (_relay, wire) = relay(&model);
    let url = wire.url.clone();
    let run = ended_program(&mut towline(["run", "-d", "--relay", &url, "-m", "m", "hi"]));
    let id = run.stdout.trim().to_owned();
    let mut reader = Pty::start(&mut towline(["attach", "--relay", &url, &id]));
    reader.expect("some text");
    wire.cut();
    reader.expect("note: reconnected; nothing is missing");
    model.open("more");
    reader.expect("more");
    wire.cut();
    model.open("go");
    assert_eq!(reader.end().code(), Some(0));
    let text = reader.text();
    let answer: Vec<&str> = text.lines().filter(|line| !line.starts_with("note: ")).collect();
    assert_eq!(answer, ["some text", "more", "the end"], "{text}");
    // The pipe gets only the answer, and the note at its end.
    let piped = ended_program(&mut towline(["attach", "--relay", &url, &id]));
    assert_eq!((piped.stdout.as_str(), piped.stderr.as_str()), ("some text\nmore\nthe end\n", ""));
}

#[test]
fn a_prompt_whose_connection_is_cut_says_so_in_its_status() {
    let model = in_three_parts();
    let (_relay, wire) = relay(&model);
    let home = tempfile::tempdir().unwrap();
    let mut command = towline([format!("--relay={}", wire.url).as_str(), "-m", "m"]);
    let mut pty = Pty::start(command.env("HOME", home.path()));
    pty.expect_row("m>");
    pty.press("one\r");
    pty.expect("some text");
    wire.cut();
    pty.expect(", reconnected");
    model.open("more");
    pty.expect("more");
    model.open("go");
    pty.expect("m> one\nsome text\nmore\nthe end\n");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}
