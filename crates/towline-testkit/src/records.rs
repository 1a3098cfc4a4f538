//! The usual records, as the servers write them, without line ends, which [`Script`](crate::Script) adds.

/// Records of Ollama's own API.
pub mod ollama {
    use serde_json::{Value, json};

    const CREATED_AT: &str = "2026-08-21T09:00:00.000000Z";

    /// A chat record with a piece of the answer.
    pub fn chat_text(text: &str) -> String {
        chat_message(json!({ "role": "assistant", "content": text }))
    }

    /// A chat record with a piece of thinking.
    pub fn chat_thinking(thinking: &str) -> String {
        chat_message(json!({ "role": "assistant", "content": "", "thinking": thinking }))
    }

    /// A chat record with one complete tool call.
    pub fn chat_tool_call(id: &str, name: &str, arguments: Value) -> String {
        let call = json!({ "id": id, "function": { "name": name, "arguments": arguments } });
        chat_message(json!({ "role": "assistant", "content": "", "tool_calls": [call] }))
    }

    /// The terminal chat record, with counts for `tokens` generated tokens.
    pub fn chat_done(reason: &str, tokens: u64) -> String {
        let message = json!({ "role": "assistant", "content": "" });
        done(json!({ "model": "m", "created_at": CREATED_AT, "message": message }), reason, tokens)
    }

    /// A whole chat: one record per piece, then the terminal one.
    pub fn chat(pieces: &[&str]) -> Vec<String> {
        let mut lines: Vec<String> = pieces.iter().map(|piece| chat_text(piece)).collect();
        lines.push(chat_done("stop", pieces.len() as u64));
        lines
    }

    /// A generate record with a piece of the answer.
    pub fn generate_text(text: &str) -> String {
        json!({ "model": "m", "created_at": CREATED_AT, "response": text, "done": false }).to_string()
    }

    /// The terminal generate record.
    pub fn generate_done(reason: &str, tokens: u64) -> String {
        done(json!({ "model": "m", "created_at": CREATED_AT, "response": "" }), reason, tokens)
    }

    /// One progress record of pull, push or create, for one layer.
    pub fn progress(digest: &str, completed: u64, total: u64) -> String {
        let status = format!("pulling {}", digest.trim_start_matches("sha256:"));
        json!({ "status": status, "digest": digest, "total": total, "completed": completed }).to_string()
    }

    /// A status line of pull, push or create; `success` is the terminal one.
    pub fn status(status: &str) -> String {
        json!({ "status": status }).to_string()
    }

    /// The line that ends a stream as failed.
    pub fn error(message: &str) -> String {
        json!({ "error": message }).to_string()
    }

    fn chat_message(message: Value) -> String {
        json!({ "model": "m", "created_at": CREATED_AT, "message": message, "done": false }).to_string()
    }

    fn done(mut record: Value, reason: &str, tokens: u64) -> String {
        record["done"] = json!(true);
        record["done_reason"] = json!(reason);
        record["total_duration"] = json!(1_000_000 * (tokens + 10));
        record["load_duration"] = json!(1_000_000);
        record["prompt_eval_count"] = json!(12);
        record["prompt_eval_duration"] = json!(9_000_000);
        record["eval_count"] = json!(tokens);
        record["eval_duration"] = json!(1_000_000 * tokens);
        record.to_string()
    }
}

/// Payloads of the OpenAI chat dialect.
pub mod openai {
    use serde_json::{Value, json};

    /// The payload that ends a stream.
    pub const DONE: &str = "[DONE]";

    /// The first chunk: the role, and no content.
    pub fn role() -> String {
        chunk(json!({ "role": "assistant", "content": null }), Value::Null)
    }

    /// A chunk with a piece of the answer.
    pub fn text(text: &str) -> String {
        chunk(json!({ "content": text }), Value::Null)
    }

    /// A chunk with a piece of reasoning, under llama.cpp's name for it.
    pub fn reasoning(text: &str) -> String {
        chunk(json!({ "reasoning_content": text }), Value::Null)
    }

    /// The first fragment of a tool call: its id and name.
    pub fn tool_begin(index: u64, id: &str, name: &str) -> String {
        let function = json!({ "name": name, "arguments": "" });
        let call = json!({ "index": index, "id": id, "type": "function", "function": function });
        chunk(json!({ "tool_calls": [call] }), Value::Null)
    }

    /// A further fragment of a tool call's arguments.
    pub fn tool_arguments(index: u64, fragment: &str) -> String {
        let call = json!({ "index": index, "function": { "arguments": fragment } });
        chunk(json!({ "tool_calls": [call] }), Value::Null)
    }

    /// The chunk that says why the model stopped.
    pub fn finish(reason: &str) -> String {
        chunk(json!({}), json!(reason))
    }

    /// The usage chunk, with its empty choices.
    pub fn usage(prompt_tokens: u64, completion_tokens: u64) -> String {
        let total = prompt_tokens + completion_tokens;
        let usage = json!({
            "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total,
        });
        json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": usage })
            .to_string()
    }

    /// A whole chat: role, one chunk per piece, finish, usage, `[DONE]`.
    pub fn chat(pieces: &[&str]) -> Vec<String> {
        let mut payloads = vec![role()];
        payloads.extend(pieces.iter().map(|piece| text(piece)));
        payloads.extend([finish("stop"), usage(12, pieces.len() as u64), DONE.to_owned()]);
        payloads
    }

    fn chunk(delta: Value, finish_reason: Value) -> String {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish_reason });
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_787_302_800, "model": "m",
            "choices": [choice],
        })
        .to_string()
    }
}
