//! `towline relay`: start, kill, restart.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout};

use serde_json::Value;
use towline_testkit::paced::PacedServer;

use crate::program::{SOON, ended, towline};

/// A relay in its own process, and its address.
struct Relay {
    child: Child,
    address: String,
    _stdout: BufReader<ChildStdout>,
}

impl Relay {
    fn start(upstream: &str, folder: &Path, fsync: &str) -> Self {
        let store = folder.join("store");
        let arguments = [
            "relay",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            upstream,
            "--store",
            store.to_str().unwrap(),
            "--fsync",
            fsync,
            "--log",
            "warn",
        ];
        let mut command = towline(arguments);
        command
            .env("XDG_RUNTIME_DIR", folder)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the relay does not listen");
            if let Some(address) = line.trim().strip_prefix("listening on http://") {
                break address.to_owned();
            }
        };
        Self { child, address, _stdout: stdout }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a question, and returns the connection for the answer.
    fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> BufReader<TcpStream> {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.0\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = BufReader::new(socket);
        let mut line = String::new();
        while answer.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        answer
    }

    fn text(&self, method: &str, target: &str, headers: &str, body: &str) -> String {
        let mut text = String::new();
        self.ask(method, target, headers, body).read_to_string(&mut text).unwrap();
        text
    }

    fn detached(&self, model: &str) -> String {
        let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
        let answer = self.text("POST", "/api/chat", "Towline-Detach: true\r\n", &body);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }
}

/// Kills a relay repeatedly in the middle of its streams: everything that a reader had seen is there, at the same offsets, and
/// every stream ends with a record that says what happened.
fn restarts(times: usize, fsync: &str) {
    const STREAMS: usize = 10;
    let server = PacedServer::start();
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Relay::start(&server.url(), folder.path(), fsync);
    for round in 0..times {
        let ids: Vec<String> = (0..STREAMS).map(|_| relay.detached("paced:2000:1000000")).collect();
        let appended = relay.ask(
            "PUT",
            &format!("/streams/own-{round}"),
            "Content-Type: text/plain\r\n",
            "acknowledged",
        );
        drop(appended);
        let mut readers: Vec<_> =
            ids.iter().map(|id| relay.ask("GET", &format!("/streams/{id}?live=raw"), "", "")).collect();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for reader in &mut readers {
            let mut some = vec![0; 3000 + 500 * (round % 7)];
            reader.read_exact(&mut some).unwrap();
            seen.push(some);
        }
        relay.kill();
        for (reader, seen) in readers.iter_mut().zip(&mut seen) {
            // The bytes from before the kill; a reset may follow them.
            let _how_it_ended = reader.read_to_end(seen);
        }
        relay = Relay::start(&server.url(), folder.path(), fsync);
        for (id, seen) in ids.iter().zip(seen) {
            let log = relay.text("GET", &format!("/streams/{id}?live=raw"), "", "");
            assert!(
                log.as_bytes().starts_with(&seen),
                "round {round}: {} of {} bytes",
                seen.len(),
                log.len()
            );
            let lines: Vec<&str> = log.lines().collect();
            let (last, records) = lines.split_last().unwrap();
            let last: Value = serde_json::from_str(last).unwrap();
            assert_eq!(last["towline"]["outcome"], "interrupted", "round {round}");
            let whole = records.iter().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
            assert!(whole + 1 >= records.len(), "round {round}: only the last record may be cut");
            let job = relay.text("GET", &format!("/towline/v1/jobs/{id}"), "", "");
            assert!(job.contains("\"state\":\"interrupted\""), "{job}");
        }
        assert_eq!(relay.text("GET", &format!("/streams/own-{round}"), "", ""), "acknowledged");
    }
    relay.kill();
}

#[test]
fn what_a_reader_saw_survives_kill_9() {
    restarts(20, "1s");
}

#[test]
fn what_a_reader_saw_survives_kill_9_with_fsync_always() {
    restarts(5, "always");
}

#[test]
fn what_cannot_be_relayed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    let refused = |config: &str| {
        std::fs::write(&file, config).unwrap();
        let mut command = towline(["relay", "--config", file.to_str().unwrap()]);
        ended(command.env("XDG_RUNTIME_DIR", folder.path()).env("XDG_STATE_HOME", folder.path()))
    };
    let upstream = "[[upstream]]\nurl = \"http://127.0.0.1:9\"\n";
    let open = refused(&format!("listen = [\"0.0.0.0:0\"]\n{upstream}"));
    assert_eq!(open.code, Some(2), "{open:?}");
    assert!(open.stderr.contains("needs a token and TLS"), "{open:?}");
    let easy = refused(&format!(
        "listen = [\"127.0.0.1:0\"]\n{upstream}[[token]]\nowner = \"ann\"\nsecret = \"hush\"\n"
    ));
    assert!(easy.stderr.contains("too weak") && !easy.stderr.contains("hush"), "{easy:?}");
    let never = refused(&format!("listen = [\"127.0.0.1:0\"]\n{upstream}[limits]\nrunning = 0\n"));
    assert!(never.code == Some(2) && never.stderr.contains("limits.running is 0"), "{never:?}");
    let wrong = refused("lisen = []\n");
    assert!(wrong.stderr.contains("line 1") && wrong.stderr.contains("lisen"), "{wrong:?}");
    let upstream = ended(&mut towline([
        "relay",
        "--upstream",
        "exa mple",
        "--listen",
        "127.0.0.1:0",
        "--store",
        "memory",
    ]));
    assert_eq!(upstream.code, Some(2), "{upstream:?}");
}
