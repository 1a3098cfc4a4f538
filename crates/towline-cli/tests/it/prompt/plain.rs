//! The prompt without a terminal: lines in, lines out.

use std::io::Write as _;
use std::process::Stdio;

use rustix::process::Signal;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::{chats, command, stalled};
use crate::program::{Ended, Live, SOON, ended_with_input, towline};

fn played(answers: impl IntoIterator<Item = Script>, input: &str) -> Ended {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Routes::new().path_each("/api/chat", answers));
    let ended = ended_with_input(&mut command(&server, home.path()), input.as_bytes());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'), "{ended:?}");
    ended
}

fn says(text: &str) -> Script {
    Script::ndjson(ollama::chat(&[text]))
}

#[test]
fn answers_alone_go_to_standard_output() {
    for input in ["first\nsecond\n", "first\nsecond"] {
        let ended = played([says("# one"), says("two")], input);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "# one\ntwo\n", ""));
    }
}

#[test]
fn the_status_is_that_of_the_first_failure() {
    for (first, code, said) in [
        (Script::ndjson([ollama::chat_text("half")]), 3, "Truncated: "),
        (Script::error(500, "broken"), 1, "Failed: broken"),
    ] {
        let ended = played([first, says("two")], "first\nsecond\n");
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(said) && ended.stdout.ends_with("two\n"), "{ended:?}");
    }
}

#[test]
fn jobs_are_waited_for_and_piped() {
    let ended = played([says("b\na")], "q\npipe | sort\njobs\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "b\na\na\nb\n"), "{ended:?}");
    let ended = played([says("one")], "q &\nwait\nlog %1\n");
    let notice = "[1]+  Done                    m  \"q\"";
    assert!(ended.stdout.contains(notice) && ended.stdout.ends_with("one\n"), "{ended:?}");
}

#[test]
fn hostile_text_is_made_visible() {
    let ended = played([says("\u{1b}]0;x\u{7}")], "q\n");
    assert_eq!(ended.stdout, "^[]0;x^G\n");
}

#[test]
fn a_session_that_is_named_is_written_and_gone_on_with() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(Routes::new().path_each("/api/chat", [says("one"), says("two")]));
    for (input, output) in [("first\n", "one\n"), ("second\n", "two\n")] {
        let ended =
            ended_with_input(command(&server, home.path()).args(["--session", "s"]), input.as_bytes());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), output), "{ended:?}");
    }
    let sent = server.requests()[1].json().unwrap();
    assert_eq!(sent["messages"].as_array().map(Vec::len), Some(3));
    let shown = ended_with_input(towline(["history", "show", "s"]).env("HOME", home.path()), b"").stdout;
    assert_eq!(shown, "# first\n\n## You\n\nfirst\n\n## m\n\none\n\n## You\n\nsecond\n\n## m\n\ntwo\n");
}

#[test]
fn what_is_wrong_in_the_configuration_is_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("c.toml");
    std::fs::write(&file, "\nmodl = \"x\"\n").unwrap();
    let server = Server::start(Routes::new().path("/api/chat", says("one")));
    let mut program = command(&server, home.path());
    let ended = ended_with_input(program.env("TOWLINE_CONFIG", &file), b"q\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "one\n"));
    let warning = format!("warning: {}, line 2: there is no key modl; did you mean model?", file.display());
    assert!(ended.stderr.contains(&warning), "{ended:?}");
}

#[test]
fn an_interrupt_ends_it_and_keeps_what_came() {
    let server = stalled();
    let home = tempfile::tempdir().unwrap();
    let mut live = Live::start(command(&server, home.path()).stdin(Stdio::piped()));
    live.child.stdin.as_mut().unwrap().write_all(b"first\nsecond\n").unwrap();
    live.expect("some text");
    live.signal(Signal::INT);
    let ended = live.finish();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(130), "some text\n"), "{ended:?}");
    assert!(server.wait_for_close(0, SOON).is_some());
    assert_eq!(chats(&server).len(), 1, "the second question is not asked");
}

#[test]
fn a_session_that_is_no_text_is_named_and_left_alone() {
    let server = stalled();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".local/share/towline/sessions");
    std::fs::create_dir_all(&folder).unwrap();
    let damaged =
        b"{\"record\":\"session\",\"version\":1}\n{\"record\":\"text\",\"text\":\"caf\xe9\"}\n{\"rec";
    std::fs::write(folder.join("s.jsonl"), damaged).unwrap();
    let ended = ended_with_input(command(&server, home.path()).args(["--session", "s"]), b"hello\n");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("s: line 2 is not UTF-8 text"), "{ended:?}");
    assert_eq!(std::fs::read(folder.join("s.jsonl")).unwrap(), damaged);
}
