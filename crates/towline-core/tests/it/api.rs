//! The JSON of requests and responses.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use towline_core::api::*;
use towline_core::event::ToolCall;

/// Checks a request's exact JSON, and that ollama-python 0.6.3 sends the same for the same request: `python` is the JSON that
/// it sent; `stream` and the order of keys may differ.
fn check(request: impl Serialize, json: &str, python: &str) {
    assert_eq!(serde_json::to_string(&request).unwrap(), json);
    let [ours, theirs] = [json, python].map(|json| meaning(serde_json::from_str(json).unwrap()));
    assert_eq!(ours, theirs);
}

/// A request without the fields whose values are a server's defaults.
fn meaning(mut request: Value) -> Value {
    let object = request.as_object_mut().unwrap();
    object.remove("stream");
    object.retain(|_, value| *value != json!([]) && *value != json!(false));
    for message in object.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        message.as_object_mut().unwrap().retain(|_, value| *value != json!(""));
    }
    request
}

fn weather() -> Tool {
    let parameters =
        json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    Tool::function("weather", "Weather now", parameters)
}

fn call(id: Option<&str>, name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.map(str::to_owned), name: name.into(), arguments }
}

/// A conversation with everything in it.
fn conversation() -> Vec<Message> {
    let asked = call(None, "weather", json!({"city": "Rome"}));
    vec![
        Message::system("S"),
        Message::user("Hi").with_image(b"\xff\xd8\xff"),
        Message { thinking: "hm".into(), tool_calls: vec![asked.clone()], ..Message::assistant("") },
        Message::tool_result(&asked, "sunny"),
    ]
}

#[test]
fn chat() {
    check(
        ChatRequest::new("m").user("Hi"),
        r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#,
        r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}],"tools":[]}"#,
    );
    check(
        ChatRequest {
            model: "m".into(),
            messages: conversation(),
            tools: vec![weather()],
            format: Some(Format::Schema(json!({"type": "object"}))),
            think: Some(Think::Level("high".into())),
            options: Options::default().with("temperature", 0.5).with("stop", json!(["x"])),
            logprobs: Some(true),
            top_logprobs: Some(2),
            ..ChatRequest::default()
        },
        concat!(
            r#"{"model":"m","messages":[{"role":"system","content":"S"},"#,
            r#"{"role":"user","content":"Hi","images":["/9j/"]},"#,
            r#"{"role":"assistant","content":"","thinking":"hm","#,
            r#""tool_calls":[{"function":{"name":"weather","arguments":{"city":"Rome"}}}]},"#,
            r#"{"role":"tool","content":"sunny","tool_name":"weather"}],"#,
            r#""tools":[{"type":"function","function":{"name":"weather","description":"Weather now","#,
            r#""parameters":{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}}}],"#,
            r#""format":{"type":"object"},"think":"high","options":{"temperature":0.5,"stop":["x"]},"#,
            r#""logprobs":true,"top_logprobs":2}"#,
        ),
        concat!(
            r#"{"model":"m","stream":true,"options":{"temperature":0.5,"stop":["x"]},"format":{"type":"object"},"#,
            r#""messages":[{"role":"system","content":"S"},{"role":"user","content":"Hi","images":["/9j/"]},"#,
            r#"{"role":"assistant","thinking":"hm","#,
            r#""tool_calls":[{"function":{"name":"weather","arguments":{"city":"Rome"}}}]},"#,
            r#"{"role":"tool","content":"sunny","tool_name":"weather"}],"#,
            r#""tools":[{"type":"function","function":{"name":"weather","description":"Weather now","#,
            r#""parameters":{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}}}],"#,
            r#""think":"high","logprobs":true,"top_logprobs":2}"#,
        ),
    );
    check(
        ChatRequest { model: "m".into(), truncate: Some(true), shift: Some(false), ..ChatRequest::default() },
        r#"{"model":"m","messages":[],"truncate":true,"shift":false}"#,
        // ollama-python does not have these two.
        r#"{"model":"m","stream":true,"messages":[],"tools":[],"truncate":true,"shift":false}"#,
    );
}

#[test]
fn a_tool_call_with_an_id_keeps_it_and_so_does_its_result() {
    let asked = call(Some("call_7"), "weather", json!({"b": 1, "a": 2}));
    let messages = [
        Message { tool_calls: vec![asked.clone()], ..Message::assistant("") },
        Message::tool_result(&asked, "1"),
    ];
    let json = concat!(
        r#"[{"role":"assistant","content":"","#,
        r#""tool_calls":[{"id":"call_7","function":{"name":"weather","arguments":{"b":1,"a":2}}}]},"#,
        r#"{"role":"tool","content":"1","tool_name":"weather","tool_call_id":"call_7"}]"#,
    );
    assert_eq!(serde_json::to_string(&messages).unwrap(), json);
    assert_eq!(serde_json::from_str::<Vec<Message>>(json).unwrap(), messages);
}

#[test]
fn a_message_is_read_with_nulls_and_unknown_fields() {
    let json = r#"{"role":"assistant","content":null,"thinking":null,"images":null,"tool_calls":null,"x":1}"#;
    assert_eq!(serde_json::from_str::<Message>(json).unwrap(), Message::assistant(""));
    let json = r#"{"role":"assistant","tool_calls":[{"function":{"index":0,"name":"f"}}]}"#;
    let wanted = Message { tool_calls: vec![call(None, "f", Value::Null)], ..Message::assistant("") };
    assert_eq!(serde_json::from_str::<Message>(json).unwrap(), wanted);
}

#[test]
fn generate() {
    check(
        GenerateRequest::new("m", "Hi"),
        r#"{"model":"m","prompt":"Hi"}"#,
        r#"{"model":"m","stream":true,"prompt":"Hi"}"#,
    );
    check(
        GenerateRequest {
            suffix: Some("S".into()),
            system: Some("Y".into()),
            template: Some("T".into()),
            context: vec![1, 2],
            raw: Some(true),
            format: Some(Format::Json),
            images: vec!["iVBORw==".into()],
            think: Some(Think::On),
            options: Options::default().with("seed", 1),
            ..GenerateRequest::new("m", "Hi")
        },
        concat!(
            r#"{"model":"m","prompt":"Hi","suffix":"S","system":"Y","template":"T","context":[1,2],"raw":true,"#,
            r#""format":"json","images":["iVBORw=="],"think":true,"options":{"seed":1}}"#,
        ),
        concat!(
            r#"{"model":"m","stream":true,"options":{"seed":1},"format":"json","prompt":"Hi","suffix":"S","#,
            r#""system":"Y","template":"T","context":[1,2],"raw":true,"images":["iVBORw=="],"think":true}"#,
        ),
    );
}

#[test]
fn embed() {
    check(
        EmbedRequest {
            model: "m".into(),
            input: vec!["a".into(), "b".into()],
            truncate: Some(true),
            dimensions: Some(8),
            options: Options::default().with("num_ctx", 1),
            keep_alive: None,
        },
        r#"{"model":"m","input":["a","b"],"truncate":true,"dimensions":8,"options":{"num_ctx":1}}"#,
        r#"{"model":"m","input":["a","b"],"truncate":true,"options":{"num_ctx":1},"dimensions":8}"#,
    );
    check(
        EmbeddingsRequest { model: "m".into(), prompt: "p".into(), ..EmbeddingsRequest::default() },
        r#"{"model":"m","prompt":"p"}"#,
        r#"{"model":"m","prompt":"p"}"#,
    );
}

#[test]
fn models() {
    check(
        PullRequest { model: "m".into(), insecure: false },
        r#"{"model":"m"}"#,
        r#"{"model":"m","stream":true,"insecure":false}"#,
    );
    check(
        PushRequest { model: "m".into(), insecure: true },
        r#"{"model":"m","insecure":true}"#,
        r#"{"model":"m","stream":true,"insecure":true}"#,
    );
    check(
        ShowRequest { model: "m".into(), verbose: false },
        r#"{"model":"m","verbose":false}"#,
        r#"{"model":"m"}"#,
    );
    check(
        CopyRequest { source: "a".into(), destination: "b".into() },
        r#"{"source":"a","destination":"b"}"#,
        r#"{"source":"a","destination":"b"}"#,
    );
    check(DeleteRequest { model: "m".into() }, r#"{"model":"m"}"#, r#"{"model":"m"}"#);
    check(
        CreateRequest { model: "m".into(), from: Some("b".into()), ..CreateRequest::default() },
        r#"{"model":"m","from":"b"}"#,
        r#"{"model":"m","stream":true,"from":"b"}"#,
    );
    let one = |name: &str, digest: &str| BTreeMap::from([(name.to_owned(), digest.to_owned())]);
    check(
        CreateRequest {
            model: "m".into(),
            from: Some("b".into()),
            files: one("f", "sha256:1"),
            adapters: one("a", "sha256:2"),
            template: Some("T".into()),
            license: vec!["L".into()],
            system: Some("S".into()),
            parameters: Options::default().with("temperature", 0.1),
            messages: vec![Message::user("x")],
            quantize: Some("q4_K_M".into()),
            ..CreateRequest::default()
        },
        concat!(
            r#"{"model":"m","from":"b","files":{"f":"sha256:1"},"adapters":{"a":"sha256:2"},"template":"T","#,
            r#""license":["L"],"system":"S","parameters":{"temperature":0.1},"#,
            r#""messages":[{"role":"user","content":"x"}],"quantize":"q4_K_M"}"#,
        ),
        concat!(
            r#"{"model":"m","stream":true,"quantize":"q4_K_M","files":{"f":"sha256:1"},"#,
            r#""adapters":{"a":"sha256:2"},"template":"T","license":["L"],"system":"S","#,
            r#""parameters":{"temperature":0.1},"messages":[{"role":"user","content":"x"}],"from":"b"}"#,
        ),
    );
    check(
        WebSearchRequest { query: "q".into(), max_results: Some(3) },
        r#"{"query":"q","max_results":3}"#,
        r#"{"query":"q","max_results":3}"#,
    );
    check(WebFetchRequest { url: "u".into() }, r#"{"url":"u"}"#, r#"{"url":"u"}"#);
}

/// Ollama reads a number as seconds and a text as a Go duration, at most about 292 years; a negative value means no limit.
#[test]
fn keep_alive() {
    for (keep_alive, json) in [
        (KeepAlive::For(Duration::ZERO), r#""0ms""#),
        (KeepAlive::For(Duration::from_secs(300)), r#""300000ms""#),
        (KeepAlive::For(Duration::from_millis(1500)), r#""1500ms""#),
        // Not 0, which would unload the model at once.
        (KeepAlive::For(Duration::from_nanos(1)), r#""1ms""#),
        (KeepAlive::For(Duration::from_nanos(1_000_001)), r#""2ms""#),
        (KeepAlive::For(Duration::from_secs(9_000_000_000)), r#""9000000000000ms""#),
        (KeepAlive::For(Duration::from_secs(10_000_000_000)), "-1"),
        (KeepAlive::For(Duration::MAX), "-1"),
        (KeepAlive::Forever, "-1"),
    ] {
        assert_eq!(serde_json::to_string(&keep_alive).unwrap(), json, "{keep_alive:?}");
        let chat = ChatRequest { keep_alive: Some(keep_alive), ..ChatRequest::default() };
        let wanted = format!(r#"{{"model":"","messages":[],"keep_alive":{json}}}"#);
        assert_eq!(serde_json::to_string(&chat).unwrap(), wanted);
    }
}

#[test]
fn think_and_format() {
    for (think, json) in [(Think::On, "true"), (Think::Off, "false"), (Think::Level("max".into()), "\"max\"")]
    {
        assert_eq!(serde_json::to_string(&think).unwrap(), json);
    }
    assert_eq!(serde_json::to_string(&Format::Json).unwrap(), "\"json\"");
    // A model writes keys in the order of the schema.
    let schema = json!({"properties": {"z": {}, "a": {}}});
    assert_eq!(serde_json::to_string(&Format::Schema(schema)).unwrap(), r#"{"properties":{"z":{},"a":{}}}"#);
}

#[test]
fn options_from_text() {
    let mut options = Options::default();
    for (name, text) in [
        ("temperature", "0.2"),
        ("temperature", "1"),
        ("num_ctx", "8192"),
        ("seed", "-1"),
        ("use_mmap", "False"),
        ("top_a", "0.5"),
        ("xtc", "true"),
        ("mode", "fast"),
        ("stop", "a"),
        ("stop", "b"),
    ] {
        options.set_text(name, text).unwrap();
    }
    let wanted = json!({
        "temperature": 1.0, "num_ctx": 8192, "seed": -1, "use_mmap": false, "top_a": 0.5, "xtc": true, "mode": "fast",
        "stop": ["a", "b"],
    });
    assert_eq!(serde_json::to_value(&options).unwrap(), wanted);
    for (name, text, part) in [
        ("num_ctx", "1.5", "option num_ctx takes a whole number, not \"1.5\""),
        ("num_ctx", "", "a whole number"),
        ("temperature", "hot", "option temperature takes a number, not \"hot\""),
        ("temperature", "inf", "a finite number"),
        ("temperature", "NaN", "a finite number"),
        ("use_mmap", "on", "true or false"),
    ] {
        let error = options.set_text(name, text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(serde_json::to_value(&options).unwrap(), wanted, "what is refused changes nothing");
}

#[test]
fn openai() {
    let request =
        ChatRequest { model: "m".into(), messages: vec![Message::user("Hi")], ..ChatRequest::default() };
    let least = json!({
        "model": "m", "messages": [{"role": "user", "content": "Hi"}],
        "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(request.openai_body(), least);

    let full = ChatRequest {
        tools: vec![weather()],
        format: Some(Format::Schema(json!({"type": "object"}))),
        think: Some(Think::Level("low".into())),
        logprobs: Some(true),
        top_logprobs: Some(3),
        keep_alive: Some(KeepAlive::Forever),
        truncate: Some(false),
        shift: Some(false),
        options: Options::default()
            .with("num_predict", 5)
            .with("temperature", 0.5)
            .with("stop", json!(["x"]))
            .with("top_k", 3)
            .with("num_ctx", 1)
            .with("num_batch", 1)
            .with("num_gpu", 1)
            .with("main_gpu", 1)
            .with("use_mmap", true)
            .with("num_thread", 1)
            .with("num_keep", 1)
            .with("draft_num_predict", 1)
            // Never another conversation, and always a stream.
            .with("messages", "none")
            .with("stream", false),
        ..request.clone()
    };
    let wanted = json!({
        "model": "m", "messages": [{"role": "user", "content": "Hi"}],
        "stream": true, "stream_options": {"include_usage": true},
        "tools": [{"type": "function", "function": {"name": "weather", "description": "Weather now",
            "parameters": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}}}],
        "response_format": {"type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}},
        "reasoning_effort": "low", "logprobs": true, "top_logprobs": 3,
        "max_tokens": 5, "temperature": 0.5, "stop": ["x"], "top_k": 3,
    });
    assert_eq!(full.openai_body(), wanted);

    let json = ChatRequest { format: Some(Format::Json), ..request.clone() }.openai_body();
    assert_eq!(json["response_format"], json!({"type": "json_object"}));
    for (think, enabled) in [(Think::On, true), (Think::Off, false)] {
        let body = ChatRequest { think: Some(think), ..request.clone() }.openai_body();
        assert_eq!(body["chat_template_kwargs"], json!({"enable_thinking": enabled}));
        assert_eq!(body.get("reasoning_effort"), (!enabled).then(|| json!("none")).as_ref());
    }
}

#[test]
fn openai_images() {
    for (file, media_type) in [
        (&b"\xff\xd8\xff\xe0"[..], "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF....WEBP", "image/webp"),
        (b"\x89PNG\r\n", "image/png"),
        (b"other", "image/png"),
    ] {
        let body = ChatRequest::new("m").message(Message::user("Look").with_image(file)).openai_body();
        let content = &body["messages"][0]["content"];
        assert_eq!(content[0], json!({"type": "text", "text": "Look"}));
        let url = content[1]["image_url"]["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("data:{media_type};base64,")), "{url}");
    }
    let body = ChatRequest::new("m").message(Message::user("").with_image(b"x")).openai_body();
    assert_eq!(body["messages"][0]["content"].as_array().unwrap().len(), 1, "no empty text");
}

/// OpenAI's dialect links a result to its call by an id, which Ollama's servers do not always send.
#[test]
fn openai_tool_results_name_their_calls() {
    let with = |calls: &[&ToolCall]| Message {
        tool_calls: calls.iter().copied().cloned().collect(),
        ..Message::assistant("")
    };
    let named = call(Some("id_1"), "weather", json!({"city": "Rome"}));
    let [rome, oslo] = ["Rome", "Oslo"].map(|city| call(None, "weather", json!({"city": city})));
    let time = call(None, "time", json!({}));
    let messages = vec![
        with(&[&named]),
        Message::tool_result(&named, "0"),
        with(&[&rome, &time, &oslo]),
        Message::tool_result(&time, "1"),
        Message::tool_result(&rome, "2"),
        Message::tool_result(&oslo, "3"),
        with(&[&time]),
        Message::tool_result(&call(None, "renamed", json!({})), "4"),
        Message::tool_result(&time, "of no call"),
    ];
    let body = ChatRequest { messages, ..ChatRequest::default() }.openai_body();
    let messages = body["messages"].as_array().unwrap();
    let made: Vec<_> = messages
        .iter()
        .filter_map(|message| message["tool_calls"].as_array())
        .flatten()
        .map(|call| call["id"].as_str().unwrap())
        .collect();
    assert_eq!(made, ["id_1", "call_1", "call_2", "call_3", "call_4"]);
    let results: Vec<_> = messages
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(|message| (message["content"].as_str().unwrap(), message["tool_call_id"].as_str()))
        .collect();
    let wanted = [
        ("0", Some("id_1")),
        ("1", Some("call_2")),
        ("2", Some("call_1")),
        ("3", Some("call_3")),
        ("4", Some("call_4")),
        ("of no call", None),
    ];
    assert_eq!(results, wanted);
    let sent = &messages[2]["tool_calls"][0];
    let function = json!({"name": "weather", "arguments": "{\"city\":\"Rome\"}"});
    assert_eq!(*sent, json!({"id": "call_1", "type": "function", "function": function}));

    let broken = call(None, "weather", json!("{\"city\":"));
    let body = ChatRequest::new("m").message(with(&[&broken])).openai_body();
    assert_eq!(body["messages"][0]["tool_calls"][0]["function"]["arguments"], "{\"city\":");
}

fn reads<T: DeserializeOwned + Default + PartialEq + Debug>(json: Value, wanted: &T) {
    assert_eq!(serde_json::from_value::<T>(json.clone()).unwrap_or_else(|e| panic!("{e}: {json}")), *wanted);
}

/// Every field may be absent or null, and there may be other fields.
fn tolerant<T: DeserializeOwned + Default + PartialEq + Debug>(fields: &[&str]) {
    reads(json!({}), &T::default());
    for field in fields {
        reads(json!({ *field: null }), &T::default());
    }
}

#[test]
fn responses_bear_nulls_and_what_is_missing() {
    tolerant::<ListResponse>(&["models"]);
    tolerant::<PsResponse>(&["models"]);
    tolerant::<InstalledModel>(&["name", "modified_at", "size", "digest", "details"]);
    tolerant::<ModelDetails>(&["format", "family", "parameter_size", "quantization_level"]);
    tolerant::<RunningModel>(&["name", "size", "size_vram", "context_length", "expires_at", "details"]);
    tolerant::<ShowResponse>(&[
        "license",
        "modelfile",
        "parameters",
        "template",
        "system",
        "details",
        "model_info",
        "capabilities",
        "modified_at",
    ]);
    tolerant::<VersionResponse>(&["version"]);
    tolerant::<StatusResponse>(&["cloud"]);
    tolerant::<MeResponse>(&["id", "name"]);
    tolerant::<EmbedResponse>(&["model", "embeddings", "prompt_eval_count", "total_duration"]);
    tolerant::<EmbeddingsResponse>(&["embedding"]);
    tolerant::<WebSearchResponse>(&["results"]);
    tolerant::<WebResult>(&["title", "url", "content"]);
    tolerant::<WebFetchResponse>(&["title", "content", "links"]);
}

#[test]
fn responses_keep_what_they_do_not_know_where_they_have_a_place_for_it() {
    let list: ListResponse = serde_json::from_value(json!({"models": [{
        "name": "llama3.2:1b", "model": "llama3.2:1b", "modified_at": "2026-01-02T03:04:05Z", "size": 1_321_098_329,
        "digest": "baf6", "details": {"parent_model": "", "format": "gguf", "family": "llama",
            "families": null, "parameter_size": "1.2B", "quantization_level": "Q8_0"},
    }]}))
    .unwrap();
    let model = &list.models[0];
    assert_eq!((model.name.as_str(), model.size), ("llama3.2:1b", 1_321_098_329));
    assert_eq!(model.extra["model"], "llama3.2:1b");
    assert_eq!((model.details.family.as_str(), &model.details.extra["families"]), ("llama", &Value::Null));

    let show: ShowResponse = serde_json::from_value(json!({
        "model_info": {"general.architecture": "llama", "tokenizer.ggml.tokens": null},
        "capabilities": ["completion", "tools"], "details": {}, "tensors": null, "projector_info": {"a": 1},
    }))
    .unwrap();
    assert_eq!(show.capabilities, ["completion", "tools"]);
    assert_eq!(show.model_info["general.architecture"], "llama");
    assert_eq!(show.extra["projector_info"], json!({"a": 1}));

    let embed: EmbedResponse = serde_json::from_value(json!({
        "model": "m", "embeddings": [[0.5, -1], []], "total_duration": 14_143_917, "load_duration": 1,
        "prompt_eval_count": 8, "later": {},
    }))
    .unwrap();
    assert_eq!(embed.embeddings, [vec![0.5, -1.0], vec![]]);
    assert_eq!((embed.prompt_eval_count, embed.total()), (8, Duration::from_nanos(14_143_917)));
}
