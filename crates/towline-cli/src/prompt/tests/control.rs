//! Job control, verb by verb.

use std::time::Duration;

use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::stage::{CTRL_C, CTRL_D, CTRL_Z, Scene, Step, play};
use crate::exit::Exit;
use crate::term::screen::Input;

/// Every chat sends `text`, then stays silent until the gate `go` opens.
fn stalled() -> Server {
    let script = Script::ndjson_open([ollama::chat_text("some text")]);
    let script =
        script.wait("go").lines([ollama::chat_text(" more"), ollama::chat_done("stop", 2)]).end_chunks();
    Server::start(Routes::new().path("/api/chat", script))
}

fn open(server: &Server) -> Step<'_> {
    Step::Do(Box::new(|| server.open("go")))
}

#[test]
fn behind_listed_waited_for() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Type("one &"),
            Step::See("[1] m  \"one\""),
            Step::Type("two &"),
            Step::See("[2] m  \"two\""),
            Step::Status("2 running"),
            Step::Type("jobs"),
            Step::See("[1]-  Running"),
            Step::See("[2]+  Running"),
            Step::Type("wait"),
            Step::Status("waiting for 2 jobs"),
            open(&server),
            Step::See("[1]-  Done                    m  \"one\"\n[2]+  Done                    m  \"two\""),
            Step::Type("jobs"),
            Step::Type("wait"),
            Step::Type("fg"),
            Step::See("! fg: current: no such job"),
        ],
    );
}

#[test]
fn wait_is_interrupted_and_ends_by_time_and_by_the_first() {
    let server = Server::start(
        Routes::new()
            .model(
                "a",
                Script::ndjson_open([ollama::chat_text("x")])
                    .wait("a")
                    .line(ollama::chat_done("stop", 1))
                    .end_chunks(),
            )
            .model("b", Script::ndjson_open([ollama::chat_text("x")]).stall()),
    );
    play(
        &server,
        Scene::default(),
        [
            Step::Type("@a one &"),
            Step::Type("@b two &"),
            Step::Type("wait"),
            Step::Status("waiting for"),
            CTRL_C,
            Step::See("~ wait: interrupted; the jobs continue"),
            Step::Status("2 running"),
            Step::Type("wait -t 20ms"),
            Step::See("! wait: timed out; 2 jobs have not ended"),
            Step::Type("wait -n"),
            Step::Do(Box::new(|| server.open("a"))),
            Step::See("[1]-  Done"),
            Step::Status("1 running"),
            Step::Type("wait %9"),
            Step::See("! wait: %9: no such job"),
        ],
    );
}

#[test]
fn ctrl_z_and_fg() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Type("one"),
            Step::See("some text"),
            CTRL_Z,
            Step::See("[1]+  Running                 m  \"one\" &"),
            Step::Type("fg"),
            Step::See("m  \"one\"\n<>\nsome text"),
            CTRL_Z,
            Step::See("[1]+  Running"),
            Step::Type("%1"),
            Step::See("some text"),
            open(&server),
            Step::See(" more\n</>"),
            Step::Type("jobs"),
            Step::Type("log %1"),
            Step::See("some text more\n</>"),
        ],
    );
}

#[test]
fn ctrl_c_cancels_the_front_stream_only() {
    let server = stalled();
    let played = play(
        &server,
        Scene::default(),
        [
            Step::Type("behind &"),
            Step::Type("front"),
            Step::See("some text"),
            Step::Type("queued"),
            CTRL_C,
            Step::See("prefill queued"),
            Step::See("Cancelled; 9 characters are kept"),
            CTRL_C,
            CTRL_C,
            Step::Status("1 running"),
        ],
    );
    assert!(!played.shown.contains("[1]+  Cancelled   m \"front\""), "{}", played.shown);
}

#[test]
fn escape_stops_the_front_stream_and_nothing_else() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Press(Input::Escape),
            Step::Type("behind &"),
            Step::Type("front"),
            Step::See("some text"),
            Step::Press(Input::Escape),
            Step::See("Cancelled; 9 characters are kept"),
            Step::Press(Input::Escape),
            Step::Status("1 running"),
        ],
    );
}

#[test]
fn kill_tells_when_it_has_ended() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Type("one &"),
            Step::Type("two &"),
            Step::Status("2 running"),
            Step::Type("kill %1"),
            Step::See("[1]-  Cancelled               m  \"one\""),
            Step::Type("kill -9 %*"),
            Step::See("[2]+  Cancelled               m  \"two\""),
            Step::Type("kill %1"),
            Step::See("! kill: %1: no such job"),
        ],
    );
    for connection in 0..2 {
        assert!(server.wait_for_close(connection, Duration::from_secs(5)).is_some());
    }
}

#[test]
fn ambiguous_and_missing_specs_do_nothing() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Type("@apple1 one &"),
            Step::Type("@apple2 two &"),
            Step::Type("kill %app"),
            Step::See("! kill: app: ambiguous job spec"),
            Step::Type("kill %?two"),
            Step::See("[2]+  Cancelled"),
            Step::Type("kill %zebra"),
            Step::See("! kill: %zebra: no such job"),
            Step::Status("1 running"),
        ],
    );
}

#[test]
fn stop_and_cont() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Type("one &"),
            Step::Status("1 running"),
            Step::Type("stop %1"),
            Step::See("[1]+  Paused                  m  \"one\""),
            Step::Status("1 paused"),
            open(&server),
            Step::Type("bg %1"),
            Step::See("[1]+ m  \"one\" &"),
            Step::Status("1 done"),
            Step::Type("bg %1"),
            Step::See("! bg: job 1 has ended"),
        ],
    );
}

#[test]
fn timeout_moves_the_deadline() {
    let server = stalled();
    let played = play(
        &server,
        Scene::default(),
        [
            Step::Type("one &"),
            Step::Type("timeout %1 1h"),
            Step::See("[1] ends in 60 m"),
            Step::Type("timeout %1 +1h"),
            Step::See("[1] ends in 2 h"),
            Step::Type("timeout %1 none"),
            Step::See("[1] has no deadline"),
            Step::Type("timeout %1 20ms"),
            Step::Status("1 ended"),
            Step::Type("jobs"),
            Step::See("[1]+  Timed out               m  \"one\": its deadline"),
        ],
    );
    assert!(played.shown.contains("Timed out"));
}

#[test]
fn limit_queues_the_rest() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Type("limit 1"),
            Step::See("one job at once"),
            Step::Type("one &"),
            Step::Type("two &"),
            Step::See("[2] m  \"two\"  (queued)"),
            Step::Type("three &"),
            Step::Status("1 running, 2 queued"),
            Step::Type("kill %3"),
            Step::See("[3]+  Cancelled"),
            Step::Type("fg %2"),
            Step::See("some text"),
            CTRL_Z,
            Step::Status("2 running"),
            open(&server),
            Step::Status("2 done"),
            Step::Type("limit none"),
            Step::See("any number"),
        ],
    );
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn notices_come_at_once_with_set_b() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Type("set -b"),
            Step::Type("one &"),
            Step::Status("1 running"),
            open(&server),
            Step::See("[1]+  Done"),
        ],
    );
}

#[test]
fn exit_takes_two_with_live_jobs() {
    let server = stalled();
    let played = play(
        &server,
        Scene { leaves: true, ..Scene::default() },
        [
            Step::Type("one &"),
            Step::Status("1 running"),
            Step::Type("exit"),
            Step::See("There are running jobs."),
            Step::Type("jobs"),
            CTRL_D,
            Step::See("There are running jobs."),
            CTRL_D,
        ],
    );
    assert!(played.shown.ends_with("[1]+  Cancelled               m  \"one\"\n"), "{}", played.shown);
    assert_eq!(played.exit, Exit::Completed);
    assert!(server.wait_for_close(0, Duration::from_secs(5)).is_some());
}

#[test]
fn names_logs_and_json() {
    let server = stalled();
    play(
        &server,
        Scene::default(),
        [
            Step::Type("one &"),
            Step::Type("name %1 draft"),
            Step::Type("log %draft -f"),
            Step::See("some text"),
            open(&server),
            Step::See(" more\n</>"),
            Step::Type("two &"),
            Step::See("[1]-  Done                    draft  \"one\""),
            Step::Type("jobs --json"),
            Step::See("\"number\":2"),
            Step::Type("disown %2"),
            Step::See("! disown: %2 cannot be detached"),
        ],
    );
}

#[test]
fn suspend_and_ctrl_z_with_nothing_to_do() {
    let server = stalled();
    let played = play(
        &server,
        Scene::default(),
        [
            CTRL_Z,
            Step::See("suspended"),
            Step::Type("one &"),
            Step::Status("1 running"),
            CTRL_Z,
            Step::See("~ no stream is in front"),
            Step::Type("suspend"),
            Step::See("suspended"),
        ],
    );
    assert_eq!(played.suspended, 2);
}

#[test]
fn queued_questions_wait_for_the_stream_they_follow_behind_too() {
    let server = stalled();
    let played = play(
        &server,
        Scene::default(),
        [
            Step::Type("one"),
            Step::See("some text"),
            Step::Type("two"),
            CTRL_Z,
            Step::See("[1]+  Running"),
            Step::Status("1 line waits"),
            open(&server),
            Step::See("$ m> two"),
            Step::See("more\n</>"),
        ],
    );
    let second = server.requests()[1].json().unwrap();
    assert_eq!(second["messages"].as_array().unwrap().len(), 3, "{}", played.shown);
}
