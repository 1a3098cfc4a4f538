use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;
use towline_testkit::{
    Server,
    fakemodel::{self, Scenario},
    paced::PacedServer,
};

use crate::client::{Client, End};

/// The received part of a chunked answer, and how the connection ended, if it did.
struct Answer {
    head: String,
    body: String,
    end: Option<End>,
}

impl Answer {
    /// Records or events, `data: ` removed.
    fn records(&self) -> Vec<Value> {
        let lines = self.body.lines().map(|line| line.trim_start_matches("data: "));
        lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn text(&self, pointer: &str) -> String {
        self.records()
            .iter()
            .filter_map(|record| Some(record.pointer(pointer)?.as_str()?.to_owned()))
            .collect()
    }
}

fn ask(path: &str, model: &str) -> Answer {
    let server = Server::start(fakemodel::plan());
    let request =
        format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"a b c"}}]}}"#);
    let mut client = Client::connect(&server);
    let head = client.post(path, &request).head();
    let is_chunked = head.contains("Transfer-Encoding: chunked");
    let (body, end) = if is_chunked { client.chunks() } else { (String::new(), None) };
    Answer { head, body, end }
}

const CHAT: &str = "/message/content";
const OPENAI: &str = "/choices/0/delta/content";

#[test]
fn a_normal_stream_is_whole_in_every_dialect() {
    let sentence = "A river is a stream of water that runs to the sea. ";
    for (path, pointer) in
        [("/api/chat", CHAT), ("/api/generate", "/response"), ("/v1/chat/completions", OPENAI)]
    {
        let answer = ask(path, "normal");
        assert_eq!(answer.text(pointer), sentence, "{path}");
        assert_eq!(answer.end, None, "{path}: the connection stays");
        assert_eq!(answer.records()[0]["model"], "normal");
    }
    let chat = ask("/api/chat", "normal").records();
    assert_eq!(chat.last().unwrap()["done"], true);
    assert!(ask("/v1/chat/completions", "normal").body.ends_with("data: [DONE]\n\n"));
    assert_eq!(ask("/api/pull", "normal").records().last().unwrap()["status"], "success");
}

#[test]
fn cut_streams_are_cut_where_they_should_be() {
    let truncated = ask("/api/chat", "truncate-after:5");
    assert_eq!((truncated.records().len(), truncated.end), (5, None));
    let closed = ask("/api/chat", "close-after:5");
    assert_eq!((closed.records().len(), closed.end), (5, Some(End::Fin)));
    let reset = ask("/api/chat", "reset-after:0");
    assert_eq!(reset.end, Some(End::Reset));
    let half = ask("/api/chat", "half-line");
    assert_eq!((half.records().len(), half.body.ends_with('\n')), (3, false));
    let failed = ask("/api/chat", "error-after:2");
    assert!(failed.records()[2]["error"].as_str().unwrap().contains("crashed"));
    let failed = ask("/v1/chat/completions", "error-after:2");
    assert!(failed.body.contains(r#"{"error":{"code":500"#) && !failed.body.contains("[DONE]"));
    assert_eq!(ask("/api/chat", "empty").body, "");
}

#[test]
fn other_scenarios_do_what_they_say() {
    assert!(ask("/api/chat", "error-status:503").head.starts_with("HTTP/1.1 503 "));
    assert!(ask("/api/chat", "nothing").head.starts_with("HTTP/1.1 404 "));
    assert!(ask("/api/chat", "html").head.contains("text/html"));
    assert_eq!(ask("/api/chat", "echo").text(CHAT), "a b c");
    assert_eq!(ask("/api/chat", "words:30").records().len(), 31);
    assert_eq!(ask("/api/chat", "slow:1000:7").records().len(), 8);
    assert_eq!(ask("/api/chat", "waits:0.01").records().len(), 13);
    assert_eq!(ask("/api/chat", "length").records().last().unwrap()["done_reason"], "length");
    assert!(ask("/api/chat", "long-line:1MB").text(CHAT).len() == 1_000_000);
    assert!(ask("/api/chat", "flood:1MB").body.len() >= 900_000);
    assert_eq!(ask("/api/chat", "thinking").text("/message/thinking"), "The user asks about rivers.");
    let tools = ask("/api/chat", "tools").records();
    assert_eq!(tools[1]["message"]["tool_calls"][0]["function"]["name"], "get_weather");
    let arguments =
        ask("/v1/chat/completions", "tools").text("/choices/0/delta/tool_calls/0/function/arguments");
    assert_eq!(arguments, r#"{"city":"Oslo","days":3}{"zone":"UTC"}"#);
}

#[test]
fn an_answer_may_come_whole() {
    let server = Server::start(fakemodel::plan());
    let mut client = Client::connect(&server);
    client.post("/api/chat", r#"{"model":"normal","stream":false}"#).head();
    client.expect(r#"{"model":"normal","#);
    let mut client = Client::connect(&server);
    client.post("/v1/chat/completions", r#"{"model":"normal"}"#).head();
    client.expect(r#"{"id":"chatcmpl-1","object":"chat.completion","model":"normal""#);
}

#[test]
fn models_are_listed_and_every_listed_name_is_one() {
    let server = Server::start(fakemodel::plan());
    let mut client = Client::connect(&server);
    client.get("/api/tags").head();
    client.expect(r#"{"models":[{"name":"normal","#);
    for name in Scenario::EXAMPLES {
        assert!(name.parse::<Scenario>().is_ok(), "{name}");
    }
    for name in ["", "normal:1", "slow", "slow:0", "slow:-1", "slow:1:2:3", "flood:1XB", "waits:-1"] {
        assert!(name.parse::<Scenario>().is_err(), "{name}");
    }
}

#[test]
fn the_program_serves_and_ends_with_its_parent() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_fakemodel"))
        .arg("--until-stdin-closes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
    assert!(Client::to(addr).get("/").head().starts_with("HTTP/1.1 200 "));
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
}

#[test]
fn paced_streams_run_side_by_side_on_one_thread() {
    let server = PacedServer::start();
    let mut clients: Vec<Client> = (0..200).map(|_| Client::to(server.addr())).collect();
    for round in 0..2 {
        for (nth, client) in clients.iter_mut().enumerate() {
            let model = ["paced:500:20", "stamped:1000:20", "flat:5000"][(nth + round) % 3];
            client.post("/api/chat", &format!(r#"{{"model":"{model}"}}"#));
        }
        for (nth, client) in clients.iter_mut().enumerate() {
            client.head();
            let (body, end) = client.chunks();
            let records = [21, 21, 5001][(nth + round) % 3];
            assert_eq!((body.lines().count(), end), (records, None));
            let last: Value = serde_json::from_str(body.lines().last().unwrap()).unwrap();
            assert_eq!(last["eval_count"], records - 1);
        }
    }
    assert!(clients[0].post("/", r#"{"model":"other"}"#).head().starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_stamp_is_the_time_of_writing() {
    let server = PacedServer::start();
    let mut client = Client::to(server.addr());
    let unix_ns = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let before = unix_ns();
    client.post("/api/chat", r#"{"model":"stamped:100:3"}"#).head();
    let (body, _) = client.chunks();
    let answer = Answer { head: String::new(), body, end: None };
    let stamps: Vec<u128> =
        answer.text(CHAT).split_whitespace().map(|stamp| stamp.parse().unwrap()).collect();
    assert!(stamps.len() == 3 && stamps.is_sorted());
    assert!(before <= stamps[0] && stamps[2] <= unix_ns());
    assert!(stamps[2] - stamps[0] >= 10_000_000);
}
