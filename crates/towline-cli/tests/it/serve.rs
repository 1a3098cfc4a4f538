//! `towline serve`.

use towline_testkit::{Routes, Script, Server, http};

use crate::program::{Live, ended, run, towline};

#[test]
fn it_says_where_it_listens_serves_and_ends_in_good_order() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = Live::start(&mut towline(["serve", "--listen", "127.0.0.1:0"]));
        server.expect("\n");
        server.expect_error("brook");
        let url = url(&server);
        let missing = ended(&mut run(&url, &[]));
        assert_eq!(missing.code, Some(1), "{missing:?}");
        let answer = ended(&mut towline(["run", "--host", &url, "What is a river?"]));
        assert!(answer.code == Some(0) && answer.stdout.len() > 20, "{answer:?}");
        for api in ["ollama", "openai"] {
            let paste = "river ".repeat(600);
            let cut = ended(&mut towline(["run", "--host", &url, "-m", "brook", "--api", api, &paste]));
            let note = "note: the prompt of 610 tokens was cut to 384: the context holds 512";
            assert!(cut.code == Some(0) && cut.stderr.contains(note), "{cut:?}");
        }
        let list = ended(&mut towline(["list", "--host", &url]));
        assert!(list.stdout.contains("brook:latest"), "{list:?}");
        server.signal(signal);
        assert_eq!(server.finish().code, Some(0));
    }
}

/// If the built-in model's server does not support a command, the message says which server this is.
#[test]
fn what_it_is_not_is_said() {
    let mut server = Live::start(&mut towline(["serve", "--listen", "127.0.0.1:0"]));
    server.expect("\n");
    let url = url(&server);
    for verb in [&["rm", "brook"][..], &["cp", "brook", "b"], &["pull", "b"]] {
        let refused = ended(&mut towline(verb.iter().chain(&["--host", &url])));
        assert!(refused.stderr.contains("hint: that is the built-in model's server"), "{refused:?}");
    }
    let questions = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(questions.path(), "why?").unwrap();
    for verb in [
        &["jobs"][..],
        &["jobs", "--watch"],
        &["kill", "--all"],
        &["attach", "x"],
        &["run", "-d", "hi"],
        &["batch", questions.path().to_str().unwrap()],
        &["relay", "status"],
        &["relay", "backup", "/tmp/x"],
        &["relay", "pair"],
    ] {
        let refused = ended(&mut towline(verb.iter().chain(&["--relay", &url])));
        let said = format!("{url} is a model server, not a relay");
        assert!(refused.code == Some(2) && refused.stderr.contains(&said), "{verb:?}: {refused:?}");
        assert!(refused.stderr.contains("hint: --host and OLLAMA_HOST name a model server"), "{refused:?}");
    }
}

/// A relay answers like a model server: a broken connection does not make the server look like no relay.
#[test]
fn a_relay_whose_connection_breaks_is_not_taken_for_a_model_server() {
    let version = |text: &str| Script::respond(200, http::JSON, text);
    // The server speaks only HTTP/1.1, so a connection for a relay breaks.
    let routes = Routes::new()
        .path("/towline/v1/version", version(r#"{"version":"0.1.0","streams":1}"#))
        .path("/api/version", version(r#"{"version":"0.1.0"}"#))
        .otherwise(Script::error(404, "none"));
    let server = Server::start(routes);
    let refused = ended(&mut towline(["jobs", "--relay", &server.url()]));
    assert!(refused.code == Some(1) && !refused.stderr.contains("is a model server"), "{refused:?}");
    assert!(server.requests().iter().any(|request| request.target == "/towline/v1/version"));
}

fn url(server: &Live) -> String {
    server.stdout_text().trim().strip_prefix("listening on ").unwrap().to_owned()
}

#[test]
fn what_cannot_be_served_is_named() {
    // Users' own models need Ollama or llama.cpp.
    let unknown = ended(&mut towline(["serve", "--gguf", "x.gguf"]));
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = ended(&mut towline(["serve", "--listen", &address]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("hint: another program already listens there"), "{refused:?}");
    assert_eq!(ended(&mut towline(["serve", "--rate", "-1"])).code, Some(2));
}
