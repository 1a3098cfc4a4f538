//! The dialect of chat, and how the client detects it.

use serde_json::json;
use towline::api::Think;
use towline::client::Api;
use towline::error::ErrorKind;
use towline::outcome::FinishReason;
use towline::{ChatRequest, Event};
use towline_testkit::records::{ollama, openai};
use towline_testkit::{Plan, Routes, Script, Server, http};

use crate::client_support::{chat, client, client_with, read, text};

const NO_ENDPOINT: &str = r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#;

/// A server that has only OpenAI's chat endpoint, and refuses the others in its own way.
fn openai_only(refusal: Script) -> Server {
    Server::start(
        Routes::new().path("/v1/chat/completions", Script::sse(openai::chat(&["Hi"]))).otherwise(refusal),
    )
}

fn paths(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.path().to_owned()).collect()
}

#[tokio::test]
async fn a_server_that_knows_only_openai_is_found_out_once() {
    for refusal in [
        Script::respond(404, http::JSON, NO_ENDPOINT),
        Script::respond(404, "text/html", "<h1>Not Found</h1>"),
        Script::respond(405, http::JSON, r#"{"detail":"Method Not Allowed"}"#),
        Script::error(501, "not implemented"),
    ] {
        let server = openai_only(refusal);
        let client = client(&server);
        let (events, outcome) = read(client.chat(chat("m"))).await;
        assert_eq!(events[0], text("Hi"));
        // The detection does not count as a try.
        assert!(outcome.is_completed() && outcome.retried.is_empty(), "{outcome:?}");
        // Clones share the result.
        for client in [client.clone(), client] {
            let (_, outcome) = read(client.chat(chat("m"))).await;
            assert!(outcome.is_completed() && outcome.retried.is_empty(), "{outcome:?}");
        }
        let v1 = "/v1/chat/completions";
        assert_eq!(paths(&server), ["/api/chat", v1, v1, v1]);
    }
}

#[tokio::test]
async fn a_missing_model_is_no_missing_endpoint() {
    for message in ["model 'm' not found", "model \"m\" not found, try pulling it first"] {
        let server = openai_only(Script::error(404, message));
        let (_, outcome) = read(client(&server).chat(chat("m"))).await;
        assert_eq!(outcome.ending.error().unwrap().kind, ErrorKind::NotFound);
        assert_eq!(paths(&server), ["/api/chat"]);
    }
}

#[tokio::test]
async fn a_server_without_either_endpoint_is_not_remembered() {
    let server = Server::start(Routes::new().path_each(
        "/api/chat",
        [Script::respond(404, "text/plain", "starting up"), Script::ndjson(ollama::chat(&["Hi"]))],
    ));
    let client = client(&server);
    let (_, outcome) = read(client.chat(chat("m"))).await;
    assert_eq!(outcome.ending.error().unwrap().kind, ErrorKind::NotFound);
    assert_eq!(outcome.retried, []);
    let (_, outcome) = read(client.chat(chat("m"))).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    assert_eq!(paths(&server), ["/api/chat", "/v1/chat/completions", "/api/chat"]);
}

#[tokio::test]
async fn a_dialect_that_is_given_is_kept() {
    let server = openai_only(Script::respond(404, http::JSON, NO_ENDPOINT));
    let ollama = client_with(&server, |config| config.api = Api::Ollama);
    assert_eq!(read(ollama.chat(chat("m"))).await.1.ending.error().unwrap().status, Some(404));
    let openai = client_with(&server, |config| config.api = Api::OpenAi);
    assert!(read(openai.chat(chat("m"))).await.1.is_completed());
    assert_eq!(paths(&server), ["/api/chat", "/v1/chat/completions"]);
    // Other requests still use Ollama's dialect.
    assert!(openai.list().await.is_err());
    assert_eq!(paths(&server)[2], "/api/tags");
}

#[tokio::test]
async fn the_openai_request_says_the_same() {
    let server = Server::start(Script::sse(openai::chat(&["Hi"])));
    let client = client_with(&server, |config| config.api = Api::OpenAi);
    let mut request = chat("m").system("Be brief.").option("num_predict", 5).option("temperature", 0);
    request.think = Some(Think::Level("low".into()));
    drop(read(client.chat(request)).await);
    let sent = &server.requests()[0];
    assert_eq!(sent.header("accept"), Some("text/event-stream, application/json"));
    assert_eq!(
        sent.json().unwrap(),
        json!({
            "model": "m",
            "messages": [{ "role": "user", "content": "Hi" }, { "role": "system", "content": "Be brief." }],
            "stream": true,
            "stream_options": { "include_usage": true },
            "reasoning_effort": "low",
            "max_tokens": 5,
            "temperature": 0,
        })
    );
}

#[tokio::test]
async fn a_dialect_that_is_found_out_asks_the_same_as_one_that_is_given() {
    let call = json!({ "id": "1", "function": { "name": "see", "arguments": { "at": 1.5, "n": 18446744073709551615_u64 } } });
    let parameters = json!({ "type": "object", "properties": { "at": { "type": "number" } } });
    let request: ChatRequest = serde_json::from_value(json!({
        "model": "m",
        "messages": [
            { "role": "user", "content": "What is it? \u{1f600} \u{2028}", "images": ["aGk="] },
            { "role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call] },
            { "role": "tool", "content": "a cat", "tool_name": "see", "tool_call_id": "1" },
        ],
        "tools": [{ "type": "function", "function": { "name": "see", "description": "d", "parameters": parameters } }],
        "format": { "type": "object" },
        "think": "low",
        "options": { "temperature": 0.1, "seed": 7, "stop": ["x"], "num_predict": 5, "top_p": 0.9 },
        "logprobs": true,
        "top_logprobs": 2,
    }))
    .unwrap();
    let server = openai_only(Script::respond(404, http::JSON, NO_ENDPOINT));
    for client in [client(&server), client_with(&server, |config| config.api = Api::OpenAi)] {
        assert!(read(client.chat(request.clone())).await.1.is_completed());
    }
    let bodies: Vec<_> = server.requests().iter().map(|request| request.json().unwrap()).collect();
    assert_eq!(bodies[1], bodies[2]);
    assert_eq!(bodies[1]["messages"][1]["tool_calls"][0]["function"]["name"], "see");
}

#[tokio::test]
async fn a_stream_is_taken_whole_from_a_server_that_does_not_stream() {
    let choice =
        json!({ "index": 0, "message": { "role": "assistant", "content": "Hi" }, "finish_reason": "stop" });
    let whole = json!({ "id": "1", "model": "m", "choices": [choice], "usage": { "completion_tokens": 1 } });
    let server = Server::start(Script::respond(200, http::JSON, whole.to_string()));
    let client = client_with(&server, |config| config.api = Api::OpenAi);
    let (events, outcome) = read(client.chat(chat("m"))).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    assert_eq!(events[0], text("Hi"));
    // So does Ollama's, with `"stream":false` in the request.
    let whole = json!({ "model": "m", "message": { "role": "assistant", "content": "Hi" }, "done": true, "done_reason": "stop" });
    let server = Server::start(Script::respond(200, http::JSON, whole.to_string()));
    let (events, outcome) = read(crate::client_support::client(&server).chat(chat("m"))).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    assert_eq!(events, [text("Hi")]);
}

#[tokio::test]
async fn tool_calls_come_whole_in_both_dialects() {
    let arguments = json!({ "city": "Ulm" });
    let fragments = [
        openai::tool_begin(0, "a", "weather"),
        openai::tool_arguments(0, r#"{"city":"#),
        openai::tool_arguments(0, r#""Ulm"}"#),
        openai::finish("tool_calls"),
        openai::DONE.to_owned(),
    ];
    let lines = [ollama::chat_tool_call("a", "weather", arguments.clone()), ollama::chat_done("stop", 1)];
    for (api, plan) in [
        (Api::OpenAi, Plan::from(Script::sse(&fragments))),
        (Api::Ollama, Plan::from(Script::ndjson(&lines))),
    ] {
        let server = Server::start(plan);
        let (events, outcome) = read(client_with(&server, |config| config.api = api).chat(chat("m"))).await;
        let Event::ToolCall(call) = &events[0] else { panic!("{events:?}") };
        assert_eq!(
            (call.id.as_deref(), call.name.as_str(), &call.arguments),
            (Some("a"), "weather", &arguments)
        );
        assert_eq!(outcome.reply.tool_calls, [towline::event::ToolCall::clone(call)]);
        let reason = if api == Api::OpenAi { FinishReason::ToolCalls } else { FinishReason::Stop };
        assert_eq!(outcome.ending, towline::Ending::Completed(Some(reason)));
    }
    // Cut in the middle of its arguments: the received part is kept, and is not a call.
    let server = Server::start(Script::sse_open(&fragments[..2]).close());
    let (events, outcome) =
        read(client_with(&server, |config| config.api = Api::OpenAi).chat(chat("m"))).await;
    assert!(events.is_empty() && outcome.reply.tool_calls.is_empty());
    assert_eq!(outcome.reply.partial_tool_calls[0].arguments, r#"{"city":"#);
}
