//! The meaning of records for which the corpus has no stream.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use towline_core::dialect::Dialect;
use towline_core::event::{Event, Image, PartialToolCall, TokenLogprob, ToolCall, Usage};
use towline_core::outcome::{Ending, FinishReason, Outcome};
use towline_core::stream::{BodyEnd, Lifecycle, Opened};
use towline_core::timeouts::{Limits, Timeouts};

use crate::support::{End, Run, drain, run};

fn text(text: &str) -> Event {
    Event::Text(text.into())
}

fn thinking(text: &str) -> Event {
    Event::Thinking(text.into())
}

fn call(id: Option<&str>, name: &str, arguments: Value) -> Event {
    Event::ToolCall(Box::new(ToolCall { id: id.map(str::to_owned), name: name.into(), arguments }))
}

/// The events of one record, and of the same record again, when a template exists.
fn events(dialect: Dialect, record: &Value) -> Vec<Event> {
    let body = match dialect {
        Dialect::OpenAi | Dialect::Responses | Dialect::Messages => format!("data: {record}\n\n"),
        Dialect::Ollama | Dialect::OllamaProgress => format!("{record}\n"),
    };
    let Run { events, .. } = run(dialect, [body.as_bytes()], End::Clean);
    let twice = run(dialect, [body.as_bytes(), body.as_bytes()], End::Clean);
    if !twice.outcome.is_completed() {
        assert_eq!(twice.events, [&events[..], &events[..]].concat(), "{record}");
    }
    events
}

#[test]
fn ollama_parts() {
    for (record, wanted) in [
        (json!({"message": {"content": "a"}}), vec![text("a")]),
        (json!({"response": "a"}), vec![text("a")]),
        (json!({"message": {"content": "", "thinking": "t"}}), vec![thinking("t")]),
        (json!({"response": "", "thinking": "t"}), vec![thinking("t")]),
        // Thinking has three names; only one of them is used at a time.
        (json!({"message": {"thinking": "", "reasoning_content": "r"}}), vec![thinking("r")]),
        (json!({"message": {"reasoning": "r"}}), vec![thinking("r")]),
        (
            json!({"message": {"thinking": "t", "reasoning_content": "c", "reasoning": "r"}}),
            vec![thinking("t")],
        ),
        // Order within a record.
        (
            json!({"message": {"tool_calls": [{"function": {"name": "f"}}], "content": "a", "thinking": "t"}}),
            vec![thinking("t"), text("a"), call(None, "f", json!({}))],
        ),
        (json!({"message": null, "done": false}), vec![]),
        (json!({"message": "a"}), vec![]),
        (
            json!({"message": {"content": ["a", {"type": "thinking", "thinking": "t"}]}}),
            vec![text("a"), thinking("t")],
        ),
        // Images, under either name.
        (
            json!({"message": {"images": ["aGk=", "", 7]}}),
            vec![Event::Image(Image { base64: "aGk=".into() })],
        ),
        (json!({"image": "aGk=", "response": ""}), vec![Event::Image(Image { base64: "aGk=".into() })]),
        // Values that are not log probabilities are left out.
        (
            json!({"logprobs": [{"token": "a", "logprob": -1}, {"token": "b"}, 7, {"token": "c", "logprob": -2.5, "top_logprobs": null}]}),
            vec![Event::Logprobs(vec![
                TokenLogprob { token: "a".into(), logprob: -1.0, top_logprobs: vec![] },
                TokenLogprob { token: "c".into(), logprob: -2.5, top_logprobs: vec![] },
            ])],
        ),
        (json!({"logprobs": []}), vec![]),
        (json!({"logprobs": null}), vec![]),
    ] {
        assert_eq!(events(Dialect::Ollama, &record), wanted, "{record}");
    }
}

#[test]
fn openai_parts() {
    let choice = |choice: Value| json!({"choices": [choice]});
    for (record, wanted) in [
        (choice(json!({"delta": {"content": "a"}})), vec![text("a")]),
        (choice(json!({"message": {"content": "a"}})), vec![text("a")]),
        (choice(json!({"text": "a"})), vec![text("a")]),
        (choice(json!({"delta": {"refusal": "no"}})), vec![text("no")]),
        (choice(json!({"delta": {"content": "a", "refusal": "no"}})), vec![text("a")]),
        (choice(json!({"delta": {"reasoning_content": "c", "reasoning": "r"}})), vec![thinking("c")]),
        (choice(json!({"delta": {"reasoning": "r", "content": "a"}})), vec![thinking("r"), text("a")]),
        (choice(json!({"delta": null})), vec![]),
        (choice(json!({"delta": {"content": null}})), vec![]),
        // Only the first choice is read.
        (json!({"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]}), vec![text("a")]),
        (json!({"choices": {"0": {"delta": {"content": "a"}}}}), vec![]),
        // A complete call, whose arguments are not text.
        (
            choice(
                json!({"delta": {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]}}),
            ),
            vec![call(Some("1"), "f", json!({"a": 1}))],
        ),
        // Usage, with or without details and llama.cpp's timings.
        (
            json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7.0,
                "prompt_tokens_details": {"cached_tokens": 2}},
                "timings": {"prompt_ms": 1.5, "predicted_ms": 250, "prompt_n": 5}}),
            vec![Event::Usage(Box::new(Usage {
                prompt_tokens: Some(5),
                cached_prompt_tokens: Some(2),
                completion_tokens: Some(7),
                total: None,
                load: None,
                prompt: Some(Duration::from_micros(1500)),
                completion: Some(Duration::from_millis(250)),
                note: None,
            }))],
        ),
        // Details beside the finish reason.
        (
            json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "note": "cut"}),
            vec![Event::Usage(Box::new(Usage { note: Some("cut".to_owned()), ..Usage::default() }))],
        ),
        (
            json!({"usage": {"prompt_tokens": -1, "completion_tokens": "7"}, "timings": {"prompt_ms": -1, "predicted_ms": 1e300}}),
            vec![Event::Usage(Box::default())],
        ),
        (json!({"usage": 7}), vec![]),
    ] {
        assert_eq!(events(Dialect::OpenAi, &record), wanted, "{record}");
    }
}

/// The calls from pieces, and the calls that remain after a cut.
fn assemble(pieces: &[Value]) -> (Vec<Event>, Vec<PartialToolCall>) {
    let chunk =
        |piece: &Value| format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [piece]}}]}));
    let body: String = pieces.iter().map(chunk).collect();
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n";
    let done = run(Dialect::OpenAi, [body.as_bytes(), finish.as_bytes()], End::Clean);
    let cut = run(Dialect::OpenAi, [body.as_bytes()], End::Cut);
    assert_eq!(done.outcome.reply.partial_tool_calls, []);
    assert_eq!(done.outcome.reply.tool_calls.len(), done.events.len());
    (done.events, cut.outcome.reply.partial_tool_calls)
}

#[test]
fn tool_calls_in_pieces() {
    let piece = |index: u32, id: Value, name: Value, arguments: Value| json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let null = Value::Null;

    let (calls, partial) = assemble(&[
        piece(0, json!("a"), json!("f"), json!("")),
        piece(0, null.clone(), null.clone(), json!("{\"x\"")),
        piece(0, null.clone(), null.clone(), json!(":1}")),
    ]);
    assert_eq!(calls, [call(Some("a"), "f", json!({"x": 1}))]);
    let wanted = PartialToolCall { id: Some("a".into()), name: "f".into(), arguments: "{\"x\":1}".into() };
    assert_eq!(partial, [wanted]);

    // Id and name with every piece, as some servers send them; an id that comes late; a name in pieces.
    let (calls, _) = assemble(&[
        piece(0, json!("a"), json!("f"), json!("{")),
        piece(0, json!("a"), json!("f"), json!("}")),
        piece(1, null.clone(), json!("get_"), null.clone()),
        piece(1, json!("b"), json!("weather"), null.clone()),
        piece(1, json!("late"), null.clone(), null.clone()),
    ]);
    assert_eq!(calls, [call(Some("a"), "f", json!({})), call(Some("b"), "get_weather", json!({}))]);

    // Complete calls that all have the index 0 are distinguished by their ids.
    let (calls, _) = assemble(&[
        piece(0, json!("a"), json!("f"), json!("{}")),
        piece(0, json!("b"), json!("f"), json!("{\"x\":1}")),
    ]);
    assert_eq!(calls, [call(Some("a"), "f", json!({})), call(Some("b"), "f", json!({"x": 1}))]);
    // Without a name, an id does not start another call.
    let (calls, _) = assemble(&[
        piece(0, json!("a"), json!("f"), json!("{")),
        piece(0, json!("other"), null.clone(), json!("}")),
    ]);
    assert_eq!(calls, [call(Some("a"), "f", json!({}))]);

    // Without an index, the position in the list is used.
    let (calls, _) = assemble(&[
        json!({"id": "a", "function": {"name": "f", "arguments": "{\"x\":"}}),
        json!({"function": {"arguments": "1}"}}),
    ]);
    assert_eq!(calls, [call(Some("a"), "f", json!({"x": 1}))]);

    // Arguments that are not JSON stay unchanged; blank ones mean none.
    let (calls, _) = assemble(&[
        piece(0, null.clone(), json!("f"), json!("{x}")),
        piece(1, null.clone(), json!("g"), json!(" \n")),
    ]);
    assert_eq!(calls, [call(None, "f", json!("{x}")), call(None, "g", json!({}))]);
    assert_eq!(assemble(&[json!({})]).0, [call(None, "", json!({}))]);
}

#[test]
fn open_tool_calls_are_bounded() {
    let pieces: Vec<_> = (0..1000)
        .map(|index| json!({"index": index, "function": {"name": "f", "arguments": index.to_string()}}))
        .collect();
    let (calls, partial) = assemble(&pieces);
    assert_eq!((calls.len(), partial.len()), (256, 256));
    assert!(partial[255].arguments.starts_with("255256257"), "what is beyond is joined to the last");
}

#[test]
fn finish_reasons() {
    for (word, wanted) in [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("tool_calls", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("load", FinishReason::Load),
        ("unload", FinishReason::Unload),
        ("success", FinishReason::Success),
        ("eos", FinishReason::Other("eos".into())),
    ] {
        for (dialect, body) in [
            (Dialect::Ollama, format!("{{\"done\":true,\"done_reason\":\"{word}\"}}\n")),
            (Dialect::OpenAi, format!("data: {{\"choices\":[{{\"finish_reason\":\"{word}\"}}]}}\n\n")),
        ] {
            let ending = run(dialect, [body.as_bytes()], End::Clean).outcome.ending;
            assert_eq!(ending, Ending::Completed(Some(wanted.clone())), "{body}");
        }
        assert_eq!(wanted.as_str(), if word == "function_call" { "tool_calls" } else { word });
    }
}

#[test]
fn an_openai_answer_is_read_for_its_usage_up_to_its_end_mark() {
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let usage = |tokens| format!("data: {{\"choices\":[],\"usage\":{{\"completion_tokens\":{tokens}}}}}\n\n");
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let body = [text, finish, text, &usage(1), "data: [DONE]\n\n", &usage(2), text].concat();
    let Run { events, outcome } = run(Dialect::OpenAi, [body.as_bytes()], End::Clean);
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!((outcome.reply.text.as_str(), outcome.stats.records), ("a", 5));
    assert_eq!(outcome.reply.usage.and_then(|usage| usage.completion_tokens), Some(1));
    // The first reason is used.
    let body = [finish, &finish.replace("stop", "length")].concat();
    let ending = run(Dialect::OpenAi, [body.as_bytes()], End::Clean).outcome.ending;
    assert_eq!(ending, Ending::Completed(Some(FinishReason::Stop)));
    let body = [text, "data: [DONE]\n\n", finish].concat();
    let ending = run(Dialect::OpenAi, [body.as_bytes()], End::Clean).outcome.ending;
    assert_eq!(ending, Ending::Completed(None));
}

/// A server that does not stream sends the answer in one document.
#[test]
fn an_openai_answer_in_one_piece() {
    let whole = |body: &str, end: BodyEnd| -> (Vec<Event>, Outcome) {
        let now = Instant::now();
        let mut life = Lifecycle::new(Dialect::OpenAi, Timeouts::default(), Limits::default(), now);
        let content_type = "Application/JSON; charset=utf-8".into();
        life.opened(&Opened { status: 200, content_type, retry_after: None }, now);
        let mut events = Vec::new();
        for piece in body.as_bytes().chunks(7) {
            life.bytes(piece, now);
            assert_eq!(drain(&mut life, &mut events), None);
        }
        life.ended(end, now);
        let outcome = drain(&mut life, &mut events).expect("an outcome");
        (events, outcome)
    };
    let body = "{\n  \"model\": \"m\",\n  \"choices\": [{\"index\": 0, \"finish_reason\": \"stop\",\r\n\
        \"message\": {\"role\": \"assistant\", \"content\": \"a\\n\\nb\",\n \"reasoning_content\": \"t\", \"tool_calls\": [\
        {\"id\": \"1\", \"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}, \
        {\"id\": \"2\", \"function\": {\"name\": \"g\", \"arguments\": \"{}\"}}]}}],\n\
        \"usage\": {\"prompt_tokens\": 1}}\n";
    let (events, outcome) = whole(body, BodyEnd::Clean);
    let usage = Event::Usage(Box::new(Usage { prompt_tokens: Some(1), ..Usage::default() }));
    let wanted = [
        thinking("t"),
        text("a\n\nb"),
        call(Some("1"), "f", json!({})),
        call(Some("2"), "g", json!({})),
        usage,
    ];
    assert_eq!(events, wanted);
    assert_eq!(outcome.ending, Ending::Completed(Some(FinishReason::Stop)));
    assert_eq!(outcome.reply.model.as_deref(), Some("m"));

    let (_, outcome) = whole("{\"error\":{\"message\":\"no\"}}", BodyEnd::Clean);
    assert!(matches!(&outcome.ending, Ending::Failed(error) if error.message == "no"), "{outcome:?}");
    let (_, outcome) = whole(&body[..60], BodyEnd::Clean);
    assert!(matches!(outcome.ending, Ending::Truncated(_)), "{outcome:?}");
    assert_eq!(outcome.stats.undecoded_bytes, 60);
    let (_, outcome) = whole("", BodyEnd::Cut);
    assert!(matches!(outcome.ending, Ending::Truncated(_)), "{outcome:?}");
}

#[test]
fn what_a_reply_holds_besides_its_text() {
    let body = concat!(
        "{\"model\":\"m:1\",\"response\":\"\",\"image\":\"aGk=\"}\n",
        "{\"model\":\"other\",\"response\":\"\",\"logprobs\":[{\"token\":\"a\",\"logprob\":-1}]}\n",
        "{\"response\":\"\",\"logprobs\":[{\"token\":\"b\",\"logprob\":-2}]}\n",
        "{\"done\":true,\"context\":[1,-2,3.5,\"x\"],\"eval_count\":2,\"load_duration\":5}\n",
    );
    let reply = run(Dialect::Ollama, [body.as_bytes()], End::Clean).outcome.reply;
    assert_eq!(reply.model.as_deref(), Some("m:1"));
    assert_eq!(reply.context, [1, -2]);
    assert_eq!(reply.images, [Image { base64: "aGk=".into() }]);
    assert_eq!(reply.logprobs.iter().map(|l| l.token.as_str()).collect::<String>(), "ab");
    let usage = reply.usage.expect("usage");
    assert_eq!((usage.completion_tokens, usage.load), (Some(2), Some(Duration::from_nanos(5))));

    // Usage that is spread over several records is joined; for each field, the last value is used.
    let body = concat!(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n",
        "data: {\"choices\":[],\"usage\":{\"completion_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
        "data: [DONE]\n\n",
    );
    let usage = run(Dialect::OpenAi, [body.as_bytes()], End::Clean).outcome.reply.usage.expect("usage");
    let counts = (usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens);
    assert_eq!(counts, (Some(1), Some(9), Some(4)));

    let body = concat!(
        "{\"status\":\"pulling\",\"digest\":\"sha256:1\",\"total\":10,\"completed\":4}\n",
        "{\"status\":\"verifying\"}\n",
    );
    let progress = run(Dialect::OllamaProgress, [body.as_bytes()], End::Cut).outcome.reply.progress;
    assert_eq!(progress.expect("progress").status, "verifying", "the last one");
}
