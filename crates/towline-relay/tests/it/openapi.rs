//! The description of the control API, compared with the server.

use std::collections::BTreeSet;

use serde_json::Value;
use towline_core::http1::Method;
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, ask, config};

/// The keys at depth `indent` under the line `under` of the description, which has one key per line.
fn keys_under<'a>(text: &'a str, under: &str, indent: usize) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|line| line.trim_end() != under).skip(1);
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut keys = Vec::new();
    while let Some(line) = lines.next().filter(|line| line.trim().is_empty() || depth(line) >= indent) {
        if depth(line) == indent && !line.trim().is_empty() && !line.trim().starts_with('#') {
            keys.push(line.trim().split(':').next().unwrap());
        }
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_request_exists_and_a_job_is_as_described() {
    let server = Server::start(Routes::new().model("m", Script::ndjson(ollama::chat(&["x"]))));
    let relay = Relay::start(config(&server.url())).await;
    let text = relay.get("/towline/v1/openapi.yaml").await.text().await;
    let id = relay.detached("m").await;
    let job = relay.ended(&id).await;

    let described: BTreeSet<&str> =
        keys_under(&text, "      properties: # of a job", 8).into_iter().collect();
    let shown: BTreeSet<&str> = job.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, shown);

    let paths: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("  /"))
        .map(|line| line.trim().trim_end_matches(':'))
        .collect();
    assert!(paths.len() >= 10, "{paths:?}");
    let mut checked = 0;
    for path in paths {
        let target = path.replace("{id}", &id);
        for method in keys_under(&text, &format!("  {path}:"), 4) {
            let method = match method {
                "get" => Method::Get,
                "post" => Method::Post,
                // The job is needed until the end.
                "delete" | "parameters" => continue,
                other => panic!("{other} at {path}"),
            };
            if target.ends_with("/shutdown") {
                continue;
            }
            let body = match target.rsplit('/').next() {
                Some("deadline") => "{\"none\":true}",
                Some("rename") => "{\"name\":\"another\"}",
                _ => "{}",
            };
            let mut answer = ask(&relay.client, method, &target, &[], body).await;
            // This relay has no history, and so no conversation of one.
            let is_missing = target.contains("/history/") && answer.status == 404;
            assert!(
                matches!(answer.status, 200..=299 | 409) || is_missing,
                "{method} {target}: {}",
                answer.status
            );
            if answer.header("content-type") == "application/json" {
                let _: Value = answer.json().await;
            }
            checked += 1;
        }
    }
    assert!(checked >= 9, "{checked}");
    assert_eq!(relay.delete(&format!("/towline/v1/jobs/{id}")).await.status, 204);
    assert_eq!(relay.post(&format!("/towline/v1/jobs/{id}/cancel"), &[], "").await.status, 404);
    assert_eq!(relay.post("/towline/v1/version", &[], "").await.status, 405);
    relay.stop().await;
}
