//! The responses of chat, generate and embed.

use serde_json::{Value, json};
use towline_model::Config;

use crate::client::lines;
use crate::server::Running;

fn server() -> Running {
    Running::start(Config::default())
}

fn ask(server: &Running, path: &str, body: Value) -> Value {
    server.client().post(path, &body.to_string()).json()
}

fn greedy(extra: Value) -> Value {
    let mut body =
        json!({"model": "brook", "stream": false, "options": {"temperature": 0, "num_predict": 40}});
    let map = body.as_object_mut().unwrap();
    map.extend(extra.as_object().unwrap().clone());
    body
}

fn river() -> Value {
    json!([{"role": "user", "content": "What is a river?"}])
}

#[test]
fn a_chat_streams_one_record_per_chunk_and_ends_with_its_counts() {
    let server = server();
    let mut client = server.client();
    let mut body = greedy(json!({"messages": river()}));
    body["stream"] = Value::Null;
    let answer = client.post("/api/chat", &body.to_string());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let records: Vec<Value> = lines(answer).collect();
    let (last, pieces) = records.split_last().unwrap();
    assert!(pieces.len() > 3);
    let mut text = String::new();
    for piece in pieces {
        let keys: Vec<&String> = piece.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["model", "created_at", "message", "done"]);
        assert_eq!((&piece["model"], &piece["done"]), (&json!("brook"), &json!(false)));
        assert_eq!(piece["message"]["role"], "assistant");
        let time = piece["created_at"].as_str().unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
        let content = piece["message"]["content"].as_str().unwrap();
        assert!(!content.is_empty());
        text.push_str(content);
    }
    let keys: Vec<&String> = last.as_object().unwrap().keys().collect();
    let expected = [
        "model",
        "created_at",
        "message",
        "done",
        "done_reason",
        "total_duration",
        "load_duration",
        "prompt_eval_count",
        "prompt_eval_duration",
        "eval_count",
        "eval_duration",
    ];
    assert_eq!(keys, expected);
    assert_eq!(last["message"], json!({"role": "assistant", "content": ""}));
    assert_eq!(last["prompt_eval_count"], 13);
    let total = last["total_duration"].as_u64().unwrap();
    let parts = ["load_duration", "prompt_eval_duration", "eval_duration"];
    assert!(parts.iter().map(|part| last[part].as_u64().unwrap()).sum::<u64>() <= total);

    // The connection is free for the next request, and the joined answer is the same.
    let joined = client.post("/api/chat", &greedy(json!({"messages": river()})).to_string());
    assert_eq!(joined.header("content-type"), Some("application/json; charset=utf-8"));
    let joined = joined.json();
    assert_eq!(joined["message"]["content"], text.as_str());
    assert_eq!(joined["done_reason"], last["done_reason"]);
    assert_eq!(joined["eval_count"], last["eval_count"]);
}

#[test]
fn a_last_turn_of_the_assistant_is_continued() {
    let server = server();
    let whole = ask(&server, "/api/chat", greedy(json!({"messages": river()})));
    let whole = whole["message"]["content"].as_str().unwrap();
    let cut = whole.char_indices().filter(|(_, c)| *c == ' ').nth(3).unwrap().0;
    let mut messages = river();
    messages.as_array_mut().unwrap().push(json!({"role": "assistant", "content": whole[..cut]}));
    let rest = ask(&server, "/api/chat", greedy(json!({"messages": messages})));
    assert!(rest["message"]["content"].as_str().unwrap().starts_with(&whole[cut..cut + 10]));
}

#[test]
fn a_rendered_prompt_sent_raw_gives_the_same_answer() {
    let server = server();
    let chat = ask(&server, "/api/chat", greedy(json!({"messages": river()})));
    let rendered =
        ask(&server, "/api/chat", greedy(json!({"messages": river(), "_debug_render_only": true})));
    let prompt = &rendered["_debug_info"]["rendered_template"];
    assert_eq!(rendered["done"], false);
    assert_eq!(prompt, "<|im_start|>user\nWhat is a river?<|im_end|>\n<|im_start|>assistant\n");
    let raw = ask(&server, "/api/generate", greedy(json!({"prompt": prompt, "raw": true})));
    assert_eq!(raw["response"], chat["message"]["content"]);
    assert_eq!(raw["context"], Value::Null);
    let plain = ask(&server, "/api/generate", greedy(json!({"prompt": "What is a river?"})));
    assert_eq!(plain["response"], chat["message"]["content"]);
}

#[test]
fn generate_takes_a_system_text_and_an_earlier_context() {
    let server = server();
    let rendered = |extra: Value| {
        let mut body = greedy(json!({"prompt": "P", "_debug_render_only": true}));
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        ask(&server, "/api/generate", body)["_debug_info"]["rendered_template"].clone()
    };
    let system = rendered(json!({"system": "S"}));
    let expected = "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nP<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(system, expected);

    let first = ask(&server, "/api/generate", greedy(json!({"prompt": "What is a pond?"})));
    let context = &first["context"];
    let ids = context.as_array().unwrap().len() as u64;
    assert!(ids >= first["prompt_eval_count"].as_u64().unwrap() + first["eval_count"].as_u64().unwrap() - 1);
    let next = ask(&server, "/api/generate", greedy(json!({"prompt": "Thanks!", "context": context})));
    assert!(next["prompt_eval_count"].as_u64().unwrap() > ids);
    let bad = ask(&server, "/api/generate", greedy(json!({"prompt": "x", "context": [4_000_000]})));
    assert_eq!(bad["error"], "context: there is no token 4000000");
}

#[test]
fn old_turns_make_room_and_the_system_turn_stays() {
    let server = server();
    let mut messages = vec![json!({"role": "system", "content": "Be brief."})];
    for number in 0..60 {
        messages.push(json!({"role": "user", "content": format!("Question {number}: what is a river?")}));
        messages.push(json!({"role": "assistant", "content": "A river is a large stream."}));
    }
    messages.push(json!({"role": "user", "content": "And the last one?"}));
    let body = |extra: Value| {
        let mut body = greedy(json!({"messages": messages}));
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let rendered = ask(&server, "/api/chat", body(json!({"_debug_render_only": true})));
    let prompt = rendered["_debug_info"]["rendered_template"].as_str().unwrap();
    assert!(prompt.starts_with("<|im_start|>system\nBe brief.<|im_end|>\n"), "{prompt}");
    assert!(prompt.ends_with("And the last one?<|im_end|>\n<|im_start|>assistant\n"), "{prompt}");
    assert!(prompt.contains("Question 59") && !prompt.contains("Question 0:"), "{prompt}");
    let answer = ask(&server, "/api/chat", body(json!({})));
    assert_eq!(answer["done"], true);
    assert!(answer["prompt_eval_count"].as_u64().unwrap() < 512);
    let strict = ask(&server, "/api/chat", body(json!({"truncate": false})));
    let error = strict["error"].as_str().unwrap();
    assert!(error.starts_with("the input length exceeds the context length: "), "{error}");
    assert!(error.ends_with(" tokens, but the context holds 512"), "{error}");
    // A single turn that is too long is truncated.
    let long = "river ".repeat(2000);
    let answer = ask(&server, "/api/generate", greedy(json!({"prompt": long})));
    assert_eq!(answer["prompt_eval_count"], 472);
    assert_eq!(
        answer["note"],
        "the prompt of 2010 tokens was cut to 472: the context holds 512, answer included"
    );
    let short = ask(&server, "/api/generate", greedy(json!({"prompt": "river"})));
    assert_eq!(short["note"], Value::Null);
}

#[test]
fn options_steer_the_answer() {
    let server = server();
    let with = |options: Value| {
        ask(
            &server,
            "/api/chat",
            json!({"model": "brook", "stream": false, "messages": river(), "options": options}),
        )
    };
    let text = |answer: &Value| answer["message"]["content"].as_str().unwrap().to_owned();
    let whole = with(json!({"temperature": 0}));
    assert_eq!(whole["done_reason"], "stop");
    let short = with(json!({"temperature": 0, "num_predict": 3}));
    assert_eq!((short["done_reason"].as_str(), short["eval_count"].as_u64()), (Some("length"), Some(3)));
    let word = text(&whole).split(' ').nth(4).unwrap().to_owned();
    let stopped = with(json!({"temperature": 0, "stop": [word]}));
    assert_eq!(text(&stopped), text(&whole).split_once(&word).unwrap().0);
    assert_eq!(stopped["done_reason"], "stop");
    let small = with(json!({"temperature": 0, "num_ctx": 24}));
    assert_eq!(small["done_reason"], "length");
    assert_eq!(small["prompt_eval_count"].as_u64().unwrap() + small["eval_count"].as_u64().unwrap(), 24);
    let seeded = |seed: i64| text(&with(json!({"temperature": 1.5, "top_p": 1, "top_k": 0, "seed": seed})));
    assert_eq!(seeded(1), seeded(1));
    assert_ne!(seeded(1), seeded(2));
}

#[test]
fn an_answer_keeps_its_pace() {
    let server = Running::start(Config { rate: Some(100.0), ..Config::default() });
    let answer =
        ask(&server, "/api/chat", greedy(json!({"messages": river(), "options": {"num_predict": 12}})));
    assert_eq!(answer["eval_count"], 12);
    // There are eleven pauses of 10 ms between twelve tokens.
    assert!(answer["eval_duration"].as_u64().unwrap() >= 110_000_000);
}

#[test]
fn embeddings_are_normalised_and_can_be_shortened() {
    let server = server();
    let length = |vector: &Value| {
        let squares: f64 = vector.as_array().unwrap().iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
        squares.sqrt()
    };
    let two = ask(&server, "/api/embed", json!({"model": "brook", "input": ["a river", "a pond"]}));
    let vectors = two["embeddings"].as_array().unwrap();
    assert_eq!(vectors.iter().map(|vector| vector.as_array().unwrap().len()).collect::<Vec<_>>(), [192, 192]);
    assert!(vectors.iter().all(|vector| (length(vector) - 1.0).abs() < 1e-4));
    assert_ne!(vectors[0], vectors[1]);
    assert!(two["prompt_eval_count"].as_u64().unwrap() >= 4 && two["total_duration"].as_u64().unwrap() > 0);

    let short = ask(&server, "/api/embed", json!({"model": "brook", "input": "a river", "dimensions": 8}));
    assert_eq!(short["embeddings"][0].as_array().unwrap().len(), 8);
    assert!((length(&short["embeddings"][0]) - 1.0).abs() < 1e-4);
    let old = ask(&server, "/api/embeddings", json!({"model": "brook", "prompt": "a river"}));
    let rounded = |vector: &Value| -> Vec<f32> {
        vector.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    };
    assert_eq!(rounded(&old["embedding"]), rounded(&vectors[0]));
    assert_eq!(ask(&server, "/api/embed", json!({"model": "brook", "input": []}))["embeddings"], json!([]));
    let long = json!({"model": "brook", "input": "river ".repeat(2000), "truncate": false});
    let error = &ask(&server, "/api/embed", long)["error"];
    assert!(error.as_str().unwrap().starts_with("the input length exceeds the context length: "), "{error}");
}
