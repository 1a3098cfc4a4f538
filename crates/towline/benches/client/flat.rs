//! (a) One stream flat out: a million records of about 130 bytes, one HTTP chunk each.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use ollama_rs::Ollama;
use ollama_rs::generation::chat::ChatMessage;
use ollama_rs::generation::chat::request::ChatMessageRequest;
use serde::Deserialize;
use towline::{ChatRequest, Client, Event, Item};

use crate::measure::{median, nanoseconds, runtime, thread_cpu};
use crate::peer::Peer;
use crate::{counter, first_event};

const RECORDS: u64 = 1_000_000;
const ROUNDS: usize = 5;

pub(crate) const COUNTER: &str = "newline counter";
pub(crate) const CLIENT: &str = "towline Client";
pub(crate) const CONTENDERS: [&str; 5] =
    [COUNTER, CLIENT, "reqwest + serde_json, typed", "reqwest + serde_json, Value", "ollama-rs 0.3.6"];

/// A request of one record on a new connection.
pub(crate) const COLD_COUNTER: &str = "newline counter, cold";
pub(crate) const COLD_CLIENT: &str = "towline Client, cold";

pub(crate) fn run() {
    let peer = Peer::start();
    let mut times = vec![Vec::new(); CONTENDERS.len()];
    for _ in 0..ROUNDS {
        for (contender, times) in CONTENDERS.iter().zip(&mut times) {
            times.push(cpu_of(contender, &peer.url(), RECORDS));
        }
    }
    println!("| {RECORDS} records flat out | CPU ns a record | × counter |\n|---|---|---|");
    let floor = nanoseconds(median(&mut times[0]), RECORDS);
    for (contender, times) in CONTENDERS.iter().zip(&mut times) {
        let each = nanoseconds(median(times), RECORDS);
        println!("| {contender} | {each:.0} | {:.1} |", each / floor);
    }
}

fn cpu_of(contender: &str, url: &str, records: u64) -> Duration {
    let before = thread_cpu();
    once(contender, url, records);
    thread_cpu() - before
}

/// Reads one whole stream.
pub(crate) fn once(contender: &str, url: &str, records: u64) {
    let model = format!("flat:{records}");
    let seen = runtime().block_on(async {
        match contender {
            COUNTER => {
                let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
                counter::count(&mut counter::connect(address).await, &model).await - 1
            }
            CLIENT => by_client(url, &model).await,
            "reqwest + serde_json, typed" => by_reqwest::<Typed>(url, &model).await,
            "reqwest + serde_json, Value" => by_reqwest::<serde_json::Value>(url, &model).await,
            "ollama-rs 0.3.6" => by_ollama_rs(url, &model).await,
            COLD_COUNTER => {
                let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
                for _ in 0..records {
                    counter::count(&mut counter::connect(address).await, "flat:1").await;
                }
                records
            }
            COLD_CLIENT => {
                let client = first_event::client(url, false);
                for _ in 0..records {
                    assert!(
                        client.chat(ChatRequest::new("flat:1").user("Hi")).collect().await.is_completed()
                    );
                }
                records
            }
            other => panic!("{other} is not known"),
        }
    });
    assert_eq!(seen, records, "{contender}");
}

async fn by_client(url: &str, model: &str) -> u64 {
    let mut stream = Client::new(url).unwrap().chat(ChatRequest::new(model).user("Hi"));
    let mut texts = 0;
    while let Some(item) = stream.next().await {
        match item {
            Item::Event(Event::Text(text)) => texts += u64::from(!text.is_empty()),
            Item::Event(_) => {}
            Item::End(outcome) => assert!(outcome.is_completed()),
        }
    }
    texts
}

/// A record as a program would declare it.
#[derive(Debug, Deserialize)]
struct Typed {
    #[expect(dead_code, reason = "a program would look at it")]
    model: String,
    #[expect(dead_code, reason = "a program would look at it")]
    created_at: String,
    message: TypedMessage,
    done: bool,
}

#[derive(Debug, Deserialize)]
struct TypedMessage {
    #[expect(dead_code, reason = "a program would look at it")]
    role: String,
    content: String,
}

trait Record {
    /// Its text; `None` for the last record.
    fn text(&self) -> Option<&str>;
}

impl Record for Typed {
    fn text(&self) -> Option<&str> {
        (!self.done).then_some(&self.message.content)
    }
}

impl Record for serde_json::Value {
    fn text(&self) -> Option<&str> {
        if self["done"] == true { None } else { self["message"]["content"].as_str() }
    }
}

async fn by_reqwest<R: Record + for<'de> Deserialize<'de>>(url: &str, model: &str) -> u64 {
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hi"}}]}}"#);
    let mut response =
        reqwest::Client::new().post(format!("{url}/api/chat")).body(body).send().await.unwrap();
    let (mut buffer, mut texts) = (Vec::new(), 0);
    while let Some(bytes) = response.chunk().await.unwrap() {
        buffer.extend_from_slice(&bytes);
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[start..]) {
            let record: R = serde_json::from_slice(&buffer[start..start + length]).unwrap();
            texts += u64::from(record.text().is_some_and(|text| !text.is_empty()));
            start += length + 1;
        }
        buffer.drain(..start);
    }
    texts
}

async fn by_ollama_rs(url: &str, model: &str) -> u64 {
    let (host, port) = url.rsplit_once(':').unwrap();
    let ollama = Ollama::builder().host(host).port(port.parse().unwrap()).build();
    let request = ChatMessageRequest::new(model.to_owned(), vec![ChatMessage::user("Hi".to_owned())]);
    let mut stream = Box::pin(ollama.send_chat_messages_stream(request).await.unwrap());
    let mut texts = 0;
    while let Some(record) = poll_fn(|cx| futures_core::Stream::poll_next(stream.as_mut(), cx)).await {
        let record = record.unwrap();
        texts += u64::from(!record.done && !record.message.content.is_empty());
    }
    texts
}

/// ollama-python in a Python with the package `ollama`: the one in `target/venv`, or the one `TOWLINE_BENCH_PYTHON` names.
pub(crate) fn python() {
    const PYTHON_RECORDS: u64 = 100_000;
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv/bin/python");
    let python = std::env::var("TOWLINE_BENCH_PYTHON").unwrap_or_else(|_| venv.to_owned());
    let peer = Peer::start();
    let floor = nanoseconds(cpu_of(COUNTER, &peer.url(), RECORDS), RECORDS);
    let ours = nanoseconds(cpu_of(CLIENT, &peer.url(), RECORDS), RECORDS);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/client/ollama_python.py");
    let output = Command::new(&python).args([script, &peer.url(), &PYTHON_RECORDS.to_string()]).output();
    let said = match output {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        Ok(output) => return println!("skipped: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => return println!("skipped: {python} cannot be run: {error}"),
    };
    let each: f64 = said.trim().parse().unwrap();
    println!("| flat out | CPU ns a record | × counter | × Client |\n|---|---|---|---|");
    println!("| {COUNTER} | {floor:.0} | 1.0 | |");
    println!("| {CLIENT} | {ours:.0} | {:.1} | 1.0 |", ours / floor);
    println!(
        "| ollama-python, {PYTHON_RECORDS} records | {each:.0} | {:.0} | {:.0} |",
        each / floor,
        each / ours
    );
}
