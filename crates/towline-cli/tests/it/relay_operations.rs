//! A relay's output for its operators: the log of its requests, without their contents, and systemd's notifications.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};

use serde_json::Value;
use towline_testkit::paced::PacedServer;

use crate::program::{SOON, ended, towline};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The status of a request with this token.
fn ask(address: &str, token: &str, method: &str, target: &str, headers: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn started(config: &str, folder: &std::path::Path) -> (Child, String) {
    let file = folder.join("relay.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = towline(["relay", "--config", file.to_str().unwrap()]);
    command
        .env("XDG_RUNTIME_DIR", folder)
        .env("NOTIFY_SOCKET", folder.join("notify"))
        .env("WATCHDOG_USEC", "100000");
    command.stdout(Stdio::piped());
    let mut child = command.stderr(File::create(folder.join("log")).unwrap()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address =
        lines.find_map(|line| line.unwrap().strip_prefix("listening on http://").map(str::to_owned));
    (child, address.unwrap())
}

#[test]
fn requests_are_audited_without_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let server = PacedServer::start();
    let config = format!(
        "listen = [\"127.0.0.1:0\"]\n[[upstream]]\nurl = \"{}\"\n[[token]]\nowner = \"ann\"\nsecret = \"{TOKEN}\"\n\
         [store]\nfolder = \"memory\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n",
        server.url()
    );
    let (mut child, address) = started(&config, folder.path());
    let body = r#"{"model":"paced:50:1000000","messages":[{"role":"user","content":"a secret hush"}]}"#;
    let detached = ask(&address, TOKEN, "POST", "/api/chat", "Towline-Detach: true\r\n", body);
    let id = detached.rsplit("/streams/").next().unwrap().trim_end_matches(['"', '}', '\n']).to_owned();
    ask(&address, TOKEN, "POST", "/towline/v1/jobs/a-secret-hush/cancel", "", "");
    ask(&address, TOKEN, "GET", "/towline/v1/jobs?text=hush", "", "");
    ask(&address, TOKEN, "DELETE", "/towline/v1/jobs/a-secret-hush", "", "");
    assert!(
        ask(&address, "hush-of-somebody-else", "POST", "/api/chat", "", body).starts_with("HTTP/1.0 401")
    );
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap();

    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("hush"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let logged = |log: &str| -> Vec<String> {
        let of = lines.iter().filter(|line| line["log"] == log);
        of.map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            assert_eq!(line["peer"], "127.0.0.1", "{line}");
            // 202 while it is cancelling, 200 once it is cancelled.
            let status = line["status"].to_string().replace("202", "200");
            format!("{} {} {} {status}", text("owner"), text("method"), text("path"))
        })
        .collect()
    };
    assert_eq!(
        logged("audit"),
        [
            "ann POST /api/chat 200".to_owned(),
            format!("ann POST /towline/v1/jobs/{id}/cancel 200"),
            format!("ann DELETE /towline/v1/jobs/{id} 204"),
            "- POST /api/chat null".to_owned(),
        ],
        "{log}"
    );
    assert_eq!(logged("access"), ["ann GET /towline/v1/jobs 200", "- POST /api/chat 401"]);
}

#[test]
fn systemd_hears_that_it_is_ready_alive_reloading_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let systemd = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    systemd.set_read_timeout(Some(SOON)).unwrap();
    // Waits for a message with this prefix; those of the watchdog come between all others.
    let hears = |start: &str| {
        let mut message = [0; 200];
        while {
            let length = systemd.recv(&mut message).unwrap();
            !message[..length].starts_with(start.as_bytes())
        } {}
    };
    let config = "listen = [\"127.0.0.1:0\"]\n[[upstream]]\nurl = \"http://127.0.0.1:9\"\n[store]\nfolder = \"memory\"\n";
    let (mut child, _address) = started(config, folder.path());
    let pid = rustix::process::Pid::from_child(&child);
    hears("READY=1");
    hears("WATCHDOG=1");
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    hears("RELOADING=1");
    hears("READY=1");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    hears("STOPPING=1");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_token_that_is_made_lets_its_owner_in() {
    let folder = tempfile::tempdir().unwrap();
    let made = ended(&mut towline([
        "relay",
        "token",
        "new",
        "ann \"b\"",
        "--role",
        "read",
        "--expires",
        "2999-12-31",
    ]));
    assert_eq!(made.code, Some(0), "{made:?}");
    let secret = made.stderr.trim().rsplit(' ').next().unwrap();
    assert!(!made.stdout.contains(secret) && made.stdout.contains("secret_sha256 = \""), "{made:?}");
    let config = "listen = [\"127.0.0.1:0\"]\n[[upstream]]\nurl = \"http://127.0.0.1:9\"\n[store]\nfolder = \"memory\"\n";
    let (mut child, address) = started(&format!("{config}{}", made.stdout), folder.path());
    assert!(ask(&address, secret, "GET", "/towline/v1/jobs", "", "").starts_with("HTTP/1.0 200"));
    assert!(ask(&address, secret, "POST", "/api/chat", "", "{}").starts_with("HTTP/1.0 403"));
    child.kill().unwrap();
    child.wait().unwrap();
    for wrong in [&["--role", "reed"][..], &["--expires", "tomorrow"]] {
        let refused = ended(&mut towline(["relay", "token", "new", "ann"].iter().chain(wrong)));
        assert!(refused.code == Some(2) && refused.stdout.is_empty(), "{refused:?}");
    }
}
