//! Spans of answers, at a collector.

use serde_json::Value;
use towline_relay::Config;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, chat, config, soon, upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a Value> {
    let all = span["attributes"].as_array().unwrap();
    let value = all.iter().find(|one| one["key"] == key)?["value"].as_object()?;
    value.values().next()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_a_span_in_the_trace_of_its_client() {
    let done = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"prompt_eval_count\":7,\"eval_count\":3}";
    let whole = Script::ndjson([ollama::chat_text("secret words"), done.to_owned()]);
    let cut = Script::ndjson([ollama::chat_text("half")]);
    let server = Server::start(Routes::new().model("m", whole).model("cut", cut));
    let collector =
        Server::start(Routes::new().path("/v1/traces", Script::respond(200, "application/json", "{}")));
    let traces = Some(upstream("collector", &collector.url()));
    let relay = Relay::start(Config { traces, ..config(&server.url()) }).await;
    let asked = |flags: &str| format!("00-{TRACE}-{PARENT}-{flags}");
    let id = {
        let parent = asked("01");
        let mut answer = relay.post("/api/chat", &[("traceparent", &parent)], &chat("m")).await;
        answer.text().await;
        answer.header("towline-stream").to_owned()
    };
    // A trace that is not sampled has no span, and its header stays unchanged.
    let unrecorded = asked("00");
    relay.post("/api/chat", &[("traceparent", &unrecorded)], &chat("m")).await.text().await;
    relay.post("/api/chat", &[], &chat("cut")).await.text().await;
    relay.stop().await;

    let sent = collector.requests();
    let mut spans: Vec<Value> = Vec::new();
    for request in &sent {
        assert_eq!(request.target, "/v1/traces");
        let body = request.json().unwrap();
        let resource = &body["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "towline-relay");
        for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
            // Spans that were being sent when the relay ended may arrive twice.
            if spans.iter().all(|known| known["spanId"] != span["spanId"]) {
                spans.push(span.clone());
            }
        }
        assert!(!body.to_string().contains("secret words"));
    }
    assert_eq!(spans.len(), 2, "{spans:?}");
    let (first, second) = (&spans[0], &spans[1]);
    assert_eq!((&first["traceId"], &first["parentSpanId"]), (&TRACE.into(), &PARENT.into()));
    assert_eq!(
        (&first["name"], &first["kind"], &first["status"]["code"]),
        (&"chat m".into(), &3.into(), &1.into())
    );
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "ollama"),
        ("gen_ai.request.model", "m"),
        ("gen_ai.usage.input_tokens", "7"),
        ("gen_ai.usage.output_tokens", "3"),
        ("towline.outcome", "completed"),
        ("towline.server", "one"),
        ("towline.stream", id.as_str()),
    ] {
        assert_eq!(attribute(first, key), Some(&value.into()), "{key}");
    }
    assert!(attribute(first, "error.type").is_none());
    assert!(attribute(first, "towline.time_to_first_chunk").unwrap().as_f64().unwrap() >= 0.0);
    let times = ["startTimeUnixNano", "endTimeUnixNano"]
        .map(|key| first[key].as_str().unwrap().parse::<u64>().unwrap());
    assert!(times[0] <= times[1]);
    assert_eq!((&second["parentSpanId"], &second["status"]["code"]), (&"".into(), &2.into()));
    assert_eq!(attribute(second, "error.type"), Some(&"truncated".into()));

    let span = first["spanId"].as_str().unwrap();
    let parents: Vec<String> = server
        .requests()
        .iter()
        .filter(|request| request.target == "/api/chat")
        .map(|request| request.header("traceparent").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(parents[..2], [format!("00-{TRACE}-{span}-01"), unrecorded]);
    assert!(parents[2].contains(second["traceId"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_changes_nothing() {
    let server = Server::start(Routes::new().model("m", Script::ndjson(ollama::chat(&["x"]))));
    let traces = Some(upstream("collector", "http://127.0.0.1:9"));
    let relay = Relay::start(Config { traces, ..config(&server.url()) }).await;
    assert_eq!(relay.post("/api/chat", &[], &chat("m")).await.status, 200);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_sent_when_the_relay_ends_is_sent_again() {
    let server = Server::start(Script::ndjson(ollama::chat(&["Hello."])));
    let taken = Script::respond(200, "application/json", "{}");
    let collector = Server::start(Routes::new().path_each("/v1/traces", [Script::request().stall(), taken]));
    let traces = Some(upstream("collector", &collector.url()));
    let relay = Relay::start(Config { traces, ..config(&server.url()) }).await;
    relay.post("/api/chat", &[], &chat("m")).await.text().await;
    soon(async {
        while collector.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    relay.stop().await;
    let bodies: Vec<Value> = collector.requests().iter().map(|request| request.json().unwrap()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
}
