//! The APIs of coding agents: OpenAI's responses and Anthropic's messages, as Ollama streams them.

use serde_json::Value;
use towline_testkit::{Body, Routes, Script, Server};

use crate::support::{Relay, config};

/// An API: its path, its events up to the last, and its last one.
struct Api {
    path: &'static str,
    events: &'static [&'static str],
    last: &'static str,
}

const APIS: [Api; 2] = [
    Api {
        path: "/v1/responses",
        events: &[
            r#"event: response.created
data: {"response":{"id":"resp_1","error":null,"model":"m","object":"response","output":[],"status":"in_progress"},"sequence_number":0,"type":"response.created"}"#,
            r#"event: response.output_text.delta
data: {"content_index":0,"delta":"A river","item_id":"msg_1","output_index":0,"sequence_number":4,"type":"response.output_text.delta"}"#,
        ],
        last: r#"event: response.completed
data: {"response":{"id":"resp_1","error":null,"model":"m","object":"response","output":[],"status":"completed","usage":{"input_tokens":13,"output_tokens":2}},"sequence_number":5,"type":"response.completed"}"#,
    },
    Api {
        path: "/v1/messages",
        events: &[
            r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":5,"output_tokens":0}}}"#,
            r#"event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"A river"}}"#,
            r#"event: content_block_stop
data: {"type":"content_block_stop","index":0}"#,
            r#"event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":13,"output_tokens":2}}"#,
        ],
        last: r#"event: message_stop
data: {"type":"message_stop"}"#,
    },
];

fn text(events: &[&str]) -> String {
    events.iter().map(|event| format!("{event}\n\n")).collect()
}

fn streamed(model: &str) -> String {
    format!(r#"{{"model":"{model}","stream":true,"max_tokens":8,"input":"x","messages":[]}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn their_answers_are_recorded_and_end_truly() {
    for Api { path, events, last } in APIS {
        let open = || Script::request().head(200, "text/event-stream", Body::Chunked).chunk(text(events));
        let server = Server::start(
            Routes::new()
                .model("whole", open().chunk(text(&[last])).end_chunks())
                .model("cut", open().end_chunks())
                .model("slow", open().wait("go").chunk(text(&[last])).end_chunks()),
        );
        let relay = Relay::start(config(&server.url())).await;
        let mut answer = relay.post(path, &[], &streamed("whole")).await;
        let id = answer.header("towline-stream").to_owned();
        let whole = text(events) + &text(&[last]);
        assert_eq!(answer.text().await, whole, "{path}");
        assert_eq!(relay.log(&id).await, whole);
        let job = relay.ended(&id).await;
        assert_eq!(
            (&job["state"], &job["model"], &job["path"]),
            (&"completed".into(), &"whole".into(), &path.into())
        );

        let mut answer = relay.post(path, &[], &streamed("cut")).await;
        let id = answer.header("towline-stream").to_owned();
        let said = answer.text().await;
        let error = said.strip_prefix(&text(events)).unwrap();
        let error: Value =
            serde_json::from_str(error.trim_end().strip_prefix("event: error\ndata: ").unwrap()).unwrap();
        assert_eq!((&error["type"], &error["code"]), (&"error".into(), &"truncated".into()), "{path}");
        assert!(error["error"]["message"].is_string(), "{path}");
        assert_eq!(relay.ended(&id).await["state"], "truncated");

        let mut made = relay.post(path, &[("towline-detach", "true")], &streamed("slow")).await;
        assert_eq!(made.status, 202);
        let id = made.json().await["id"].as_str().unwrap().to_owned();
        let mut reader = relay.get(&format!("/streams/{id}?live=raw")).await;
        reader.until(10).await;
        drop(reader);
        server.open("go");
        assert_eq!(relay.ended(&id).await["state"], "completed", "{path}");
        assert_eq!(relay.log(&id).await, whole);
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_theirs_that_is_not_streamed_is_one_json_value() {
    let response = r#"{"id":"resp_1","error":null,"object":"response","status":"completed","output":[],"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let message = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;
    for (path, body) in [("/v1/responses", response), ("/v1/messages", message)] {
        let server = Server::start(Routes::new().model("m", Script::respond(200, "application/json", body)));
        let relay = Relay::start(config(&server.url())).await;
        let mut answer =
            relay.post(path, &[], r#"{"model":"m","input":"x","messages":[],"max_tokens":8}"#).await;
        assert_eq!((answer.status, answer.header("towline-outcome")), (200, "completed"), "{path}");
        assert_eq!(answer.text().await, body, "{path}");
        relay.stop().await;
    }
}
