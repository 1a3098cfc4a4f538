//! Builds records in Ollama's form from events, for an answer in OpenAI's dialect, or for one whose rest
//! another request fetched.

use serde_json::{Map, Value, json};
use towline::client::Operation;
use towline::event::{RecordKind, Records, ToolCall};
use towline::{Event, Outcome};

/// The records of one stream of `chat` or `generate`.
#[derive(Debug)]
pub(crate) struct MadeRecords {
    operation: Operation,
    records: Records,
    /// Whether the last record was plain text, so that the next one can be like it.
    in_a_row: bool,
}

impl MadeRecords {
    pub(crate) fn new(operation: Operation) -> Self {
        Self { operation, records: Records::default(), in_a_row: false }
    }

    /// The records since the last call.
    pub(crate) fn take(&mut self) -> Records {
        self.in_a_row = false;
        std::mem::take(&mut self.records)
    }

    pub(crate) fn event(&mut self, event: &Event, model: Option<&str>) {
        let fields = match (event, self.operation) {
            (Event::Text(text), Operation::Chat) => json!({ "content": text }),
            (Event::Text(text), _) => json!({ "response": text }),
            (Event::Thinking(text), _) => json!({ "thinking": text }),
            (Event::ToolCall(call), _) => json!({ "tool_calls": [tool_call(call)] }),
            (Event::Image(image), _) => json!({ "image": image.base64 }),
            (Event::Logprobs(logprobs), _) => json!({ "logprobs": logprobs }),
            // The last record has these.
            (Event::Progress(_) | Event::Usage(_), _) => return,
        };
        let text = if let Event::Text(text) = event { Some(text.as_str()) } else { None };
        let kind = match text {
            Some(_) if self.in_a_row => RecordKind::Text,
            Some(_) => RecordKind::Pattern,
            None => RecordKind::None,
        };
        self.in_a_row = text.is_some();
        let record = self.record(fields, model, Map::new());
        self.push(&record, text, kind);
    }

    /// The terminal record, if the answer is complete.
    pub(crate) fn end(&mut self, outcome: &Outcome) {
        if !outcome.is_completed() {
            return;
        }
        let mut end = Map::new();
        end.insert("done".into(), json!(true));
        let reason = match &outcome.ending {
            towline::Ending::Completed(reason) => reason.as_ref().map(|reason| reason.as_str()),
            towline::Ending::Truncated(_)
            | towline::Ending::Cancelled { .. }
            | towline::Ending::TimedOut { .. }
            | towline::Ending::Failed(_) => None,
        };
        end.insert("done_reason".into(), json!(reason.unwrap_or("stop")));
        if let Some(usage) = &outcome.reply.usage {
            let nanoseconds = |time: Option<std::time::Duration>| time.map(|time| time.as_nanos() as u64);
            for (name, value) in [
                ("prompt_eval_count", usage.prompt_tokens),
                ("eval_count", usage.completion_tokens),
                ("total_duration", nanoseconds(usage.total)),
                ("load_duration", nanoseconds(usage.load)),
                ("prompt_eval_duration", nanoseconds(usage.prompt)),
                ("eval_duration", nanoseconds(usage.completion)),
            ] {
                if let Some(value) = value {
                    end.insert(name.into(), json!(value));
                }
            }
        }
        let record = self.record(json!({}), outcome.reply.model.as_deref(), end);
        self.push(&record, None, RecordKind::None);
    }

    fn record(&self, fields: Value, model: Option<&str>, end: Map<String, Value>) -> Value {
        let mut record = Map::new();
        if let Some(model) = model {
            record.insert("model".into(), json!(model));
        }
        let Value::Object(mut fields) = fields else { return Value::Object(record) };
        let text = match self.operation {
            Operation::Chat => "content",
            Operation::Generate | Operation::Pull | Operation::Push | Operation::Create => "response",
        };
        fields.entry(text).or_insert_with(|| json!(""));
        if let Operation::Chat = self.operation {
            let logprobs = fields.remove("logprobs");
            fields.insert("role".into(), json!("assistant"));
            record.insert("message".into(), Value::Object(fields));
            record.extend(logprobs.map(|logprobs| ("logprobs".into(), logprobs)));
        } else {
            record.extend(fields);
        }
        record.insert("done".into(), json!(false));
        record.extend(end);
        Value::Object(record)
    }

    fn push(&mut self, record: &Value, text: Option<&str>, kind: RecordKind) {
        self.records.push(record.to_string().as_bytes(), text.into_iter(), kind);
    }
}

/// A tool call in Ollama's form.
fn tool_call(call: &ToolCall) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    match &call.id {
        Some(id) => json!({ "id": id, "function": function }),
        None => json!({ "function": function }),
    }
}
