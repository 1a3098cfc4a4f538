//! The cost of a streamed record for `towline::Client` and other clients: a million records of about 130 bytes flat out, one
//! HTTP chunk each, read in turn in one run. `Cargo.toml` says how to run it.

#[path = "../../../crates/towline/benches/client/contender.rs"]
mod contender;
#[path = "../../../crates/towline/benches/client/counter.rs"]
#[allow(dead_code, reason = "shared with the client's own bench, which uses the rest")]
mod counter;
#[path = "../../../crates/towline/benches/client/flat.rs"]
mod flat;
#[path = "../../../crates/towline/benches/client/instructions.rs"]
mod instructions;
#[path = "../../../crates/towline/benches/client/measure.rs"]
#[allow(dead_code, reason = "shared with the client's own bench, which uses the rest")]
mod measure;
#[path = "../../../crates/towline/benches/client/peer.rs"]
mod peer;

use std::future::poll_fn;
use std::process::Command;

use ollama_rs::Ollama;
use ollama_rs::generation::chat::ChatMessage;
use ollama_rs::generation::chat::request::ChatMessageRequest;
use serde::Deserialize;

use crate::contender::{CLIENT, COUNTER};
use crate::measure::{nanoseconds, runtime};
use crate::peer::Peer;

const TYPED: &str = "reqwest + serde_json, typed";
const VALUE: &str = "reqwest + serde_json, Value";
const OLLAMA_RS: &str = "ollama-rs 0.3.6";
const CONTENDERS: [&str; 5] = [COUNTER, CLIENT, TYPED, VALUE, OLLAMA_RS];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => peer::serve(),
        ["once", contender, url, shape, records] => {
            once(contender, url, &format!("{shape}:{records}"), records.parse().unwrap());
        }
        ["instructions"] => instructions::compare(&[&contender::CONTENDERS[..], &CONTENDERS[2..]].concat()),
        ["python"] => python(),
        _ => flat::compare(&CONTENDERS, once),
    }
}

/// Reads one whole stream.
fn once(contender: &str, url: &str, model: &str, records: u64) {
    let seen = match contender {
        TYPED => runtime().block_on(by_reqwest::<Typed>(url, model)),
        VALUE => runtime().block_on(by_reqwest::<serde_json::Value>(url, model)),
        OLLAMA_RS => runtime().block_on(by_ollama_rs(url, model)),
        ours => return contender::read(ours, url, model, records),
    };
    assert_eq!(seen, records, "{contender}");
}

/// A record, declared as in a typical program.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "a program would look at all of it")]
struct Typed {
    model: String,
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
fn python() {
    const RECORDS: u64 = 1_000_000;
    const PYTHON_RECORDS: u64 = 100_000;
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv/bin/python");
    let python = std::env::var("TOWLINE_BENCH_PYTHON").unwrap_or_else(|_| venv.to_owned());
    let peer = Peer::start();
    let [floor, ours] = [COUNTER, CLIENT].map(|contender| {
        nanoseconds(measure::cpu_of(contender, &peer.url(), &format!("flat:{RECORDS}"), RECORDS, once), RECORDS)
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ollama_python.py");
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
