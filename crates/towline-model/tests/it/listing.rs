//! Listings, loading and unloading, and every refusal.

use serde_json::{Value, json};
use towline_model::Config;

use crate::server::Running;

#[test]
fn listings_describe_the_model_as_the_toy_it_is() {
    let server = Running::start(Config::default());
    let mut client = server.client();
    let tags = client.get("/api/tags").json();
    let model = &tags["models"][0];
    assert_eq!((&model["name"], &model["model"]), (&json!("brook:latest"), &json!("brook:latest")));
    assert_eq!(model["details"]["parameter_size"], "2.76M");
    assert_eq!(model["details"]["quantization_level"], "Q8_0");
    assert_eq!(model["size"], 3_000_416);
    assert_eq!(model["digest"].as_str().unwrap().len(), 64);
    assert_eq!(model["capabilities"], json!(["completion"]));
    assert_eq!(
        (&model["details"]["context_length"], &model["details"]["embedding_length"]),
        (&json!(512), &json!(192))
    );
    assert_eq!(client.get("/api/status").json(), json!({"cloud": {"disabled": true, "source": "none"}}));

    for name in ["brook", "brook:latest", "BROOK", "library/brook"] {
        let show = client.post("/api/show", &json!({"model": name}).to_string()).json();
        assert!(show["modelfile"].as_str().unwrap().contains("toy: 2.8 million parameters"));
        assert!(show["parameters"].as_str().unwrap().contains("temperature                    0.6"));
        assert_eq!(show["capabilities"], json!(["completion"]));
        assert_eq!(show["model_info"]["general.architecture"], "llama");
        assert_eq!(show["model_info"]["llama.context_length"], 512);
        assert_eq!(show["model_info"]["tokenizer.ggml.tokens"], Value::Null);
        assert_eq!(show["model_info"]["llama.attention.layer_norm_rms_epsilon"], 0.00001);
    }
    let verbose = client.post("/api/show", r#"{"name":"brook","verbose":true}"#).json();
    assert_eq!(verbose["model_info"]["tokenizer.ggml.tokens"].as_array().unwrap().len(), 2048);

    for path in ["/", "/api/tags", "/api/version"] {
        assert_eq!(client.send("HEAD", path, "Host: localhost\r\n", "").status, 200);
    }
    assert!(client.get("/api/version").json()["version"].as_str().unwrap().starts_with("0."));
    assert!(client.get("/").text().contains("running"));
}

#[test]
fn a_model_is_loaded_kept_and_let_go_as_asked() {
    let server = Running::start(Config::default());
    let mut client = server.client();
    let loaded =
        |client: &mut crate::client::Client| client.get("/api/ps").json()["models"].as_array().unwrap().len();
    assert_eq!(loaded(&mut client), 0);
    for (path, body, reason) in [
        ("/api/chat", json!({"model": "brook"}), "load"),
        ("/api/chat", json!({"model": "brook", "messages": [], "keep_alive": 0}), "unload"),
        ("/api/generate", json!({"model": "brook", "prompt": "", "keep_alive": "10m"}), "load"),
        ("/api/generate", json!({"model": "brook", "keep_alive": "0s"}), "unload"),
        ("/api/generate", json!({"model": "brook", "keep_alive": -1}), "load"),
    ] {
        let answer = client.post(path, &body.to_string()).json();
        assert_eq!((&answer["done"], &answer["done_reason"]), (&json!(true), &json!(reason)));
        assert_eq!(loaded(&mut client), usize::from(reason == "load"), "{path} {body}");
    }
    let running = client.get("/api/ps").json();
    let expires: jiff::Timestamp = running["models"][0]["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(expires > jiff::Timestamp::now() + std::time::Duration::from_secs(100 * 365 * 24 * 3600));
    // With keep_alive 0 the model is unloaded when the answer ends.
    let body = r#"{"model":"brook","prompt":"hello","stream":false,"keep_alive":0}"#;
    assert_eq!(client.post("/api/generate", body).json()["done"], true);
    while loaded(&mut client) > 0 {}
    // A short time is over soon.
    let body = r#"{"model":"brook","keep_alive":"1ms"}"#;
    assert_eq!(client.post("/api/generate", body).json()["done_reason"], "load");
    while loaded(&mut client) > 0 {}
}

#[test]
fn refusals_have_the_status_and_the_words_of_ollama() {
    let server = Running::start(Config::default());
    let mut client = server.client();
    let mut check = |path: &str, body: &str, status: u16, text: &str| {
        let answer = client.post(path, body);
        assert_eq!(answer.status, status, "{path} {body}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(text), "{error}, expected {text}");
    };
    for path in ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show"] {
        check(path, "", 400, "missing request body");
        check(path, "{", 400, "EOF");
        check(path, "[]", 400, "");
        check(path, "{}", 400, "model is required");
        check(path, r#"{"model":"nope"}"#, 404, "model 'nope' not found");
        check(path, r#"{"model":7}"#, 400, "expected a string");
    }
    let mut chat = |extra: Value, text: &str| {
        let mut body = json!({"model": "brook", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        check("/api/chat", &body.to_string(), 400, text);
    };
    chat(json!({"think": true}), "\"brook\" does not support thinking");
    chat(json!({"think": "high"}), "\"brook\" does not support thinking");
    chat(json!({"tools": [{}]}), "\"brook\" does not support tools");
    chat(json!({"format": "json"}), "\"brook\" does not support format");
    chat(json!({"format": {"type": "object"}}), "\"brook\" does not support format");
    chat(json!({"messages": [{"role": "user", "images": ["aGk="]}]}), "\"brook\" does not support vision");
    chat(json!({"options": {"temperature": "hot"}}), "option \"temperature\" must be of type float32");
    chat(json!({"keep_alive": "soon"}), "invalid duration");
    chat(json!({"logprobs": true}), "\"brook\" does not support logprobs");
    for (extra, text) in [
        (json!({"suffix": "y"}), "\"brook\" does not support insert"),
        (json!({"images": ["aGk="]}), "\"brook\" does not support vision"),
        (json!({"raw": true, "system": "y"}), "raw mode does not support template, system, or context"),
        (json!({"template": "{{ .Prompt }}"}), "\"brook\" does not support template"),
    ] {
        let mut body = json!({"model": "brook", "prompt": "x"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        check("/api/generate", &body.to_string(), 400, text);
    }
    check("/api/embed", r#"{"model":"brook","input":7}"#, 400, "input: invalid type");
    check("/api/embed", r#"{"model":"brook","input":[7]}"#, 400, "input: invalid type");
    check("/api/pull", "{}", 501, "one model, brook");
    check("/api/create", "{}", 501, "one model, brook");
    check("/api/nope", "{}", 404, "one model, brook, behind /api/chat");
    check("/api/tags", "{}", 405, "use GET");
    assert_eq!(client.get("/api/chat").status, 405);
}

#[test]
fn harmless_fields_and_nulls_are_accepted() {
    let server = Running::start(Config::default());
    let body = json!({
        "model": "brook",
        "messages": [{"role": "User", "content": "hello", "images": null, "tool_calls": null, "extra": 1}],
        "stream": false, "tools": [], "format": "", "think": false, "options": null, "keep_alive": null,
        "truncate": null, "logprobs": null, "shift": true, "unknown": {"a": []},
    });
    let answer = server.client().post("/api/chat", &body.to_string()).json();
    assert_eq!(answer["done"], true, "{answer}");
}

#[test]
fn a_bad_rate_is_an_error_at_once() {
    for rate in [0.0, -1.0, f32::NAN] {
        let config = Config { rate: Some(rate), ..Config::default() };
        assert!(Running::try_start(config).err().unwrap().to_string().contains("rate"));
    }
}
