//! Continuing an answer that was cut.

use serde_json::{Value, json};
use towline::api::{Format, Tool};
use towline::client::{Api, Resume, RetryPolicy, Timeouts};
use towline::error::ErrorKind;
use towline::outcome::{Clock, FinishReason};
use towline::{ChatRequest, Ending, GenerateRequest, Message, Outcome};
use towline_testkit::http::Request;
use towline_testkit::records::{ollama, openai};
use towline_testkit::{Body, Plan, Script, Server, http};

use crate::client_support::{
    MILLISECOND, SHORT, SOON, chat, client, client_with, joined, next_end, next_event, read, text,
    yielding_until,
};

const RENDERED: &str = "<|user|>Hi<|assistant|>";
const ONCE: Resume = Resume::Continue { max: 1 };

/// How the first answer is cut.
type Cut = fn(Script) -> Script;
const CUTS: [Cut; 3] = [Script::end_chunks, Script::close, |script| script.wait("cut").reset()];

fn is_rendering(request: &Request) -> bool {
    request.json().is_some_and(|body| body["_debug_render_only"] == true)
}

fn is_going_on(request: &Request) -> bool {
    request.json().is_some_and(|body| body["raw"] == true)
}

fn rendered() -> Script {
    let answer = json!({ "model": "m", "created_at": "", "_debug_info": { "rendered_template": RENDERED } });
    Script::respond(200, http::JSON, answer.to_string())
}

fn rest(pieces: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = pieces.iter().map(|piece| ollama::generate_text(piece)).collect();
    lines.push(ollama::generate_done("stop", pieces.len() as u64));
    lines
}

/// An Ollama server that cuts the first answer and sends the rest on request.
fn cutting(cut: Cut) -> Server {
    Server::start(Plan::by_request(move |request| {
        if is_rendering(request) {
            rendered()
        } else if is_going_on(request) {
            Script::ndjson(rest(&[" wor", "ld"]))
        } else {
            // The cut loses the incomplete record, which is sent again.
            let half = r#"{"model":"m","message":{"role":"assistant","content":" wo"#;
            let lines =
                [http::line(ollama::chat_text("Hel")), http::line(ollama::chat_text("lo")), half.into()];
            cut(Script::request().head(200, http::NDJSON, Body::Chunked).chunk(lines.concat()))
        }
    }))
}

#[tokio::test]
async fn a_cut_answer_is_gone_on_with() {
    for (nth, cut) in CUTS.into_iter().enumerate() {
        let server = cutting(cut);
        let request = chat("m").option("num_predict", 10).option("num_ctx", 4096).option("seed", 1);
        let request = ChatRequest { shift: Some(true), ..request };
        let mut stream = client(&server).chat(request).with_resume(ONCE);
        let mut events = vec![next_event(&mut stream).await, next_event(&mut stream).await];
        server.open("cut");
        let (later, outcome) = read(stream).await;
        events.extend(later);
        assert_eq!(outcome.ending, Ending::Completed(Some(FinishReason::Stop)), "{nth}: {outcome:?}");
        assert_eq!((outcome.reply.text.as_str(), joined(&events).as_str()), ("Hello world", "Hello world"));
        assert_eq!((outcome.stats.stitches, outcome.stats.records), (1, 5));
        assert_eq!(outcome.retried.len(), 1, "the cut can be seen");
        assert_eq!(outcome.reply.model.as_deref(), Some("m"));

        let requests = server.requests();
        let paths: Vec<_> = requests.iter().map(Request::path).collect();
        assert_eq!(paths, ["/api/chat", "/api/chat", "/api/generate"]);
        let bodies: Vec<Value> = requests.iter().map(|request| request.json().unwrap()).collect();
        let mut asked = bodies[0].clone();
        asked["_debug_render_only"] = json!(true);
        asked["stream"] = json!(false);
        assert_eq!(bodies[1], asked, "the same conversation is rendered");
        assert_eq!(
            bodies[2],
            json!({
                "model": "m", "options": { "num_predict": 8, "num_ctx": 4096, "seed": 1 }, "shift": true,
                "prompt": format!("{RENDERED}Hello"), "raw": true, "stream": true,
            })
        );
    }
}

#[tokio::test]
async fn an_answer_is_gone_on_with_as_often_as_allowed() {
    let prompts = |server: &Server| -> Vec<String> {
        let going_on =
            server.requests().into_iter().filter(is_going_on).map(|request| request.json().unwrap());
        going_on
            .map(|body| body["prompt"].as_str().unwrap().trim_start_matches(RENDERED).to_owned())
            .collect()
    };
    for (max, whole) in [(3, true), (2, true), (1, false)] {
        let server = Server::start(Plan::by_request(|request| {
            let body = request.json().unwrap();
            let prompt = body["prompt"].as_str().unwrap_or_default().to_owned();
            match prompt.trim_start_matches(RENDERED) {
                _ if is_rendering(request) => rendered(),
                "one " => Script::ndjson_open([ollama::generate_text("two ")]).close(),
                "one two " => Script::ndjson(rest(&["three"])),
                _ => Script::ndjson([ollama::chat_text("one ")]),
            }
        }));
        let request = chat("m").option("num_predict", 9);
        let (events, outcome) =
            read(client(&server).chat(request).with_resume(Resume::Continue { max })).await;
        assert_eq!(outcome.is_completed(), whole, "{outcome:?}");
        assert_eq!(joined(&events), outcome.reply.text);
        let cuts = if whole { 2 } else { 1 };
        assert_eq!(outcome.stats.stitches, cuts);
        if whole {
            assert_eq!(outcome.reply.text, "one two three");
            assert_eq!(prompts(&server), ["one ", "one two "]);
        } else {
            assert_eq!((outcome.ending.as_str(), outcome.reply.text.as_str()), ("truncated", "one two "));
            assert!(outcome.retried.last().unwrap().message.contains("1 times"), "{outcome:?}");
        }
        let left: Vec<_> = server
            .requests()
            .iter()
            .filter(|request| is_going_on(request))
            .map(|request| request.json().unwrap()["options"]["num_predict"].clone())
            .collect();
        assert_eq!(left, [json!(8), json!(7)][..cuts as usize]);
    }
}

#[tokio::test]
async fn a_completion_is_gone_on_with_too() {
    // A raw prompt needs no rendering.
    for raw in [None, Some(true)] {
        let server = Server::start(Plan::by_request(move |request| {
            let body = request.json().unwrap();
            if is_rendering(request) {
                rendered()
            } else if body["prompt"] == "Hi" {
                Script::ndjson([ollama::generate_text("Hel")])
            } else {
                Script::ndjson(rest(&["lo"]))
            }
        }));
        let request = GenerateRequest { raw, ..GenerateRequest::new("m", "Hi") };
        let (_, outcome) = read(client(&server).generate(request).with_resume(ONCE)).await;
        assert_eq!((outcome.is_completed(), outcome.reply.text.as_str()), (true, "Hello"));
        let prompt = server.requests().last().unwrap().json().unwrap()["prompt"].clone();
        let before = if raw.is_some() { "Hi" } else { RENDERED };
        assert_eq!(prompt, format!("{before}Hel"));
        assert_eq!(server.requests().len(), if raw.is_some() { 2 } else { 3 });
    }
}

#[tokio::test]
async fn by_default_nothing_is_gone_on_with() {
    for cut in CUTS {
        let server = cutting(cut);
        server.open("cut");
        let mut stream = client(&server).chat(chat("m"));
        assert_eq!(next_event(&mut stream).await, text("Hel"));
        let (_, outcome) = read(stream).await;
        assert!(!outcome.is_completed() && outcome.retried.is_empty() && outcome.stats.stitches == 0);
        assert_eq!(server.requests().len(), 1);
    }
}

/// Checks that a stream ended as it was cut, and why it was not continued.
fn check_refused(outcome: &Outcome, server: &Server, requests: usize, why: &str) {
    assert_eq!(outcome.ending.as_str(), "truncated", "{outcome:?}");
    assert_eq!((outcome.stats.stitches, outcome.retried.len()), (0, 1), "{outcome:?}");
    assert!(outcome.retried[0].message.contains(why), "{why}: {outcome:?}");
    assert_eq!(server.requests().len(), requests, "{why}");
}

#[tokio::test]
async fn what_cannot_be_gone_on_with_ends_as_it_was_cut() {
    let with = |change: &dyn Fn(&mut ChatRequest)| {
        let mut request = chat("m");
        change(&mut request);
        request
    };
    let asked = [
        (with(&|request| request.tools.push(Tool::function("f", "", json!({})))), "tools"),
        (with(&|request| request.format = Some(Format::Json)), "format"),
        (with(&|request| request.messages.push(Message::user("?").with_image(b"x"))), "images"),
        (with(&|request| *request = request.clone().option("num_predict", 2)), "token limit"),
    ];
    for (request, why) in asked {
        let server = cutting(Script::close);
        let (_, outcome) = read(client(&server).chat(request).with_resume(ONCE)).await;
        assert_eq!(outcome.reply.text, "Hello");
        check_refused(&outcome, &server, if why == "token limit" { 2 } else { 1 }, why);
    }
    let answered = [
        (vec![ollama::chat_thinking("Hm"), ollama::chat_text("Hel")], "thinking"),
        (vec![ollama::chat_text("Hel"), ollama::chat_tool_call("a", "f", json!({}))], "tools"),
        (vec![], "none of its text"),
    ];
    for (lines, why) in answered {
        let server = Server::start(Script::ndjson(lines));
        let (_, outcome) = read(client(&server).chat(chat("m")).with_resume(ONCE)).await;
        check_refused(&outcome, &server, 1, why);
    }
    let server = Server::start(Script::sse([openai::text("Hel")]));
    let client = client_with(&server, |config| config.api = Api::OpenAi);
    let (_, outcome) = read(client.chat(chat("m")).with_resume(ONCE)).await;
    check_refused(&outcome, &server, 1, "only Ollama");
}

#[tokio::test]
async fn a_server_that_cannot_help_leaves_the_answer_as_it_was_cut() {
    let first = || Script::ndjson([ollama::chat_text("Hel")]);
    // The server's responses to the request for the prompt, and to the continuing request.
    let no_field = json!({ "model": "m", "message": { "content": "Hello" }, "done": true }).to_string();
    let cases: Vec<(Script, Script, usize, &str)> = vec![
        (Script::respond(200, http::JSON, &no_field), Script::new(), 2, "does not show how it renders"),
        (Script::error(400, "unknown field"), Script::new(), 2, "unknown field"),
        (Script::request().close(), Script::new(), 2, "before it answered"),
        (rendered(), Script::error(400, "raw is not allowed"), 3, "raw is not allowed"),
        (rendered(), Script::request().close(), 3, "before it answered"),
        (rendered(), Script::ndjson::<&str>([]), 3, "before its terminal record"),
        (rendered(), Script::ndjson(["<html>"]), 3, "a web page"),
    ];
    for (render, go_on, requests, why) in cases {
        let server = Server::start(Plan::by_request(move |request| {
            if is_rendering(request) {
                render.clone()
            } else if is_going_on(request) {
                go_on.clone()
            } else {
                first()
            }
        }));
        let (_, outcome) =
            read(client(&server).chat(chat("m")).with_resume(Resume::Continue { max: 5 })).await;
        assert_eq!(outcome.reply.text, "Hel");
        assert_eq!(outcome.stats.records, 1);
        check_refused(&outcome, &server, requests, why);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_leaves_the_answer_as_it_was_cut() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
    let client = client_with(&server, |config| {
        config.retry = RetryPolicy { first_wait: MILLISECOND, ..RetryPolicy::default() }
    });
    let mut stream = client.chat(chat("m")).with_resume(ONCE);
    assert_eq!(next_event(&mut stream).await, text("Hel"));
    drop(server);
    let outcome = next_end(&mut stream).await;
    assert_eq!((outcome.ending.as_str(), outcome.reply.text.as_str()), ("truncated", "Hel"));
    assert_eq!(outcome.retried.last().unwrap().kind, ErrorKind::Connect);
    assert_eq!(outcome.stats.stitches, 0);
}

#[tokio::test]
async fn other_endings_are_not_cuts() {
    for (script, ending) in [
        (Script::ndjson(ollama::chat(&["Hel"])), "completed"),
        (Script::ndjson([ollama::chat_text("Hel"), ollama::error("boom")]), "failed"),
        (Script::ndjson([ollama::chat_text("Hel"), "<html>".into()]), "failed"),
        (Script::ndjson_open([ollama::chat_text("Hel")]).stall(), "timed_out"),
    ] {
        let server = Server::start(script);
        let mut stream = client(&server).chat(chat("m")).with_resume(ONCE);
        assert_eq!(next_event(&mut stream).await, text("Hel"));
        stream.set_timeouts(Timeouts { idle: Some(SHORT), ..Timeouts::default() });
        let (_, outcome) = read(stream).await;
        assert_eq!((outcome.ending.as_str(), outcome.retried.len()), (ending, 0));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_stopped_stream_is_not_gone_on_with() {
    // During the request for the prompt, and while waiting for the rest.
    for stage in [2, 3] {
        let server = Server::start(Plan::by_request(move |request| {
            if is_rendering(request) && stage == 3 {
                rendered()
            } else if is_rendering(request) || is_going_on(request) {
                Script::request().wait("there").stall()
            } else {
                Script::ndjson_open([ollama::chat_text("Hel")]).close()
            }
        }));
        let mut stream = client(&server).chat(chat("m")).with_resume(ONCE);
        assert_eq!(next_event(&mut stream).await, text("Hel"));
        tokio::select! {
            item = stream.next() => panic!("{item:?}"),
            () = yielding_until(|| server.requests().len() == stage) => {}
        }
        stream.cancel("enough");
        let outcome = next_end(&mut stream).await;
        assert_eq!(outcome.ending, Ending::Cancelled { reason: "enough".into(), may_have_had_effect: true });
        assert_eq!((outcome.reply.text.as_str(), outcome.stats.stitches), ("Hel", 0));
        let last = server.connections() - 1;
        assert!(server.wait_for_close(last, SOON).is_some());
        assert_eq!(server.requests().len(), stage);
    }
}

#[tokio::test]
async fn the_clocks_hold_while_an_answer_is_gone_on_with() {
    let server = Server::start(Plan::by_request(|request| {
        if is_rendering(request) {
            Script::request().stall()
        } else {
            Script::ndjson([ollama::chat_text("Hel")])
        }
    }));
    for (timeouts, clock) in [
        (Timeouts { total: Some(SHORT), ..Timeouts::default() }, Clock::Total),
        (Timeouts { first_event: Some(SHORT), ..Timeouts::default() }, Clock::FirstEvent),
    ] {
        let stream = client(&server).chat(chat("m")).with_resume(ONCE).with_timeouts(timeouts);
        let (_, outcome) = read(stream).await;
        assert_eq!(outcome.ending, Ending::TimedOut { clock, limit: SHORT, may_have_had_effect: true });
        assert_eq!((outcome.reply.text.as_str(), outcome.stats.stitches), ("Hel", 0));
    }
}
