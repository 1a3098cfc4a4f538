//! Tools and answer formats from Rust types, and images.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use towline::api::{Format, arguments_as, json_schema, reply_as, tool};
use towline::{ChatRequest, Message};
use towline_testkit::records::ollama;
use towline_testkit::{Script, Server};

use crate::client_support::{client, read};

/// The weather at a place.
#[derive(Debug, JsonSchema, Deserialize, PartialEq)]
struct Weather {
    /// The place's name.
    city: String,
    unit: Option<Unit>,
}

#[derive(Debug, JsonSchema, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Celsius,
    Fahrenheit,
}

#[derive(Debug, JsonSchema, Deserialize, PartialEq)]
struct River {
    name: String,
    length_km: u32,
    cities: Vec<Weather>,
}

#[tokio::test]
async fn tools_are_sent_as_schemas_and_their_calls_read_as_types() {
    let call = |arguments| ollama::chat_tool_call("id-1", "weather", arguments);
    let server = Server::start(Script::ndjson([
        call(json!({ "city": "Ulm", "unit": "celsius" })),
        call(json!({ "town": "Ulm" })),
        ollama::chat_done("stop", 1),
    ]));
    let mut request = ChatRequest::new("m").user("How is the weather?");
    request.tools.push(tool::<Weather>("weather", "Tells the weather."));
    let (_, outcome) = read(client(&server).chat(request.clone())).await;
    let sent = server.requests()[0].json().unwrap();
    let function = &sent["tools"][0]["function"];
    assert_eq!(sent["tools"][0]["type"], "function");
    assert_eq!(
        (&function["name"], &function["description"]),
        (&json!("weather"), &json!("Tells the weather."))
    );
    let parameters = &function["parameters"];
    assert_eq!(parameters["type"], "object");
    assert_eq!(parameters["required"], json!(["city"]));
    assert_eq!(
        parameters["properties"]["city"],
        json!({ "description": "The place's name.", "type": "string" })
    );
    let written = parameters.to_string();
    assert!(!written.contains("$ref") && !written.contains("$schema"), "{written}");
    assert!(written.contains("fahrenheit"), "{written}");

    let calls = &outcome.reply.tool_calls;
    let weather: Weather = arguments_as(&calls[0]).unwrap();
    assert_eq!(weather, Weather { city: "Ulm".into(), unit: Some(Unit::Celsius) });
    let error = arguments_as::<Weather>(&calls[1]).unwrap_err();
    assert!(error.to_string().contains("city"), "{error}");

    // The call, and its result.
    request
        .messages
        .push(Message { tool_calls: calls[..1].to_vec(), ..Message::assistant(outcome.reply.text.clone()) });
    request.messages.push(Message::tool_result(&calls[0], "sunny"));
    drop(read(client(&server).chat(request)).await);
    let sent = server.requests()[1].json().unwrap();
    let function = json!({ "name": "weather", "arguments": { "city": "Ulm", "unit": "celsius" } });
    assert_eq!(sent["messages"][1]["tool_calls"], json!([{ "id": "id-1", "function": function }]));
    let result =
        json!({ "role": "tool", "content": "sunny", "tool_name": "weather", "tool_call_id": "id-1" });
    assert_eq!(sent["messages"][2], result);
}

#[tokio::test]
async fn a_format_is_sent_as_a_schema_and_its_answer_read_as_a_type() {
    let answer = r#"{"name":"Brook","length_km":7,"cities":[{"city":"Ulm","unit":null}]}"#;
    let server = Server::start(Script::ndjson(ollama::chat(&[&answer[..20], &answer[20..]])));
    let mut request = ChatRequest::new("m").user("Name a river.");
    request.format = Some(json_schema::<River>());
    let (_, outcome) = read(client(&server).chat(request.clone())).await;
    let sent = server.requests()[0].json().unwrap();
    assert_eq!(sent["format"]["required"], json!(["name", "length_km", "cities"]));
    assert!(!sent["format"].to_string().contains("$ref"));
    let river: River = reply_as(&outcome.reply).unwrap();
    assert_eq!((river.name.as_str(), river.length_km, river.cities.len()), ("Brook", 7, 1));
    request.format = Some(Format::Json);
    drop(read(client(&server).chat(request)).await);
    assert_eq!(server.requests()[1].json().unwrap()["format"], "json");

    let server = Server::start(Script::ndjson_open([ollama::chat_text(&answer[..20])]).close());
    let (_, outcome) = read(client(&server).chat(ChatRequest::new("m"))).await;
    assert!(reply_as::<River>(&outcome.reply).unwrap_err().is_eof());
}

#[tokio::test]
async fn images_are_sent_as_base64() {
    let server = Server::start(Script::ndjson(ollama::chat(&["A brook."])));
    let request = ChatRequest::new("m")
        .message(Message::user("What is it?").with_image(b"\x89PNG\r\n").with_image(&[0xff, 0xd8, 0xff]));
    drop(read(client(&server).chat(request)).await);
    let sent = server.requests()[0].json().unwrap();
    assert_eq!(sent["messages"][0]["images"], json!(["iVBORw0K", "/9j/"]));
}
