//! OpenAI's dialect: chat completions and the list of models.

use serde_json::{Value, json};
use towline_model::Config;

use crate::server::Running;

const PATH: &str = "/v1/chat/completions";

fn body(extra: Value) -> String {
    let mut body = json!({
        "model": "brook", "temperature": 0, "max_tokens": 40,
        "messages": [{"role": "user", "content": "What is a river?"}],
    });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body.to_string()
}

#[test]
fn a_streamed_answer_says_what_the_whole_one_says() {
    let server = Running::start(Config::default());
    let mut client = server.client();
    let whole = client.post(PATH, &body(json!({}))).json();
    let choice = &whole["choices"][0];
    let text = choice["message"]["content"].as_str().unwrap();
    assert_eq!((&whole["object"], &whole["model"]), (&json!("chat.completion"), &json!("brook")));
    assert_eq!((&choice["message"]["role"], &choice["index"]), (&json!("assistant"), &json!(0)));
    let usage = &whole["usage"];
    assert_eq!(usage["prompt_tokens"], 13);
    let completion = usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], 13 + completion);
    let usage_asked = body(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let answer = client.post(PATH, &usage_asked);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let streamed = answer.text();
    let events = streamed.trim_end().split("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    let mut events: Vec<&str> = events.collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let mut chunks: Vec<Value> =
        events.into_iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let counts = chunks.pop().unwrap();
    assert_eq!((&counts["choices"], &counts["usage"]), (&json!([]), usage));
    let last = chunks.pop().unwrap();
    assert_eq!(last["choices"][0]["delta"], json!({}));
    assert_eq!(last["choices"][0]["finish_reason"], choice["finish_reason"]);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let mut streamed = String::new();
    for chunk in &chunks {
        assert_eq!((&chunk["object"], &chunk["id"]), (&json!("chat.completion.chunk"), &counts["id"]));
        assert_eq!(chunk["choices"][0]["finish_reason"], Value::Null);
        streamed.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap());
    }
    assert_eq!(streamed, text);

    let plain = client.post(PATH, &body(json!({"stream": true, "max_completion_tokens": 2}))).text();
    assert!(plain.ends_with("data: [DONE]\n\n") && !plain.contains("usage"), "{plain}");
    assert!(plain.contains("\"finish_reason\":\"length\""), "{plain}");
}

#[test]
fn contents_may_be_lists_of_texts_and_stops_may_be_one_text() {
    let server = Running::start(Config::default());
    let ask = |extra: Value| server.client().post(PATH, &body(extra)).json();
    let text = |answer: &Value| answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let plain = text(&ask(json!({})));
    let parts = json!([{"type": "text", "text": "What is "}, {"type": "text", "text": "a river?"}]);
    assert_eq!(text(&ask(json!({"messages": [{"role": "user", "content": parts}]}))), plain);
    let word = plain.split(' ').nth(3).unwrap();
    assert_eq!(text(&ask(json!({"stop": word}))), plain.split_once(word).unwrap().0);
    let long = json!({"messages": [{"role": "user", "content": "river ".repeat(2000)}]});
    assert!(ask(long)["note"].as_str().unwrap().starts_with("the prompt of "));
}

#[test]
fn refusals_have_the_shape_of_openai() {
    let server = Running::start(Config::default());
    let mut client = server.client();
    let mut check = |body: &str, status: u16, kind: &str, text: &str| {
        let answer = client.post(PATH, body);
        assert_eq!(answer.status, status, "{body}");
        let error = answer.json()["error"].clone();
        assert_eq!((&error["type"], &error["param"]), (&json!(kind), &Value::Null), "{error}");
        assert!(error["message"].as_str().unwrap().contains(text), "{error}, expected {text}");
    };
    let bad = "invalid_request_error";
    check("", 400, bad, "missing request body");
    check("{}", 400, bad, "model is required");
    check(&body(json!({"model": "nope"})), 404, "not_found_error", "model 'nope' not found");
    check(&body(json!({"messages": []})), 400, bad, "messages is required");
    check(&body(json!({"temperature": "hot"})), 400, bad, "option \"temperature\" must be of type float32");
    check(&body(json!({"tools": [{}]})), 400, bad, "does not support tools");
    check(&body(json!({"logprobs": true})), 400, bad, "does not support logprobs");
    check(&body(json!({"n": 2})), 400, bad, "does not support more than one choice");
    check(&body(json!({"response_format": {"type": "json_object"}})), 400, bad, "response_format");
    check(&body(json!({"reasoning_effort": "high"})), 400, bad, "does not support thinking");
    let image = json!([{"type": "image_url", "image_url": {"url": "data:,"}}]);
    check(&body(json!({"messages": [{"role": "user", "content": image}]})), 400, bad, "vision");
    let models = client.get("/v1/models").json();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("brook:latest")));
}
