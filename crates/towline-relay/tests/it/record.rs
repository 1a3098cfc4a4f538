//! The record of an answer: its name, question, conversation and request.

use serde_json::{Value, json};
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, config, on_disk, soon};

fn models() -> Server {
    Server::start(Routes::new().model("m", Script::ndjson(ollama::chat(&["one", " two"]))))
}

fn asks(question: &str) -> String {
    json!({"model": "m", "messages": [{"role": "user", "content": "before"}, {"role": "user", "content": question}]})
        .to_string()
}

/// A detached chat; returns its record.
async fn detached(relay: &Relay, question: &str, headers: &[(&str, &str)]) -> Value {
    let headers: Vec<(&str, &str)> = [("towline-detach", "true")].iter().chain(headers).copied().collect();
    let mut answer = relay.post("/api/chat", &headers, &asks(question)).await;
    assert_eq!(answer.status, 202);
    answer.json().await
}

async fn job(relay: &Relay, handle: &str) -> Value {
    relay.get(&format!("/towline/v1/jobs/{handle}?wait=30")).await.json().await
}

async fn listed(relay: &Relay, query: &str) -> Vec<String> {
    let list = relay.get(&format!("/towline/v1/jobs?{query}")).await.json().await;
    list["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_keeps_what_it_belongs_to_and_its_name_finds_it() {
    let server = models();
    let relay = Relay::start(config(&server.url())).await;
    let headers = [("towline-conversation", "c 1"), ("towline-turn", "3"), ("towline-asked-by", "prompt")];
    let first = detached(&relay, "Tell a long story.", &headers).await;
    assert_eq!(first["name"], "tell-a-long-story");
    let shown = job(&relay, "tell-a-long-story").await;
    for (key, value) in [
        ("id", first["id"].clone()),
        ("question", "Tell a long story.".into()),
        ("questions_before", 1.into()),
        ("conversation", "c 1".into()),
        ("turn", "3".into()),
        ("asked_by", "prompt".into()),
        ("model", "m".into()),
        ("upstream", "one".into()),
        ("state", "completed".into()),
        ("has_request", true.into()),
        // As the model server counted them.
        ("tokens", ollama_tokens().into()),
    ] {
        assert_eq!(shown[key], value, "{key} of {shown}");
    }
    // The number of the last job that had it.
    assert_eq!((&shown["number"], &job(&relay, "%251").await["id"]), (&1.into(), &first["id"]));
    // A name in use gets a number, also if the caller chose it.
    assert_eq!(detached(&relay, "tell a LONG story?", &[]).await["name"], "tell-a-long-story-2");
    assert_eq!(detached(&relay, "x", &[("towline-name", "My Story/é")]).await["name"], "My-Story-é");
    assert_eq!(job(&relay, "My-Story-%C3%A9").await["question"], "x");
    // A prefix of an id works too; an unknown name does not.
    let id = first["id"].as_str().unwrap();
    assert_eq!(job(&relay, &id[..8]).await["id"], id);
    for nobody in [&id[..3], "tell", "nobody"] {
        assert_eq!(relay.get(&format!("/towline/v1/jobs/{nobody}")).await.status, 404, "{nobody}");
    }
    relay.stop().await;
}

/// The number of tokens that the testkit's model server reports for its answer of two words.
fn ollama_tokens() -> u64 {
    let last: Value = serde_json::from_str(ollama::chat(&["one", " two"]).last().unwrap().as_ref()).unwrap();
    last["eval_count"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_run_have_numbers_of_their_own() {
    let server = Server::start(
        Routes::new()
            .path_each(
                "/api/chat",
                ["a", "b", "c", "d"].map(|gate| {
                    Script::ndjson_open([ollama::chat_text("x")])
                        .wait(gate)
                        .lines([ollama::chat_done("stop", 1)])
                        .end_chunks()
                }),
            )
            .path("/api/tags", Script::error(404, "none")),
    );
    let relay = Relay::start(config(&server.url())).await;
    let number = async |question| {
        let asked = detached(&relay, question, &[]).await;
        (relay.get(&format!("/towline/v1/jobs/{}", asked["id"].as_str().unwrap())).await.json().await)["number"].as_u64().unwrap()
    };
    assert_eq!([number("one").await, number("two").await, number("three").await], [1, 2, 3]);
    for gate in ["a", "b", "c"] {
        server.open(gate);
    }
    for name in ["one", "two", "three"] {
        assert_eq!(job(&relay, name).await["state"], "completed");
    }
    assert_eq!(job(&relay, "%252").await["name"], "two", "though it has ended");
    assert_eq!(number("four").await, 1);
    assert_eq!((relay.get("/towline/v1/jobs/%251").await.json().await)["name"], "four");
    for nobody in ["%254", "%25", "%25x", "%250"] {
        assert_eq!(relay.get(&format!("/towline/v1/jobs/{nobody}")).await.status, 404, "{nobody}");
    }
    server.open("d");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_renamed_unless_the_name_is_taken() {
    let (server, folder) = (models(), tempfile::tempdir().unwrap());
    let relay = Relay::start(on_disk(config(&server.url()), folder.path())).await;
    detached(&relay, "first", &[]).await;
    detached(&relay, "second", &[]).await;
    job(&relay, "first").await;
    job(&relay, "second").await;
    let rename = async |relay: &Relay, handle: &str, name: &str| {
        relay
            .post(&format!("/towline/v1/jobs/{handle}/rename"), &[], &json!({"name": name}).to_string())
            .await
    };
    let mut renamed = rename(&relay, "first", "the river").await;
    assert_eq!((renamed.status, &renamed.json().await["name"]), (200, &Value::from("the-river")));
    assert_eq!(rename(&relay, "second", "the-river").await.status, 409);
    assert_eq!(rename(&relay, "second", "second").await.status, 200, "its own name is not taken");
    assert_eq!(rename(&relay, "second", "/").await.status, 400);
    assert_eq!(relay.get("/towline/v1/jobs/first").await.status, 404);
    assert_eq!(relay.delete("/towline/v1/jobs/second").await.status, 204);
    assert_eq!(rename(&relay, "the-river", "second").await.status, 200, "a name is free again");
    relay.stop().await;
    let relay = Relay::start(on_disk(config(&server.url()), folder.path())).await;
    assert_eq!(job(&relay, "second").await["question"], "first");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_kept_is_asked_again() {
    let (server, folder) = (models(), tempfile::tempdir().unwrap());
    let relay = Relay::start(on_disk(config(&server.url()), folder.path())).await;
    let first = detached(&relay, "why?", &[("towline-conversation", "c"), ("towline-turn", "1")]).await;
    job(&relay, "why").await;
    relay.stop().await;
    let relay = Relay::start(on_disk(config(&server.url()), folder.path())).await;
    assert_eq!(relay.get("/towline/v1/jobs/why/request").await.text().await, asks("why?"));
    let mut answer = relay.post("/towline/v1/jobs/why/retry", &[], "").await;
    assert_eq!(answer.status, 202);
    let again = answer.json().await;
    assert_eq!(again["name"], "why-2");
    let shown = job(&relay, "why-2").await;
    let kept = [&shown["retry_of"], &shown["conversation"], &shown["turn"], &shown["state"]];
    assert_eq!(kept, [&first["id"], &"c".into(), &"1".into(), &"completed".into()]);
    let asked: Vec<Value> = server.requests().iter().filter_map(|request| request.json()).collect();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
    assert_eq!(
        relay.log(first["id"].as_str().unwrap()).await,
        relay.log(again["id"].as_str().unwrap()).await
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_kept_where_its_client_or_the_operator_says_so_or_it_is_too_long() {
    let server = models();
    let small = {
        let mut config = config(&server.url());
        config.limits.request_bytes = 200;
        config
    };
    let never = {
        let mut config = config(&server.url());
        config.retention.requests = false;
        config
    };
    let long = "x".repeat(200);
    for (config, question, headers) in [
        (config(&server.url()), "q", &[("towline-keep", "answer")][..]),
        (never, "q", &[]),
        (small.clone(), long.as_str(), &[]),
    ] {
        let relay = Relay::start(config).await;
        let id = detached(&relay, question, headers).await["id"].as_str().unwrap().to_owned();
        assert_eq!(job(&relay, &id).await["has_request"], false);
        let mut refused = relay.post(&format!("/towline/v1/jobs/{id}/retry"), &[], "").await;
        assert_eq!(refused.status, 409);
        let message = refused.json().await["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("was not kept"), "{message}");
        relay.stop().await;
    }
    let relay = Relay::start(small).await;
    assert!(detached(&relay, "q", &[]).await["id"].is_string());
    assert_eq!(job(&relay, "q").await["has_request"], true);
    let headers = [("towline-detach", "true"), ("towline-keep", "some")];
    assert_eq!(relay.post("/api/chat", &headers, &asks("q")).await.status, 400);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_come_by_pages() {
    let server = models();
    let relay = Relay::start(config(&server.url())).await;
    for question in ["Alpha", "Beta river", "Gamma", "RIVER delta"] {
        let headers = if question == "Gamma" { &[("towline-conversation", "c")][..] } else { &[] };
        let id = detached(&relay, question, headers).await["id"].as_str().unwrap().to_owned();
        relay.ended(&id).await;
    }
    assert_eq!(listed(&relay, "text=River").await, ["beta-river", "river-delta"]);
    assert_eq!(listed(&relay, "conversation=c").await, ["gamma"]);
    assert_eq!(listed(&relay, "state=completed&name=alpha").await, ["alpha"]);
    assert!(listed(&relay, "state=failed").await.is_empty());
    assert_eq!(listed(&relay, "since_s=3600").await.len(), 4);
    // A machine's clock may step back.
    soon(async { while !listed(&relay, "since_s=0").await.is_empty() {} }).await;
    for wrong in ["state=odd", "since_s=x", "limit=0"] {
        assert_eq!(relay.get(&format!("/towline/v1/jobs?{wrong}")).await.status, 400, "{wrong}");
    }
    // A page continues after the previous one, even if jobs were deleted meanwhile.
    let first = relay.get("/towline/v1/jobs?limit=2").await.json().await;
    assert_eq!(relay.delete("/towline/v1/jobs/beta-river").await.status, 204);
    let next = first["next"].as_str().unwrap();
    let second = relay.get(&format!("/towline/v1/jobs?limit=2&after={next}")).await.json().await;
    let names = |page: &Value| -> Vec<Value> {
        page["jobs"].as_array().unwrap().iter().map(|job| job["name"].clone()).collect()
    };
    assert_eq!(
        (names(&first), names(&second)),
        (vec!["alpha".into(), "beta-river".into()], vec!["gamma".into(), "river-delta".into()])
    );
    let next = second["next"].as_str().unwrap();
    let last = relay.get(&format!("/towline/v1/jobs?limit=2&after={next}")).await.json().await;
    assert_eq!((names(&last), &last["next"]), (vec![], &Value::Null));
    relay.stop().await;
}
