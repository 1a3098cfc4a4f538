//! The metrics for Prometheus: its rules, and figures that match the answers.

use std::collections::{BTreeMap, BTreeSet};

use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, chat, config, soon};

/// The samples by name and labels. Checks the text against Prometheus' format and the rules of `promtool check metrics`: each
/// family is contiguous and has a help and a type, counters end in `_total` and nothing else does, and the buckets of a
/// histogram rise to its count.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut kinds, mut seen, mut samples) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
    let mut family = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(seen.insert(name.to_owned()), "{name} stands together");
            assert!(help.ends_with('.'), "{line}");
            family = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            kinds.insert(family.clone(), kind.to_owned());
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let is_histogram = kinds[&family] == "histogram";
            let suffix = name.strip_prefix(family.as_str()).unwrap();
            assert_eq!(is_histogram, ["_bucket", "_sum", "_count"].contains(&suffix), "{line}");
            assert!(is_histogram || suffix.is_empty(), "{line}");
            assert!(
                samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(),
                "{line} stands once"
            );
        }
    }
    for (sample, count) in &samples {
        if let Some((name, labels)) = sample.split_once("_count")
            && kinds.get(name).is_some_and(|kind| kind == "histogram")
        {
            let labels = labels.trim_matches(['{', '}']);
            let start = if labels.is_empty() { String::new() } else { format!("{labels},") };
            assert_eq!(samples[&format!("{name}_bucket{{{start}le=\"+Inf\"}}")], *count, "{sample}");
        }
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_what_answers_took() {
    let done = "{\"model\":\"good\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\
                \"prompt_eval_count\":7,\"eval_count\":3}";
    let routes = Routes::new()
        .model("good", Script::ndjson([ollama::chat_text("a"), ollama::chat_text("b"), done.to_owned()]))
        .model("cut", Script::ndjson([ollama::chat_text("a")]))
        .model("a \"quoted\\\" name", Script::ndjson([done]));
    let server = Server::start(routes);
    let relay = Relay::start(config(&server.url())).await;
    assert!(samples(&relay.get("/metrics").await.text().await).contains_key("towline_relay_running"));
    for model in ["good", "good", "cut", "a \\\"quoted\\\\\\\" name"] {
        let body = chat("MODEL").replace("MODEL", model);
        relay.post("/api/chat", &[], &body).await.text().await;
    }
    // An answer is counted once its reader has received its end.
    let text = soon(async {
        loop {
            let text = relay.get("/metrics").await.text().await;
            let ended = |sample: &(&String, &f64)| sample.0.starts_with("towline_relay_answers_ended_total");
            if samples(&text).iter().filter(ended).map(|(_, count)| count).sum::<f64>() == 4.0 {
                break text;
            }
        }
    })
    .await;
    let samples = samples(&text);
    let labels = |model: &str| format!("gen_ai_request_model=\"{model}\",server=\"one\",owner=\"local\"");
    let good = labels("good");
    for (name, labels, value) in [
        ("gen_ai_client_operation_duration_seconds_count", format!("{good},outcome=\"completed\""), 2.0),
        (
            "gen_ai_client_operation_duration_seconds_count",
            format!("{},outcome=\"truncated\"", labels("cut")),
            1.0,
        ),
        ("gen_ai_client_operation_time_to_first_chunk_seconds_count", good.clone(), 2.0),
        ("gen_ai_client_operation_time_per_output_chunk_seconds_count", good.clone(), 4.0),
        ("gen_ai_client_token_usage_sum", format!("{good},gen_ai_token_type=\"input\""), 14.0),
        ("gen_ai_client_token_usage_sum", format!("{good},gen_ai_token_type=\"output\""), 6.0),
        ("gen_ai_client_token_usage_count", format!("{},gen_ai_token_type=\"output\"", labels("cut")), 0.0),
        (
            "gen_ai_client_operation_duration_seconds_count",
            format!("{},outcome=\"completed\"", labels("a \\\"quoted\\\\\\\" name")),
            1.0,
        ),
    ] {
        assert_eq!(samples.get(&format!("{name}{{{labels}}}")), Some(&value), "{name} {labels}\n{text}");
    }
    assert!(samples["towline_relay_store_batch_seconds_count"] > 0.0);
    assert_eq!(
        samples[&format!("towline_relay_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))],
        1.0
    );
    relay.stop().await;
}
