//! A chat request in OpenAI's dialect.

use serde_json::{Map, Value, json};

use super::{ChatRequest, Format, Message, Role, Think};

impl ChatRequest {
    /// The body of the same request for `POST /v1/chat/completions`, streamed and with usage.
    ///
    /// Options keep their meaning where the dialect has a name for them (`num_predict` becomes `max_tokens`); the
    /// others go along under Ollama's name, which llama.cpp and others understand, except those about loading the
    /// model. `keep_alive`, `truncate` and `shift` have no counterpart and are left out.
    pub fn openai_body(&self) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(self.model));
        body.insert("messages".into(), self.messages.iter().map(openai_message).collect());
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
                body.insert("chat_template_kwargs".into(), json!({ "enable_thinking": *think == Think::On }));
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
                "num_ctx" | "num_batch" | "num_gpu" | "main_gpu" | "use_mmap" | "num_thread" | "num_keep" => {
                    continue;
                }
                other => other,
            };
            body.insert(name.into(), value.clone());
        }
        Value::Object(body)
    }
}

fn openai_message(message: &Message) -> Value {
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
        let calls = message.tool_calls.iter().enumerate().map(|(place, call)| {
            let id = call.id.clone().unwrap_or_else(|| format!("call_{place}"));
            let function = json!({ "name": call.name, "arguments": call.arguments.to_string() });
            json!({ "id": id, "type": "function", "function": function })
        });
        wire["tool_calls"] = calls.collect();
    }
    if let Some(id) = &message.tool_call_id {
        wire["tool_call_id"] = json!(id);
    }
    wire
}

/// The media type of an image, told by how its base64 begins.
fn media_type(base64: &str) -> &'static str {
    match base64.as_bytes() {
        [b'/', b'9', b'j', ..] => "image/jpeg",
        [b'R', b'0', b'l', b'G', ..] => "image/gif",
        [b'U', b'k', b'l', b'G', ..] => "image/webp",
        _ => "image/png",
    }
}
