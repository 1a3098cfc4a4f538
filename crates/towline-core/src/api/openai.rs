//! A chat request in OpenAI's dialect.

use serde_json::{Map, Value, json};

use super::{ChatRequest, Format, Message, Role, Think};
use crate::event::ToolCall;

impl ChatRequest {
    /// The body of the same request for `POST /v1/chat/completions`, streamed and with usage.
    ///
    /// Options are translated if the dialect has a name for them (`num_predict` becomes `max_tokens`). The
    /// others keep Ollama's names, which llama.cpp and others understand, except load-time options, which are
    /// omitted. `keep_alive`, `truncate` and `shift` have no counterpart and are omitted too.
    pub fn openai_body(&self) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(self.model));
        let mut ids = CallIds::default();
        body.insert("messages".into(), self.messages.iter().map(|m| openai_message(m, &mut ids)).collect());
        body.insert("stream".into(), json!(true));
        body.insert("stream_options".into(), json!({ "include_usage": true }));
        if !self.tools.is_empty() {
            body.insert("tools".into(), json!(self.tools));
        }
        match &self.format {
            Some(Format::Json) => {
                body.insert("response_format".into(), json!({ "type": "json_object" }));
            }
            Some(Format::Schema(schema)) => {
                let named = json!({ "name": "answer", "schema": schema, "strict": true });
                body.insert("response_format".into(), json!({ "type": "json_schema", "json_schema": named }));
            }
            None => {}
        }
        match &self.think {
            Some(Think::Level(level)) => {
                body.insert("reasoning_effort".into(), json!(level));
            }
            Some(think @ (Think::On | Think::Off)) => {
                // llama.cpp, vLLM and SGLang pass these to the model's template; Ollama's `/v1` and OpenAI
                // itself read the effort, which has no value for "on".
                body.insert("chat_template_kwargs".into(), json!({ "enable_thinking": *think == Think::On }));
                if *think == Think::Off {
                    body.insert("reasoning_effort".into(), json!("none"));
                }
            }
            None => {}
        }
        if let Some(logprobs) = self.logprobs {
            body.insert("logprobs".into(), json!(logprobs));
        }
        if let Some(top) = self.top_logprobs {
            body.insert("top_logprobs".into(), json!(top));
        }
        for (name, value) in &self.options.0 {
            let name = match name.as_str() {
                "num_predict" => "max_tokens",
                "num_ctx" | "num_batch" | "num_gpu" | "main_gpu" | "use_mmap" | "num_thread" | "num_keep"
                | "draft_num_predict" => continue,
                other => other,
            };
            body.entry(name).or_insert_with(|| value.clone());
        }
        Value::Object(body)
    }
}

/// The ids that connect tool results to their calls. The dialect requires them, but Ollama's servers do not
/// always provide them.
#[derive(Default)]
struct CallIds {
    calls: usize,
    /// Calls that have no result yet: name and id.
    open: Vec<(String, String)>,
}

impl CallIds {
    fn of_call(&mut self, call: &ToolCall) -> String {
        let id = call.id.clone().unwrap_or_else(|| format!("call_{}", self.calls));
        self.calls += 1;
        self.open.push((call.name.clone(), id.clone()));
        id
    }

    /// The id of the call to which the result `message` belongs: its own id, or that of the first open call
    /// with its name, or with any name.
    fn of_result(&mut self, message: &Message) -> Option<String> {
        let place = match &message.tool_call_id {
            Some(own) => self.open.iter().position(|(_, id)| id == own),
            None => {
                let name = message.tool_name.as_ref();
                let named = self.open.iter().position(|(called, _)| Some(called) == name);
                named.or(if self.open.is_empty() { None } else { Some(0) })
            }
        };
        let id = place.map(|at| self.open.remove(at).1);
        message.tool_call_id.clone().or(id)
    }
}

fn openai_message(message: &Message, ids: &mut CallIds) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut wire = json!({ "role": role, "content": message.content });
    if !message.images.is_empty() {
        let text = (!message.content.is_empty()).then(|| json!({ "type": "text", "text": message.content }));
        let images = message.images.iter().map(|base64| {
            json!({ "type": "image_url", "image_url": { "url": format!("data:{};base64,{base64}", media_type(base64)) } })
        });
        wire["content"] = text.into_iter().chain(images).collect();
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            // Invalid JSON from the model is sent back as the model wrote it.
            let as_written = call.arguments.as_str().map(str::to_owned);
            let arguments = as_written.unwrap_or_else(|| call.arguments.to_string());
            let function = json!({ "name": call.name, "arguments": arguments });
            json!({ "id": ids.of_call(call), "type": "function", "function": function })
        });
        wire["tool_calls"] = calls.collect();
    }
    if message.role == Role::Tool
        && let Some(id) = ids.of_result(message)
    {
        wire["tool_call_id"] = json!(id);
    }
    wire
}

/// The media type of an image, from the beginning of its base64.
fn media_type(base64: &str) -> &'static str {
    match base64.as_bytes() {
        [b'/', b'9', b'j', ..] => "image/jpeg",
        [b'R', b'0', b'l', b'G', ..] => "image/gif",
        [b'U', b'k', b'l', b'G', ..] => "image/webp",
        _ => "image/png",
    }
}
