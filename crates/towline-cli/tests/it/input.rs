//! What is sent for what is typed and piped; and what is wrong with what was typed.

use std::process::Stdio;

use serde_json::{Value, json};
use towline_testkit::records::ollama::chat;
use towline_testkit::{Script, Server};

use crate::program::{Live, SOON, ended, ended_with_input, run, towline};

fn server() -> Server {
    Server::start(Script::ndjson(chat(&["ok"])))
}

fn body(server: &Server) -> Value {
    server.wait_for_request(1, SOON).unwrap().json().unwrap()
}

#[test]
fn everything_typed_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.png");
    std::fs::write(&image, b"\x89PNG").unwrap();
    let schema = folder.path().join("s.json");
    std::fs::write(&schema, r#"{"type":"object"}"#).unwrap();
    let (image, schema) = (image.to_str().unwrap(), schema.to_str().unwrap());
    let server = server();
    let options = [
        "--system",
        "Be terse.",
        "-o",
        "temperature=0.2",
        "-o",
        "stop=a",
        "-o",
        "stop=b",
        "--image",
        image,
        "--format",
        schema,
        "--think",
        "high",
        "what",
        "is",
    ];
    let ended = ended(&mut run(&server.url(), &options));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "ok", ""));
    assert_eq!(
        body(&server),
        json!({
            "model": "m",
            "messages": [
                { "role": "system", "content": "Be terse." },
                { "role": "user", "content": "what is hi", "images": ["iVBORw=="] },
            ],
            "format": { "type": "object" },
            "think": "high",
            "options": { "temperature": 0.2, "stop": ["a", "b"] },
            "stream": true,
        })
    );
}

#[test]
fn think_does_not_swallow_the_prompt() {
    let server = server();
    ended(&mut towline(["run", "--host", &server.url(), "-m", "m", "--think", "Why?"]));
    let body = body(&server);
    assert_eq!((&body["think"], &body["messages"][0]["content"]), (&json!(true), &json!("Why?")));
}

#[test]
fn standard_input_is_the_prompt_or_follows_it() {
    for (words, content) in [(&[][..], "piped\nlines"), (&["Sum up:"][..], "Sum up:\n\npiped\nlines")] {
        let server = server();
        let url = server.url();
        let arguments = ["run", "--host", &url, "-m", "m"].into_iter().chain(words.iter().copied());
        let ended = ended_with_input(&mut towline(arguments), b"piped\nlines\n");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(body(&server)["messages"][0]["content"], content);
    }
}

#[test]
fn a_pipe_that_stays_open_does_not_keep_a_cancelled_program() {
    let server = server();
    let mut command = run(&server.url(), &[]);
    let live = Live::start(command.stdin(Stdio::piped()));
    // It may not have its handler yet, and then dies of the signal: both are an end.
    live.signal(rustix::process::Signal::TERM);
    let mut live = live;
    let stdin = live.child.stdin.take();
    let ended = live.finish();
    assert!(matches!(ended.code, Some(143) | None), "{ended:?}");
    drop(stdin);
}

#[test]
fn wrong_use_says_what_is_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (list, broken) = (file("list.json", "[1]"), file("broken.json", "{"));
    let missing = folder.path().join("missing.png").to_str().unwrap().to_owned();
    let cases: &[(&[&str], &[&str])] = &[
        (&["run"], &["there is no prompt", "hint: towline run \"What is a river?\""]),
        (&["run", "-o", "heat=1", "x"], &["no option \"heat\"", "temperature"]),
        (&["run", "-o", "seed=many", "x"], &["takes a whole number"]),
        (&["run", "-o", "seed", "x"], &["key=value"]),
        (&["run", "--image", &missing, "x"], &[&missing, "cannot be read"]),
        (&["run", "--format", &list, "x"], &[&list, "not a JSON schema"]),
        (&["run", "--format", &broken, "x"], &[&broken, "is not JSON"]),
        (&["run", "--think=much", "x"], &["low, medium, high and max"]),
        (&["run", "--timeout", "soon", "x"], &["30s, 1m30s, 500ms or none"]),
        (&["run", "--idle-timeout", "0s", "x"], &["no limit is none"]),
        (&["run", "--host", "ftp://x", "x"], &["--host does not name a server", "unix:/"]),
        (&["run", "--host", "u:secret@x", "x"], &["credentials", "OLLAMA_API_KEY"]),
        (&["run", "--frobnicate", "x"], &["unexpected argument '--frobnicate'"]),
        (&["run", "--time", "1s", "x"], &["--timeout"]),
        (&["rnu", "x"], &["unrecognized subcommand 'rnu'", "run"]),
        (&["What is a river?"], &["hint: a prompt goes behind run: towline run \"What is a river?\""]),
        (&["completions", "tcsh"], &["bash", "zsh", "fish"]),
        (&["pull"], &["MODEL"]),
    ];
    for (arguments, parts) in cases {
        let ended = ended(&mut towline(*arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        for part in *parts {
            assert!(ended.stderr.contains(part), "{arguments:?}: {part:?} is not in {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
}

#[test]
fn input_that_is_no_text_is_refused() {
    let ended = ended_with_input(&mut towline(["run", "-m", "m", "--host", "127.0.0.1:1"]), b"abc\xff");
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("not UTF-8 text (byte 3)"), "{ended:?}");
    assert!(ended.stderr.contains("--image"), "{ended:?}");
}
