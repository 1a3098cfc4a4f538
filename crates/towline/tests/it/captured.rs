//! Recorded data from real servers, sent again over a socket: the client reads it in the same way.

use std::time::Duration;

use towline::api::{CreateRequest, PullRequest, PushRequest};
use towline::outcome::FinishReason;
use towline::{Ending, Event, GenerateRequest, Outcome, Stream};
use towline_testkit::captured::{self, Capture};
use towline_testkit::{Framing, Pace, Script, Server, Step};

use crate::client_support::{chat, client_with, read};

/// The response in its original pieces, and then the end of the connection.
fn again(capture: &Capture) -> Script {
    let pieces = capture.pieces.iter().map(|(_, place)| capture.response[place.clone()].to_vec()).collect();
    let step = Step::Pieces { pieces, framing: Framing::Raw, pace: Pace::FlatOut };
    Script::request().step(step).close()
}

/// A stream with the capture's request; `None` if it is not a stream of a client.
fn ask(capture: &Capture, server: &Server) -> Option<Stream> {
    let client = client_with(server, |config| {
        config.retry.max_tries = 1;
        config.api = if capture.path.starts_with("/v1/") {
            towline::client::Api::OpenAi
        } else {
            towline::client::Api::Ollama
        };
    });
    Some(match capture.path.as_str() {
        "/api/chat" | "/v1/chat/completions" if capture.method == "POST" => client.chat(chat("m")),
        "/api/generate" => client.generate(GenerateRequest::new("m", "Hi")),
        "/api/pull" => client.pull(PullRequest { model: "m".into(), ..PullRequest::default() }),
        "/api/push" => client.push(PushRequest { model: "m".into(), ..PushRequest::default() }),
        "/api/create" => client.create(CreateRequest { model: "m".into(), ..CreateRequest::default() }),
        _ => return None,
    })
}

fn check(capture: &Capture, events: &[Event], outcome: &Outcome) {
    let (name, meaning, reply) = (&capture.name, &capture.meaning, &outcome.reply);
    let ending = meaning.ending.map_or("failed".to_owned(), |ending| format!("{ending:?}").to_lowercase());
    assert_eq!(outcome.ending.as_str(), ending, "{name}: {outcome:?}");
    assert_eq!((&reply.text, &reply.thinking), (&meaning.text, &meaning.thinking), "{name}");
    assert_eq!(outcome.stats.records, meaning.records, "{name}");
    if let Ending::Completed(reason) = &outcome.ending {
        assert_eq!(reason.as_ref().map(FinishReason::as_str), meaning.reason.as_deref(), "{name}");
    }
    if let Some(words) = &meaning.error {
        let error = outcome.ending.error().unwrap();
        assert!(error.message.contains(words), "{name}: {error}");
        assert!(meaning.status == 200 || error.status == Some(meaning.status), "{name}: {error:?}");
    }
    let text: String =
        events.iter().map(|event| if let Event::Text(text) = event { text.as_str() } else { "" }).collect();
    assert_eq!(text, meaning.text, "{name}");
}

#[tokio::test]
async fn every_captured_stream_means_the_same_over_a_socket() {
    let mut count = 0;
    for capture in captured::load() {
        let server = Server::start(again(&capture));
        let Some(stream) = ask(&capture, &server) else { continue };
        let (events, outcome) = tokio::time::timeout(Duration::from_secs(60), read(stream)).await.unwrap();
        check(&capture, &events, &outcome);
        count += 1;
    }
    assert!(count > 50, "only {count}");
}
