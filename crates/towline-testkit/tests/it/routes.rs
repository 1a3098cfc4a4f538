use towline_testkit::{Plan, Routes, Script, Server};

use crate::client::Client;

fn text(text: &str) -> Script {
    Script::respond(200, "text/plain", text)
}

#[test]
fn requests_choose_their_script_also_on_one_connection() {
    let routes = Routes::new()
        .path("/api/version", text("version"))
        .model_each("m", [text("first"), text("second")])
        .path("/api/chat", text("other model"));
    let server = Server::start(routes);
    let mut client = Client::connect(&server);
    let cases = [
        ("/api/version", "", "version"),
        ("/api/chat", r#"{"model":"m"}"#, "first"),
        ("/api/chat", r#"{"model":"n"}"#, "other model"),
        ("/api/generate", r#"{"name":"m"}"#, "second"),
        ("/api/chat", r#"{"model":"m"}"#, "second"),
        ("/api/chat?x", "not json", "other model"),
    ];
    for (path, body, answer) in cases {
        client.post(path, body).head();
        client.expect(answer);
    }
    assert!(client.get("/nothing").head().starts_with("HTTP/1.1 404 "));
    assert_eq!((server.connections(), server.requests().len()), (1, 7));
}

#[test]
fn a_function_may_choose() {
    let server = Server::start(Plan::by_request(|request| text(&request.model().unwrap_or_default())));
    let mut client = Client::connect(&server);
    client.post("/", r#"{"model":"qwen3"}"#).head();
    client.expect("qwen3");
}

#[test]
fn connections_take_scripts_in_order_and_the_last_one_stays() {
    let server = Server::start([text("1"), text("2")]);
    for answer in ["1", "2", "2"] {
        let mut client = Client::connect(&server);
        client.get("/").head();
        client.expect(answer);
    }
}
