//! The caller's own requests and records: bytes in, bytes out.

use serde_json::json;
use towline::client::{Method, Operation};
use towline::error::ErrorKind;
use towline::event::RecordKind;
use towline_testkit::records::ollama;
use towline_testkit::{Body, Routes, Script, Server, http};

use crate::client_support::client;

#[tokio::test]
async fn a_stream_hands_on_its_records_as_they_came() {
    let sent = ollama::chat(&["a", "b"]);
    let server = Server::start(Script::ndjson(sent.clone()));
    let body = json!({ "model": "m", "stream": true }).to_string();
    let mut stream = client(&server).operate(Operation::Chat, body.clone().into()).with_records();
    let mut records = towline::event::Records::default();
    while stream.next().await.is_some() {
        records.append(&stream.take_records());
    }
    let got: Vec<_> = (0..).map_while(|index| records.get(index)).collect();
    assert_eq!(got.len(), sent.len());
    for (record, sent) in got.iter().zip(&sent) {
        assert_eq!(record.json, sent.as_bytes());
    }
    assert_eq!((got[1].text, got[1].kind), ("b", RecordKind::Text));
    assert_eq!(stream.kept_bytes(), 0);
    assert_eq!(server.requests()[0].body, body.as_bytes());
}

#[tokio::test]
async fn a_stream_tried_again_keeps_its_records() {
    let head = http::response_head(503, &[("Retry-After", "0")], Body::Length(0));
    let scripts = [Script::request().send(head), Script::ndjson(ollama::chat(&["a"]))];
    let server = Server::start(Routes::new().path_each("/api/chat", scripts));
    let mut stream = client(&server).operate(Operation::Chat, "{}".into()).with_records();
    let mut count = 0;
    while stream.next().await.is_some() {
        count += stream.take_records().len();
    }
    assert_eq!((count, server.requests().len()), (2, 2));
}

#[tokio::test]
async fn an_answer_is_handed_on_as_it_came() {
    let server = Server::start(Script::respond(200, http::JSON, "{\"odd\": [1]}"));
    let answer = client(&server).call_bytes(Method::Post, "/v1/odd", Some("{}".into())).await.unwrap();
    assert_eq!(answer, b"{\"odd\": [1]}");
    assert_eq!(server.requests()[0].target, "/v1/odd");
}

#[tokio::test]
async fn the_words_of_an_error_are_the_servers_own() {
    let server = Server::start(Script::respond(404, http::JSON, "{\"error\":\"no such (status 7)\"}"));
    let error = client(&server).call_bytes(Method::Get, "/api/tags", None).await.unwrap_err();
    assert_eq!((error.kind, error.words()), (ErrorKind::NotFound, "no such (status 7)"));
    assert_eq!(error.message, "no such (status 7) (status 404)");
}
