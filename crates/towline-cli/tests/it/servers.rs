//! The chosen server, the connection to it, and the headers of the request.

use serde_json::json;
use towline_testkit::records::{ollama::chat, openai};
use towline_testkit::{Routes, Script, Server, http};

use crate::program::{SOON, ended, run, towline};

fn answering() -> Script {
    Script::ndjson(chat(&["ok"]))
}

#[test]
fn a_named_server_gets_the_chat_and_nothing_else() {
    let server = Server::start(answering());
    assert_eq!(ended(&mut run(&server.url(), &[])).code, Some(0));
    let requests = server.requests();
    assert_eq!(requests.iter().map(|request| request.target.as_str()).collect::<Vec<_>>(), ["/api/chat"]);
    assert_eq!(server.connections(), 1);
}

#[test]
fn ollama_host_is_read_as_ollama_reads_it() {
    let server = Server::start(answering());
    let port = server.addr().port();
    for host in [
        format!("127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}/"),
        format!("  \"127.0.0.1:{port}\"  "),
        format!("0.0.0.0:{port}"),
        format!("http://:{port}"),
        format!("localhost:{port}"),
    ] {
        let ended = ended(towline(["run", "-m", "m", "hi"]).env("OLLAMA_HOST", &host));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "ok"), "{host}: {ended:?}");
    }
    // --host takes precedence.
    let ended = ended(run(&server.url(), &[]).env("OLLAMA_HOST", "127.0.0.1:1"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_port_that_is_none_is_refused() {
    let ended = ended(towline(["list"]).env("OLLAMA_HOST", "http://127.0.0.1:port"));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("OLLAMA_HOST does not name a server: \"port\" is not a port"), "{ended:?}");
}

#[test]
fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let server = Server::listen_unix(&path, answering()).unwrap();
    let host = format!("unix:{}", path.display());
    let json = ended(&mut run(&host, &["--json"]));
    assert_eq!((json.code, &json.lines()[0]["server"]), (Some(0), &json!(host)), "{json:?}");
    drop(server);
    let gone = ended(&mut run(&host, &[]));
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains(&host), "{gone:?}");
}

#[test]
fn a_server_that_speaks_only_openai() {
    let server = Server::start(
        Routes::new()
            .path("/api/chat", Script::respond(404, "text/plain", "404 page not found"))
            .path("/v1/chat/completions", Script::sse(openai::chat(&["Hel", "lo"]))),
    );
    let json = ended(&mut run(&server.url(), &["--json"]));
    let end = json.end();
    assert_eq!((json.code, &end["outcome"], &end["text_bytes"]), (Some(0), &json!("completed"), &json!(5)));
    let direct = ended(&mut run(&server.url(), &["--api", "openai"]));
    assert_eq!((direct.code, direct.stdout.as_str()), (Some(0), "Hello"));
    let paths: Vec<String> = server.requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(paths, ["/api/chat", "/v1/chat/completions", "/v1/chat/completions"]);
    let refused = ended(&mut run(&server.url(), &["--api", "ollama"]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
}

#[test]
fn a_model_that_a_server_of_openai_s_dialect_lacks_is_not_to_be_pulled() {
    let server = Server::start(
        Routes::new()
            .path("/api/chat", Script::respond(404, "text/plain", "404 page not found"))
            .path("/v1/chat/completions", Script::error(404, "model 'm' not found")),
    );
    let ended = ended(&mut run(&server.url(), &[]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("hint: the server has the models that it was started with"), "{ended:?}");
    assert!(!ended.stderr.contains("towline pull"), "{ended:?}");
}

#[test]
fn the_only_model_is_taken() {
    let one = Routes::new()
        .path("/api/tags", Script::respond(200, http::JSON, r#"{"models":[{"name":"only:1b"}]}"#))
        .path("/api/chat", answering());
    let server = Server::start(one);
    let json = ended(&mut towline(["run", "--host", &server.url(), "--json", "hi"]));
    assert_eq!((json.code, &json.lines()[0]["model"]), (Some(0), &json!("only:1b")), "{json:?}");
    let named = ended(towline(["run", "--host", &server.url(), "--json", "hi"]).env("TOWLINE_MODEL", "mine"));
    assert_eq!(named.lines()[0]["model"], "mine");
    assert_eq!(server.requests().last().unwrap().model().as_deref(), Some("mine"));
}

#[test]
fn of_several_models_one_must_be_named() {
    for (tags, parts) in [
        (
            r#"{"models":[{"name":"a:1b"},{"name":"b:2b"}]}"#,
            &["several models: a:1b, b:2b", "hint: name one: -m a:1b"][..],
        ),
        (r#"{"models":null}"#, &["has no models", "towline pull"][..]),
    ] {
        let server = Server::start(Script::respond(200, http::JSON, tags));
        let ended = ended(&mut towline(["run", "--host", &server.url(), "hi"]));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        for part in parts {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
    }
}

#[test]
fn the_models_of_a_server_that_speaks_only_openai() {
    let server = Server::start(
        Routes::new()
            .path(
                "/v1/models",
                Script::respond(200, http::JSON, r#"{"data":[{"id":"gpt-x","object":"model"}]}"#),
            )
            .path("/v1/chat/completions", Script::sse(openai::chat(&["ok"])))
            .otherwise(Script::respond(404, "text/plain", "not found")),
    );
    let ended = ended(&mut towline(["run", "--host", &server.url(), "--json", "hi"]));
    assert_eq!((ended.code, &ended.lines()[0]["model"]), (Some(0), &json!("gpt-x")), "{ended:?}");
}

#[test]
fn the_key_goes_to_the_named_server_and_is_never_shown() {
    let secret = "sk-verysecret";
    let server = Server::start(Script::error(401, "bad key"));
    for options in [&[][..], &["--json"][..]] {
        let ended = ended(run(&server.url(), options).env("OLLAMA_API_KEY", secret));
        assert_eq!(ended.code, Some(1));
        assert!(!format!("{ended:?}").contains("verysecret"), "{ended:?}");
    }
    let sent = server.wait_for_request(1, SOON).unwrap();
    assert_eq!(sent.header("authorization"), Some("Bearer sk-verysecret"));
    let output = ended(run(&server.url(), &[]).env("OLLAMA_API_KEY", secret));
    assert!(output.stderr.contains("the key in OLLAMA_API_KEY was sent but not accepted"), "{output:?}");
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let upstream = Server::start(answering());
    let proxy = Server::start(Script::request().step(towline_testkit::Step::Forward(upstream.addr())));
    let secret = "pr0xypass";
    let proxy_url = format!("http://user:{secret}@{}", proxy.addr());
    let direct = ended(run(&upstream.url(), &[]).env("HTTP_PROXY", &proxy_url));
    assert_eq!((direct.code, proxy.connections()), (Some(0), 0), "loopback is reached directly: {direct:?}");
    let named = ended(run("http://model.example:11434", &[]).env("HTTP_PROXY", &proxy_url));
    assert_eq!((named.code, named.stdout.as_str()), (Some(0), "ok"), "{named:?}");
    let request = proxy.wait_for_request(1, SOON).unwrap();
    assert_eq!(request.target, "http://model.example:11434/api/chat");
    let excepted = ended(
        run("http://model.invalid:11434", &["--connect-timeout", "5s"])
            .env("HTTP_PROXY", &proxy_url)
            .env("NO_PROXY", "model.invalid"),
    );
    assert_eq!((excepted.code, proxy.requests().len()), (Some(1), 1), "{excepted:?}");
    let odd = ended(run("http://model.example", &[]).env("HTTP_PROXY", format!("gopher://u:{secret}@x")));
    assert_eq!(odd.code, Some(2), "{odd:?}");
    for ended in [direct, named, excepted, odd] {
        assert!(!format!("{ended:?}").contains(secret), "{ended:?}");
    }
}

#[test]
fn a_certificate_file_that_is_missing_is_named() {
    let ended = ended(run("https://model.invalid", &[]).env("SSL_CERT_FILE", "/nonexistent/ca.pem"));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("the root certificates in /nonexistent/ca.pem: No such file"), "{ended:?}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let ended = crate::program::ended(run("https://model.invalid", &[]).env("SSL_CERT_FILE", empty.path()));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("it contains no PEM certificate")
            && ended.stderr.contains("SSL_CERT_FILE the certificates"),
        "{ended:?}"
    );
}

#[test]
fn without_a_server_the_builtin_model_answers() {
    if std::net::TcpStream::connect("127.0.0.1:11434").is_ok() {
        // This machine has a server, which then answers.
        return;
    }
    let json = ended(towline(["run", "--json", "What is a river?"]).env("OLLAMA_API_KEY", "sk-1"));
    assert_eq!(json.code, Some(0), "{json:?}");
    assert_eq!(json.lines()[0], json!({ "event": "start", "model": "brook", "server": "built-in" }));
    assert!(json.end()["text_bytes"].as_u64().unwrap() > 20, "{json:?}");
    assert_eq!(json.stderr.lines().count(), 1, "{json:?}");
    assert!(json.stderr.contains("the built-in toy model brook"), "{json:?}");
    let plain = ended(&mut towline(["run", "What is a river?"]));
    assert!(plain.code == Some(0) && plain.stdout.len() > 20, "{plain:?}");
    let pull = ended(&mut towline(["pull", "x"]));
    assert_eq!(pull.code, Some(1), "{pull:?}");
    assert!(pull.stderr.contains("hint: start Ollama"), "{pull:?}");
    let other = ended(&mut towline(["run", "-m", "llama3.2", "hi"]));
    assert!(other.stderr.contains("the built-in model is brook"), "{other:?}");
}
