//! Random streams, and a simple reference reader for them, which splits lines and parses JSON, without
//! pieces, templates or time.

use serde_json::Value;

/// The kind of a stream: lines of JSON, as in Ollama's chat, or OpenAI's server-sent events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ollama,
    OpenAi,
}

/// The text of a complete answer; `None` if the stream is not one, because it has no end, an error or
/// unreadable content.
pub fn text(kind: Kind, body: &[u8]) -> Option<String> {
    let body = String::from_utf8_lossy(body);
    match kind {
        Kind::Ollama => ollama(&body),
        Kind::OpenAi => openai(&body),
    }
}

fn ollama(body: &str) -> Option<String> {
    let mut text = String::new();
    for line in body.split('\n').filter(|line| !line.trim().is_empty()) {
        let record = record(line)?;
        let content =
            if record["response"].is_null() { &record["message"]["content"] } else { &record["response"] };
        text += &content_text(content)?;
        if record["done"] == true {
            return Some(text);
        }
    }
    None
}

fn openai(body: &str) -> Option<String> {
    let (mut text, mut is_known, mut data) = (String::new(), false, Vec::new());
    let mut lines: Vec<&str> = body.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    lines.push("");
    for line in lines {
        if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value));
        } else if line.starts_with("error:") || line == "event: error" {
            return None;
        }
        let event = if line.is_empty() { std::mem::take(&mut data).join("\n") } else { String::new() };
        if event.trim().is_empty() {
            continue;
        }
        if event.trim() == "[DONE]" {
            return Some(text).filter(|_| is_known);
        }
        let record = record(&event)?;
        let choice = &record["choices"][0];
        is_known |= !record["choices"].is_null();
        text += &content_text(&choice["delta"]["content"])?;
        if choice["finish_reason"].as_str().is_some_and(|reason| !reason.is_empty()) {
            return Some(text).filter(|_| choice["finish_reason"] != "error");
        }
    }
    None
}

/// A record that is not an error.
fn record(json: &str) -> Option<Value> {
    let record: Value = serde_json::from_str(json).ok()?;
    let is_error = !record["error"].is_null()
        || record["object"] == "error"
        || record["type"] == "error"
        || !record["error_code"].is_null()
        || !record["choices"][0]["error"].is_null();
    Some(record).filter(|record| record.is_object() && !is_error)
}

/// The text of a string or of text parts; `None` for anything else.
fn content_text(content: &Value) -> Option<String> {
    match content {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().map(content_text).collect(),
        Value::Object(part) if part.get("type") == Some(&"text".into()) => content_text(part.get("text")?),
        Value::Object(part) if part.get("type") == Some(&"thinking".into()) => Some(String::new()),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// The values of `$` in a template, as written in JSON.
const TEXTS: &[&str] = &[
    "a",
    " the",
    "",
    "\\n",
    "é",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\\"",
    "\\\\",
    "[DONE]",
    "data: x",
    "\\n\\ndata: {}",
    "{",
    "<b>",
    "\u{2028}",
    "\\u0000",
    "error",
    "1",
    "done",
    "日本",
];

/// Content in every form that servers send, and in some that they should not send.
const CONTENTS: &[&str] = &[
    r#""$""#,
    r#""$""#,
    r#""$""#,
    "null",
    r#"["$"]"#,
    r#"[{"type":"text","text":"$"}]"#,
    r#"[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"$"}]"#,
    r#"{"type":"text","text":"$"}"#,
    r#"[{"type":"image_url","image_url":{"url":"$"}}]"#,
    "7",
    "true",
    "[]",
];

/// Records; `%` stands for content.
const OLLAMA: &[&str] = &[
    r#"{"model":"m","created_at":"2026-11-28T13:53:19.4Z","message":{"role":"assistant","content":"$"},"done":false}"#,
    r#"{"model":"m","created_at":"2026-11-28T13:53:19.5Z","message":{"role":"assistant","content":%},"done":false}"#,
    r#"{"message":{"content":%,"role":"assistant"},"model":"m"}"#,
    r#"{"done":false,"message":{"thinking":"t","content":%}}"#,
    r#"{"message":{"content":"x"},"message":{"content":%},"done":false}"#,
    r#"{ "response" : % , "done" : false }"#,
    r#"{"message":{"content":"$","tool_calls":[{"function":{"name":"f","arguments":{}}}]},"done":false}"#,
    r#"{"message":{"content":"$"},"error":null,"done":false}"#,
    r#"{"message":{"content":"$"},"error":"$"}"#,
    r#"{"error":{"message":"$"}}"#,
    r#"{"odd":"$"}"#,
    "{}",
    "",
    "[]",
    r#"{"message":{"content":"$"#,
    r#"{"message":{"content":%},"done":"true"}"#,
    r#"{"message":{"content":%},"done":true,"done_reason":"stop","eval_count":1}"#,
    r#"{"done":true}"#,
];

const OPENAI: &[&str] = &[
    r#"{"id":"1","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"$"},"finish_reason":null}]}"#,
    r#"{"id":"1","created":2,"model":"m","choices":[{"index":0,"delta":{"content":%},"finish_reason":null}]}"#,
    r#"{"choices":[{"delta":{"role":"assistant","content":%}}]}"#,
    r#"{"choices":[{"finish_reason":"","delta":{"content":%,"reasoning":"t"}}]}"#,
    r#"{ "choices" : [ { "delta" : { "content" : "x" , "content" : % } } ] }"#,
    r#"{"choices":[{"delta":{"content":"$","tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]}}]}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
    r#"{"choices":[{"delta":{"content":"$"}}],"error":null}"#,
    r#"{"choices":[{"delta":{"content":"$"},"error":{"code":502,"message":"$"}}]}"#,
    r#"{"error":{"message":"$"}}"#,
    r#"{"object":"error","message":"$"}"#,
    r#"{"text":"$","error_code":1}"#,
    r#"{"odd":"$"}"#,
    "{}",
    "[]",
    r#"{"choices":[{"delta":{"content":"$"#,
    "[DONE]",
    r#"{"choices":[{"delta":{"content":%},"finish_reason":"stop"}]}"#,
    r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#,
    "",
];

/// How an event is written; `@` stands for its data.
const EVENTS: &[&str] = &[
    "data: @\n\n",
    "data: @\n\n",
    "data: @\n\n",
    "data:@\n\n",
    "data: @\r\n\r\n",
    ": keep-alive\n\ndata: @\n\n",
    "event: message\nid: 1\ndata: @\n\n",
    "retry: 5\ndata: @\n\n\n",
    "event: error\ndata: @\n\n",
    "error: @\n\n",
    "data: @\n",
];

/// A stream from these choices, four per record; the remaining ones cut it. Most choices are harmless, so
/// streams with a single odd record are common.
pub fn stream(kind: Kind, choices: &[u8]) -> Vec<u8> {
    let (records, cut) = choices.as_chunks::<4>();
    let mut stream = String::new();
    for [form, content, text, frame] in records {
        let pick = |table: &[&'static str], choice: u8| table[usize::from(choice) % table.len()];
        let forms = match kind {
            Kind::Ollama => OLLAMA,
            Kind::OpenAi => OPENAI,
        };
        let text = pick(TEXTS, *text);
        let record = pick(forms, *form).replace('%', pick(CONTENTS, *content)).replace('$', text);
        stream += &match kind {
            Kind::Ollama => record + if *frame % 16 == 15 { "\r\n" } else { "\n" },
            Kind::OpenAi => pick(EVENTS, *frame).replace('@', &record),
        };
    }
    let mut stream = stream.into_bytes();
    if let [cut, ..] = cut {
        stream.truncate(stream.len().saturating_sub(usize::from(*cut)));
    }
    stream
}
