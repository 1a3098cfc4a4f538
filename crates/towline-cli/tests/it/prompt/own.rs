//! The prompt on the user's own relay: other programs see its answers, which survive it, and a new prompt finds them.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::{chats, ended};
use crate::program::{Ended, SOON, ended as ended_program};
use crate::pty::Pty;
use crate::relay_jobs::Person;

const PARTS: [&str; 3] = ["Once upon\n", "a time, 长江\n", "naïve ends.\n"];

/// Sends the first part, then each further part when its gate opens.
fn story() -> Server {
    let script = Script::ndjson_open([ollama::chat_text(PARTS[0])]);
    let script = script.wait("more").lines([ollama::chat_text(PARTS[1])]);
    let script = script.wait("go").lines([ollama::chat_text(PARTS[2]), ollama::chat_done("stop", 3)]);
    let version = Script::respond(200, "application/json", "{\"version\":\"1\"}");
    let tags = Script::respond(200, "application/json", "{\"models\":[]}");
    Server::start(
        Routes::new()
            .path("/api/chat", script.end_chunks())
            .path("/api/version", version)
            .path("/api/tags", tags),
    )
}

fn prompt(person: &Person, more: &[&str]) -> Pty {
    let arguments: Vec<&str> = ["-m", "m"].iter().chain(more).copied().collect();
    let mut command = person.types(&arguments);
    command.env("HOME", person.folder.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let mut pty = Pty::start(&mut command);
    pty.expect_row("m>");
    pty
}

fn types(person: &Person, arguments: &[&str]) -> Ended {
    ended_program(person.types(arguments).env("HOME", person.folder.path()))
}

/// The answers of the only conversation in the history.
fn remembered(person: &Person) -> Vec<Value> {
    let list = types(person, &["history", "--json"]);
    assert_eq!(list.stdout.lines().count(), 1, "{list:?}");
    let name = list.lines()[0]["name"].as_str().unwrap().to_owned();
    let exported = types(person, &["history", "export", "--json", &name]);
    exported.lines().into_iter().filter(|record| record["record"] != "settings").collect()
}

fn text_of(records: &[Value]) -> String {
    let texts = records.iter().filter(|record| record["record"] == "text");
    texts.map(|record| record["text"].as_str().unwrap()).collect()
}

fn endings(records: &[Value]) -> Vec<&str> {
    let ends = records.iter().filter(|record| record["record"] == "end");
    ends.map(|record| record["ending"].as_str().unwrap()).collect()
}

/// Waits until the history satisfies a condition: text is written a frame after it is shown.
fn until(person: &Person, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + SOON;
    loop {
        let records = remembered(person);
        if enough(&records) {
            return records;
        }
        assert!(Instant::now() < deadline, "it is not written: {records:?}");
    }
}

#[test]
fn what_the_prompt_asks_is_seen_and_controlled_from_the_shell() {
    let person = Person::with(story());
    let mut pty = prompt(&person, &[]);
    pty.expect(&format!("answers come from {}", person.model.url()));
    pty.press("tell a story\r");
    pty.expect("Once upon");
    let jobs = person.jobs();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let of = |key: &str| jobs[0][key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (of("name"), of("question"), of("asked_by")),
        ("tell-a-story".into(), "tell a story".into(), "prompt".into())
    );
    assert_eq!((of("turn"), of("model")), ("0".into(), "m".into()));
    let killed = types(&person, &["kill", "tell-a-story"]);
    assert_eq!(killed.code, Some(0), "{killed:?}");
    pty.expect("Cancelled");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let records = remembered(&person);
    assert_eq!((text_of(&records).as_str(), endings(&records)), (PARTS[0], vec!["cancelled"]));
}

#[test]
fn what_the_shell_asks_is_seen_and_controlled_from_the_prompt() {
    let person = Person::with(story());
    let run = types(&person, &["run", "-d", "-m", "m", "tell a story"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut pty = prompt(&person, &[]);
    pty.press("jobs\r");
    pty.expect("relay  tell-a-story  streaming  m  \"tell a story\"");
    pty.press(":pause tell-a-story\r");
    pty.expect("tell-a-story  paused");
    pty.press(":unpause tell-a-story\r");
    pty.expect("\ntell-a-story  streaming\n");
    pty.press(":timeout tell-a-story none\r");
    pty.expect("tell-a-story  has no deadline");
    pty.press(":rename tell-a-story tale\r");
    pty.expect("tale  is its new name");
    pty.press(":attach tale\r");
    pty.expect("Once upon");
    // Ctrl-C only stops reading, because the answer is not this prompt's.
    pty.press("\x03");
    pty.expect("the log is no longer followed");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0), "it does not ask: nothing of its own runs");
    assert_eq!(person.jobs()[0]["state"], "streaming");
    let mut pty = prompt(&person, &[]);
    pty.press(":kill tale\r");
    pty.expect("tale  cancelled: killed");
    pty.press(":forget tale\r");
    pty.expect("tale  is forgotten");
    pty.press(":clean\r");
    pty.expect("forgot 0 answers");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn an_answer_is_waited_for_by_its_name_on_the_relay() {
    let person = Person::with(story());
    let run = types(&person, &["run", "-d", "-m", "m", "from the shell"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut pty = prompt(&person, &[]);
    pty.press("tell a story &\r");
    pty.expect("1 running");
    // Its own answer has that name too.
    pty.press(":wait tell-a-story from-the-shell\r");
    pty.expect("waiting for 2 jobs");
    person.model.open("more");
    person.model.open("go");
    pty.expect("Done                    m  \"tell a story\"");
    pty.expect("Done                    from-the-shell  \"from the shell\"");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    assert_eq!(person.jobs().len(), 2, "nothing was asked twice");
}

#[test]
fn leaving_asks_and_what_was_left_is_there_when_the_prompt_comes_back() {
    let person = Person::with(story());
    let mut pty = prompt(&person, &[]);
    pty.press("tell a story\r");
    pty.expect("Once upon");
    pty.press("exit\r");
    pty.expect("There are running answers.\nexit again leaves them running, kill --all cancels them");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    assert_eq!(person.jobs()[0]["state"], "streaming");
    person.model.open("more");
    let late = Instant::now() + SOON;
    let at_relay = loop {
        if let Some(pace) = person.jobs()[0]["tokens_per_second"].as_f64() {
            break pace;
        }
        assert!(Instant::now() < late, "the relay does not say how fast it is");
    };
    // In its conversation, live.
    let mut pty = prompt(&person, &[]);
    pty.expect("m> tell a story\nOnce upon\na time, 长江");
    // Two tokens in the time of the whole answer, not in the time since the prompt was restarted.
    let pace = |pty: &Pty| pty.text().split_once(" tok/s")?.0.rsplit(' ').next()?.parse::<f64>().ok();
    pty.until("its pace", |pty| pace(pty).is_some());
    assert!(pace(&pty).is_some_and(|pace| pace <= 2.0 * at_relay + 0.1), "{at_relay}: {}", pty.text());
    person.model.open("go");
    pty.expect("naïve ends.");
    pty.press("and then?\r");
    pty.expect("m> and then?\nOnce upon");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let asked = chats(&person.model);
    let said = |at: usize| asked[1]["messages"][at]["content"].as_str().unwrap().to_owned();
    assert_eq!((said(0), said(1), said(2)), ("tell a story".into(), PARTS.concat(), "and then?".into()));
    let records = remembered(&person);
    assert_eq!(text_of(&records), PARTS.concat().repeat(2), "nothing is missing, nothing is there twice");
    assert_eq!(endings(&records), ["completed", "completed"]);
}

#[test]
fn a_prompt_that_is_killed_finds_its_answer_again() {
    for signal in [Signal::KILL, Signal::HUP] {
        let person = Person::with(story());
        let mut pty = prompt(&person, &[]);
        pty.press("tell a story\r");
        pty.expect("Once upon");
        until(&person, |records| text_of(records) == PARTS[0]);
        pty.signal(signal);
        pty.end();
        let mut pty = prompt(&person, &[]);
        pty.expect("m> tell a story\nOnce upon");
        person.model.open("more");
        pty.expect("a time, 长江");
        person.model.open("go");
        pty.expect("naïve ends.");
        pty.press("exit\r");
        assert_eq!(ended(&mut pty), Some(0), "{signal:?}");
        let records = remembered(&person);
        assert_eq!((text_of(&records), endings(&records)), (PARTS.concat(), vec!["completed"]), "{signal:?}");
    }
}

#[test]
fn an_answer_whose_prompt_is_gone_is_written_by_the_relay() {
    let person = Person::with(story());
    let mut pty = prompt(&person, &[]);
    pty.press("tell a story\r");
    pty.expect("Once upon");
    until(&person, |records| text_of(records) == PARTS[0]);
    pty.signal(Signal::KILL);
    pty.end();
    person.model.open("more");
    person.model.open("go");
    let records = until(&person, |records| !endings(records).is_empty());
    assert_eq!((text_of(&records), endings(&records)), (PARTS.concat(), vec!["completed"]));
    let asked: Vec<&Value> = records.iter().filter(|record| record["record"] == "question").collect();
    assert_eq!((asked.len(), &asked[0]["content"]), (1, &Value::from("tell a story")));
}

#[test]
fn a_relay_that_dies_is_started_again_and_says_how_its_answers_ended() {
    let person = Person::with(story());
    let mut pty = prompt(&person, &[]);
    pty.press("tell a story\r");
    pty.expect("Once upon");
    person.kill_relay();
    pty.expect("Interrupted: the relay ended; 10 characters are kept");
    person.model.open("more");
    person.model.open("go");
    pty.press("retry\r");
    pty.expect("naïve ends.");
    // The relay that dies now runs nothing: the next question starts another.
    person.kill_relay();
    pty.press("again\r");
    pty.expect("m> again\nOnce upon\na time, 长江\nnaïve ends.");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let records = remembered(&person);
    assert_eq!(endings(&records), ["truncated", "completed", "completed"]);
    assert_eq!(text_of(&records), PARTS[0].to_owned() + &PARTS.concat().repeat(2));
}

#[test]
fn where_no_relay_can_be_started_answers_run_in_the_process() {
    let person = Person::with(story());
    // A folder that others can enter is not safe for the socket.
    let shared = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::create_dir(person.folder.path().join("towline")).unwrap();
    std::fs::set_permissions(person.folder.path().join("towline"), shared).unwrap();
    let mut pty = prompt(&person, &[]);
    pty.expect("answers run in this process, and end with it: there is no folder");
    person.model.open("more");
    person.model.open("go");
    pty.press("tell a story\r");
    pty.expect("naïve ends.");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let records = remembered(&person);
    assert_eq!((text_of(&records), endings(&records)), (PARTS.concat(), vec!["completed"]));
}

#[test]
fn kill_all_stops_what_was_asked_here_and_elsewhere() {
    let person = Person::with(story());
    let run = types(&person, &["run", "-d", "-m", "m", "from the shell"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut pty = prompt(&person, &[]);
    pty.press("tell a story &\r");
    pty.expect("1 running");
    pty.press("kill --all\r");
    pty.expect("from-the-shell  cancelled: killed");
    pty.expect("[1]+  Cancelled               m  \"tell a story\"");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
    let states: Vec<String> = person.jobs().iter().map(|job| job["state"].to_string()).collect();
    assert_eq!(states, ["\"cancelled\"", "\"cancelled\""]);
}
