//! `towline history`, and the conversations that `towline run` writes to it.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use towline_testkit::records::ollama::{chat_done, chat_text};
use towline_testkit::{Routes, Script, Server};

use crate::program::{Ended, SOON, ended, run, towline};
use crate::pty::Pty;
use crate::relay_jobs::Person;

fn at<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    command.env("HOME", home)
}

fn history(home: &Path, arguments: &[&str]) -> Ended {
    ended(at(&mut towline(["history"].iter().chain(arguments)), home))
}

fn answering(text: &str) -> Server {
    Server::start(Script::ndjson([chat_text(text), chat_done("stop", 1)]))
}

#[test]
fn what_was_shown_is_found_and_continued() {
    let home = tempfile::tempdir().unwrap();
    let server = answering("A river is water that runs.");
    let mut command = run(&server.url(), &[]);
    let mut pty = Pty::start(at(&mut command, home.path()));
    assert_eq!(pty.end().code(), Some(0));

    let found = history(home.path(), &["search", "--json", "WATER that"]);
    assert_eq!(found.code, Some(0), "{found:?}");
    assert_eq!(
        (found.lines()[0]["name"].as_str(), found.lines()[0]["turns"].as_u64()),
        (Some("hi"), Some(1))
    );
    let absent = history(home.path(), &["search", "absent"]);
    assert_eq!(
        (absent.code, absent.stderr.as_str()),
        (Some(1), "note: no conversation contains \"absent\"\n")
    );
    assert_eq!(history(home.path(), &["search", "absent", "--json"]).stderr, "");

    let server = answering("Ice.");
    let continued =
        ended(at(&mut towline(["run", "--host", &server.url(), "-c", "and in winter?"]), home.path()));
    assert_eq!((continued.code, continued.stdout.as_str()), (Some(0), "Ice."), "{continued:?}");
    let sent = server.requests().pop().unwrap();
    let sent = sent.json().unwrap();
    assert_eq!(sent["model"], "m");
    let messages: Vec<_> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["content"].as_str().unwrap())
        .collect();
    assert_eq!(messages, ["hi", "A river is water that runs.", "and in winter?"]);
    let shown = history(home.path(), &["show"]).stdout;
    assert_eq!(
        shown,
        "# hi\n\n## You\n\nhi\n\n## m\n\nA river is water that runs.\n\n## You\n\nand in winter?\n\n## m\n\nIce.\n"
    );
}

#[test]
fn a_pipe_and_a_wish_are_not_remembered() {
    let home = tempfile::tempdir().unwrap();
    let server = answering("x");
    ended(at(&mut run(&server.url(), &[]), home.path()));
    let server = answering("x");
    let mut command = run(&server.url(), &["--no-history"]);
    let mut pty = Pty::start(at(&mut command, home.path()));
    assert_eq!(pty.end().code(), Some(0));
    assert_eq!(history(home.path(), &["--json"]).stdout, "");
    let nothing = ended(at(&mut towline(["run", "-c", "more"]), home.path()));
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.stderr.contains("there is no conversation to continue"), "{nothing:?}");
}

#[test]
fn sessions_of_the_prompt_are_in_it() {
    let home = tempfile::tempdir().unwrap();
    let sessions = home.path().join(".local/share/towline/sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    let session = concat!(
        "{\"record\":\"session\",\"version\":1,\"created\":\"2026-01-02T03:04:05Z\"}\n",
        "{\"record\":\"settings\",\"model\":\"m\"}\n",
        "{\"record\":\"question\",\"turn\":0,\"model\":\"m\",\"content\":\"Where is 長江?\"}\n",
        "{\"record\":\"text\",\"turn\":0,\"text\":\"In China.\\n```sh\\nls\"}\n",
        "{\"record\":\"end\",\"turn\":0,\"ending\":\"cancelled\"}\n",
    );
    std::fs::write(sessions.join("2026-01-02T03-04-05.jsonl"), session).unwrap();
    std::fs::write(sessions.join("broken.jsonl"), "no session\n").unwrap();
    let list = history(home.path(), &[]);
    assert!(list.stdout.contains("where-is-長江") && list.stderr.contains("broken"), "{list:?}");
    let exported = history(home.path(), &["export", "where"]).stdout;
    let file = home.path().join("copy.jsonl");
    std::fs::write(&file, &exported).unwrap();
    assert_eq!(
        history(home.path(), &["import", file.to_str().unwrap()]).stdout,
        "imported where-is-長江-2\n"
    );
    assert_eq!(history(home.path(), &["export", "where-is-長江-2"]).stdout, exported);
    let markdown = history(home.path(), &["export", "--markdown", "where-is-長江"]).stdout;
    assert!(markdown.contains("```sh\nls\n```\n"), "code that was cut is closed: {markdown}");

    assert_eq!(history(home.path(), &["rename", "where-is-長江", "river"]).code, Some(0));
    assert_eq!(history(home.path(), &["pin", "river"]).code, Some(0));
    assert!(history(home.path(), &[]).stdout.lines().nth(1).unwrap().starts_with("*river "));
    assert_eq!(history(home.path(), &["tag", "river", "China", "#water"]).code, Some(0));
    assert_eq!(history(home.path(), &["tag", "--off", "river", "water"]).code, Some(0));
    let tagged = history(home.path(), &["--tag", "china"]).stdout;
    assert!(tagged.lines().count() == 2 && tagged.contains("Where is 長江? #china"), "{tagged}");
    assert_eq!(history(home.path(), &["search", "tag:water", "長江"]).code, Some(1));
    assert_eq!(history(home.path(), &["search", "--tag", "china", "長江"]).code, Some(0));
    let removed = history(home.path(), &["rm", "river", "absent", "where-is-長江-2"]);
    assert_eq!(
        (removed.code, removed.stdout.as_str()),
        (Some(2), "deleted river\ndeleted where-is-長江-2\n")
    );
    assert_eq!(history(home.path(), &["--json"]).stdout, "", "a session file is not taken in again");
    assert!(sessions.join("2026-01-02T03-04-05.jsonl").exists());
}

/// The first bytes of an image.
const PICTURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// A command on a terminal, with the history in this folder.
fn on_terminal(person: &Person, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = person.types(arguments);
    let mut pty = Pty::start(command.env("HOME", person.folder.path()));
    let status = pty.end();
    (status.code(), pty.text())
}

/// The lines of the only conversation, once this many of its answers have ended.
fn exported(person: &Person, ends: usize) -> Vec<Value> {
    let deadline = Instant::now() + SOON;
    loop {
        let list = history(person.folder.path(), &["--json"]).lines();
        assert_eq!(list.len(), 1, "{list:?}");
        let name = list[0]["name"].as_str().unwrap();
        let lines = history(person.folder.path(), &["export", "--json", name]).lines();
        if lines.iter().filter(|line| line["record"] == "end").count() >= ends {
            return lines;
        }
        assert!(Instant::now() < deadline, "it is not written: {lines:?}");
    }
}

#[test]
fn what_is_left_to_the_relay_is_written_with_its_images_when_it_ends() {
    let person = Person::with(Server::start(
        Routes::new()
            .path("/api/chat", Script::ndjson([chat_text("A boat."), chat_done("stop", 2)]))
            .path("/api/version", Script::respond(200, "application/json", r#"{"version":"1"}"#)),
    ));
    let picture = person.folder.path().join("picture.png");
    std::fs::write(&picture, PICTURE).unwrap();
    let image = picture.to_str().unwrap();
    let run = ["run", "-d", "-m", "m", "--image", image, "what is this?"];
    let (code, said) = on_terminal(&person, &run);
    assert_eq!(code, Some(0), "{said}");
    let lines = exported(&person, 1);
    let of = |record: &str| lines.iter().find(|line| line["record"] == record).unwrap().clone();
    assert_eq!((&of("text")["text"], &of("end")["ending"]), (&"A boat.".into(), &"completed".into()));
    assert_eq!(of("question")["images"][0], "iVBORw0KGgo=");
    // The next question continues from there, with the image.
    let (code, said) = on_terminal(&person, &["run", "-d", "-c", "whose?"]);
    assert_eq!(code, Some(0), "{said}");
    let lines = exported(&person, 2);
    assert_eq!(lines.iter().filter(|line| line["record"] == "question").count(), 2);
    let mut chats = person.model.requests().into_iter().filter(|request| request.path() == "/api/chat");
    let asked = chats.next_back().unwrap().json().unwrap();
    assert_eq!(asked["messages"][0]["images"][0], "iVBORw0KGgo=");
    assert_eq!(asked["messages"][1]["content"], "A boat.");
    // A retry is another answer to the same question.
    let (code, said) = on_terminal(&person, &["retry", "whose"]);
    assert_eq!(code, Some(0), "{said}");
    let lines = exported(&person, 3);
    let records: Vec<&str> = lines.iter().filter_map(|line| line["record"].as_str()).collect();
    assert_eq!(records[records.len() - 4..], ["retry", "relay", "text", "end"]);
    // A question that the relay rejects is not in the history.
    let long = "m".repeat(5_000);
    for more in [&["-c"][..], &[]] {
        let (code, said) = on_terminal(&person, &[&["run", "-d", "-m", &long, "lost"], more].concat());
        assert!(code != Some(0) && said.contains("the name of the model is longer"), "{said}");
        assert_eq!(exported(&person, 3), lines);
    }
}
