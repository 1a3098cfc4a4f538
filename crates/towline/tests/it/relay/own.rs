//! The user's own relay: one with another version is replaced when it is idle.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use towline::relay::{Control, OwnRelay};
use towline::{Client, Config};

use crate::client_support::soon;

/// A relay at the own socket with version 0.0.1, which ends on request unless something runs there. Returns the requests
/// that it got.
fn an_older_relay(own: &OwnRelay, is_idle: bool) -> Arc<Mutex<Vec<String>>> {
    let listener = UnixListener::bind(own.socket()).unwrap();
    let (asked, socket) = (Arc::new(Mutex::new(Vec::new())), own.socket());
    let requests = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            if stream.read_line(&mut line).unwrap() == 0 {
                continue;
            }
            requests.lock().unwrap().push(line.split(' ').nth(1).unwrap().to_owned());
            let is_shutdown = line.contains("/shutdown");
            loop {
                let mut header = String::new();
                stream.read_line(&mut header).unwrap();
                if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if header.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let (status, body) = match (is_shutdown, is_idle) {
                (false, _) => ("200 OK", r#"{"version":"0.0.1"}"#),
                (true, true) => ("202 Accepted", "{}"),
                (true, false) => {
                    ("409 Conflict", r#"{"error":{"code":"conflict","message":"1 answers run"}}"#)
                }
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if is_shutdown && is_idle {
                std::fs::remove_file(&socket).unwrap();
                return;
            }
        }
    });
    asked
}

#[tokio::test]
async fn a_relay_of_another_version_is_replaced_when_nothing_runs_there() {
    for is_idle in [true, false] {
        let base = tempfile::tempdir().unwrap();
        let own = OwnRelay::find(Some(base.path()), base.path()).unwrap();
        let asked = an_older_relay(&own, is_idle);
        let control = Control::new(Client::with_config(own.endpoint(), Config::default()).unwrap());
        // Its replacement ends at once, and the error says so.
        let ensured = soon(own.ensure(Path::new("/bin/true"), &control)).await;
        assert_eq!(*asked.lock().unwrap(), ["/towline/v1/version", "/towline/v1/shutdown"]);
        match is_idle {
            true => assert!(ensured.unwrap_err().to_string().contains("ended at once")),
            false => ensured.unwrap(),
        }
    }
}
