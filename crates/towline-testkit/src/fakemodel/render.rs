//! Scenarios as scripts, in each dialect.

use serde_json::{Value, json};

use super::Scenario;
use crate::{
    http::{self, Request},
    records::{ollama, openai},
    script::{Body, Framing, Pace, Script},
};

/// What the endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Chat,
    Generate,
    Pull,
    OpenAi,
}

/// A piece of the answer: one record.
enum Part {
    Text(String),
    Thinking(&'static str),
    Tool { id: &'static str, name: &'static str, arguments: Value },
}

const PASSAGE: &str = "A river is a stream of water that runs to the sea. ";
const CRASH: &str = "an error was encountered while running the model: the fake runner has crashed";
const DIGEST: &str = "sha256:8eeb52dfb3bb9aefdf9d1ef24b3bdbcfbe82238798c4b918278320b6fcef18fe";

pub(super) fn script(scenario: &Scenario, dialect: Dialect, request: &Request) -> Script {
    let body = request.json().unwrap_or_default();
    let streams = body["stream"].as_bool().unwrap_or(dialect != Dialect::OpenAi);
    let answer = Answer { dialect, model: request.model().unwrap_or_default() };
    if streams { answer.stream(scenario, &body) } else { answer.whole(scenario, &body) }
}

struct Answer {
    dialect: Dialect,
    model: String,
}

impl Answer {
    fn stream(&self, scenario: &Scenario, body: &Value) -> Script {
        let parts = parts(scenario, body);
        let count = parts.len();
        let records = || parts.iter().map(|part| self.part(part));
        let open = || self.open().pieces(records(), Framing::Chunked, Pace::FlatOut);
        match scenario {
            Scenario::Normal
            | Scenario::Words(_)
            | Scenario::Echo
            | Scenario::Thinking
            | Scenario::Unicode
            | Scenario::LongLine { .. } => open().then(self.end("stop", count)),
            Scenario::Tools if self.dialect == Dialect::OpenAi => open().then(self.end("tool_calls", count)),
            Scenario::Tools => open().then(self.end("stop", count)),
            Scenario::Length => open().then(self.end("length", count)),
            Scenario::Slow { per_second, .. } => self
                .open()
                .pieces(records(), Framing::Chunked, Pace::per_second(*per_second))
                .then(self.end("stop", count)),
            Scenario::Waits(time) => {
                let silent = Script::request().pieces(["", ""], Framing::Raw, Pace::Every(*time));
                silent.then(open().without_request()).then(self.end("stop", count))
            }
            Scenario::StallAfter(_) => open().stall(),
            Scenario::TruncateAfter(_) | Scenario::Empty => open().end_chunks(),
            Scenario::CloseAfter(_) => open().close(),
            Scenario::ResetAfter(_) => open().reset(),
            Scenario::ErrorAfter(_) => open().chunk(self.frame(self.error())).end_chunks(),
            Scenario::ErrorStatus(status) => self.refusal(*status),
            Scenario::HalfLine => {
                let next = self.part(&Part::Text(PASSAGE.to_owned()));
                open().chunk(&next[..next.len() / 2]).end_chunks()
            }
            Scenario::NeverAnswers => Script::request().stall(),
            Scenario::HangAfterDone => {
                open().pieces(self.last("stop", count), Framing::Chunked, Pace::FlatOut).stall()
            }
            Scenario::Flood { bytes } => {
                let record = http::chunk(self.part(&Part::Text(PASSAGE.to_owned())));
                let piece = record.repeat((64 * 1024 / record.len()).max(1));
                self.open().flood(piece, *bytes).then(self.end("stop", count))
            }
            Scenario::Html => {
                let page =
                    "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>nginx</body>\n</html>\n";
                Script::respond(200, "text/html", page)
            }
        }
    }

    /// The answer to a request that did not ask for a stream.
    fn whole(&self, scenario: &Scenario, body: &Value) -> Script {
        match scenario {
            Scenario::ErrorStatus(status) => return self.refusal(*status),
            Scenario::ErrorAfter(_) => return self.refusal(500),
            Scenario::StallAfter(_) | Scenario::NeverAnswers => return Script::request().stall(),
            Scenario::ResetAfter(_) => return Script::request().reset(),
            Scenario::Waits(_)
            | Scenario::Html
            | Scenario::TruncateAfter(_)
            | Scenario::CloseAfter(_)
            | Scenario::HalfLine
            | Scenario::Empty
            | Scenario::HangAfterDone
            | Scenario::Flood { .. }
            | Scenario::Normal
            | Scenario::Words(_)
            | Scenario::Slow { .. }
            | Scenario::Echo
            | Scenario::Thinking
            | Scenario::Tools
            | Scenario::Unicode
            | Scenario::Length
            | Scenario::LongLine { .. } => {}
        }
        let parts = parts(scenario, body);
        let text: String = parts.iter().filter_map(Part::text).collect();
        let reason = if *scenario == Scenario::Length { "length" } else { "stop" };
        let json = match self.dialect {
            Dialect::Chat | Dialect::Generate | Dialect::Pull => {
                let done = match self.dialect {
                    Dialect::Chat => ollama::chat_done(reason, parts.len() as u64),
                    Dialect::Generate => ollama::generate_done(reason, parts.len() as u64),
                    Dialect::Pull | Dialect::OpenAi => ollama::status("success"),
                };
                let mut record: Value = serde_json::from_str(&done).unwrap_or_default();
                match self.dialect {
                    Dialect::Chat => record["message"]["content"] = json!(text),
                    Dialect::Generate => record["response"] = json!(text),
                    Dialect::Pull | Dialect::OpenAi => {}
                }
                record.to_string()
            }
            Dialect::OpenAi => json!({
                "id": "chatcmpl-1", "object": "chat.completion", "model": "m",
                "choices": [{
                    "index": 0, "finish_reason": reason, "message": { "role": "assistant", "content": text },
                }],
                "usage": { "prompt_tokens": 12, "completion_tokens": parts.len(), "total_tokens": 12 + parts.len() },
            })
            .to_string(),
        };
        Script::respond(200, http::JSON, self.named(json))
    }

    /// The head, and what a dialect says before the first piece.
    fn open(&self) -> Script {
        match self.dialect {
            Dialect::Chat | Dialect::Generate => Script::request().head(200, http::NDJSON, Body::Chunked),
            Dialect::Pull => Script::ndjson_open([ollama::status("pulling manifest")]),
            Dialect::OpenAi => Script::sse_open([self.named(openai::role())]),
        }
    }

    /// One part as a framed record. Dialects without thinking or tools say it as text.
    fn part(&self, part: &Part) -> Vec<u8> {
        let record = match (self.dialect, part) {
            (Dialect::Chat, Part::Text(text)) => ollama::chat_text(text),
            (Dialect::Chat, Part::Thinking(text)) => ollama::chat_thinking(text),
            (Dialect::Chat, Part::Tool { id, name, arguments }) => {
                ollama::chat_tool_call(id, name, arguments.clone())
            }
            (Dialect::Generate, Part::Text(text)) => ollama::generate_text(text),
            (Dialect::Generate, Part::Thinking(text)) => ollama::generate_text(text),
            (Dialect::Generate, Part::Tool { name, .. }) => ollama::generate_text(name),
            (Dialect::Pull, _) => ollama::progress(DIGEST, 1_000_000, 100_000_000),
            (Dialect::OpenAi, Part::Text(text)) => openai::text(text),
            (Dialect::OpenAi, Part::Thinking(text)) => openai::reasoning(text),
            (Dialect::OpenAi, Part::Tool { id, name, arguments }) => {
                return self.openai_tool(id, name, &arguments.to_string());
            }
        };
        self.frame(record)
    }

    /// The call in three events: its name, and its arguments in halves.
    fn openai_tool(&self, id: &str, name: &str, arguments: &str) -> Vec<u8> {
        // The second call of the scenario has the second index.
        let index = u64::from(id.ends_with('2'));
        let (one, two) = arguments.split_at(arguments.len() / 2);
        let events = [
            openai::tool_begin(index, id, name),
            openai::tool_arguments(index, one),
            openai::tool_arguments(index, two),
        ];
        events.into_iter().flat_map(|event| self.frame(event)).collect()
    }

    /// The terminal records.
    fn last(&self, reason: &str, count: usize) -> Vec<Vec<u8>> {
        let count = count as u64;
        let records = match self.dialect {
            Dialect::Chat => vec![ollama::chat_done(reason, count)],
            Dialect::Generate => vec![ollama::generate_done(reason, count)],
            Dialect::Pull => {
                let verifying = ollama::status("verifying sha256 digest");
                vec![ollama::progress(DIGEST, 100_000_000, 100_000_000), verifying, ollama::status("success")]
            }
            Dialect::OpenAi => {
                vec![openai::finish(reason), openai::usage(12, count), openai::DONE.to_owned()]
            }
        };
        records.into_iter().map(|record| self.frame(record)).collect()
    }

    /// The terminal records, then the end of the body.
    fn end(&self, reason: &str, count: usize) -> Script {
        Script::new().pieces(self.last(reason, count), Framing::Chunked, Pace::FlatOut).end_chunks()
    }

    fn error(&self) -> String {
        match self.dialect {
            Dialect::Chat | Dialect::Generate | Dialect::Pull => ollama::error(CRASH),
            Dialect::OpenAi => {
                json!({ "error": { "code": 500, "message": CRASH, "type": "server_error" } }).to_string()
            }
        }
    }

    fn refusal(&self, status: u16) -> Script {
        let message = format!("the fake model answers {status}");
        match self.dialect {
            Dialect::Chat | Dialect::Generate | Dialect::Pull => Script::error(status, &message),
            Dialect::OpenAi => {
                let error =
                    json!({ "error": { "code": status, "message": message, "type": "server_error" } });
                Script::respond(status, http::JSON, error.to_string())
            }
        }
    }

    fn frame(&self, record: String) -> Vec<u8> {
        match self.dialect {
            Dialect::Chat | Dialect::Generate | Dialect::Pull => http::line(self.named(record)),
            Dialect::OpenAi => http::event(self.named(record)),
        }
    }

    /// The usual records name a model `m`; this gives them the one asked for.
    fn named(&self, record: String) -> String {
        record.replacen(r#""model":"m""#, &format!(r#""model":{}"#, json!(self.model)), 1)
    }
}

impl Part {
    fn text(&self) -> Option<&str> {
        match self {
            Part::Text(text) => Some(text),
            Part::Thinking(_) | Part::Tool { .. } => None,
        }
    }
}

fn parts(scenario: &Scenario, body: &Value) -> Vec<Part> {
    let text = |text: &str| Part::Text(text.to_owned());
    match scenario {
        Scenario::Normal | Scenario::Waits(_) | Scenario::Length | Scenario::HangAfterDone => words(12),
        Scenario::Words(count) => words(*count),
        Scenario::Slow { records, .. } => words(*records),
        Scenario::StallAfter(count)
        | Scenario::TruncateAfter(count)
        | Scenario::CloseAfter(count)
        | Scenario::ResetAfter(count)
        | Scenario::ErrorAfter(count) => words(*count),
        Scenario::HalfLine => words(3),
        Scenario::Echo => prompt_of(body).split_inclusive(' ').map(text).collect(),
        Scenario::Thinking => {
            let mut parts: Vec<Part> = ["The user ", "asks about ", "rivers."].map(Part::Thinking).into();
            parts.append(&mut words(12));
            parts
        }
        Scenario::Tools => vec![
            text("Let me look."),
            Part::Tool { id: "call_1", name: "get_weather", arguments: json!({ "city": "Oslo", "days": 3 }) },
            Part::Tool { id: "call_2", name: "get_time", arguments: json!({ "zone": "UTC" }) },
        ],
        // A family emoji and a combining accent, each cut in two, then other scripts and control characters.
        Scenario::Unicode => [
            "👩‍",
            "👧 ",
            "e",
            "\u{301} ",
            "河流是什么？",
            "川は流れる。",
            "مرحبا ",
            "🏳️",
            "\u{200d}🌈 ",
            "a\u{85}b\u{2028}c ",
            "\u{1b}[31m",
            "\u{0}\u{7}\r",
            "end\n",
        ]
        .map(text)
        .into(),
        Scenario::LongLine { bytes } => vec![Part::Text("x".repeat(*bytes as usize))],
        Scenario::ErrorStatus(_)
        | Scenario::NeverAnswers
        | Scenario::Flood { .. }
        | Scenario::Html
        | Scenario::Empty => Vec::new(),
    }
}

/// The passage over and over, a word a record.
fn words(count: usize) -> Vec<Part> {
    PASSAGE.split_inclusive(' ').cycle().take(count).map(|word| Part::Text(word.to_owned())).collect()
}

fn prompt_of(body: &Value) -> &str {
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    last.map_or(&body["prompt"], |message| &message["content"]).as_str().unwrap_or_default()
}
