//! The requests for arguments and piped input, and the messages for wrong arguments.

use std::process::Stdio;

use serde_json::{Value, json};
use towline_testkit::records::ollama::{chat, chat_done, chat_text};
use towline_testkit::{Routes, Script, Server, http};

use crate::program::{Live, SOON, ended, ended_with_input, run, towline};

fn server() -> Server {
    Server::start(Script::ndjson(chat(&["ok"])))
}

fn body(server: &Server) -> Value {
    server.wait_for_request(1, SOON).unwrap().json().unwrap()
}

/// A configuration file in its own folder.
fn configured(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn the_configuration_says_what_the_arguments_do_not() {
    let server = server();
    let (_folder, path) = configured(&format!(
        "host = {:?}\nmodel = \"configured\"\nsystem = \"Be brief.\"\nthink = \"low\"\nmodl = 1\n\
         [options]\ntemperature = 0.5\nseed = 1\n",
        server.url()
    ));
    let asked = ended(towline(["run", "--config", &path, "hi"]).env_remove("OLLAMA_HOST"));
    assert_eq!((asked.stdout.as_str(), asked.code), ("ok", Some(0)), "{}", asked.stderr);
    assert!(asked.stderr.contains("there is no key modl; did you mean model?"), "{}", asked.stderr);
    let arguments = ["run", "-m", "other", "--system", "Be long.", "-o", "seed=2", "hi"];
    let asked = ended(towline(arguments).env_remove("OLLAMA_HOST").env("TOWLINE_CONFIG", &path));
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    let bodies: Vec<Value> = server.requests().iter().map(|request| request.json().unwrap()).collect();
    let message = |text: &str| json!({ "role": "system", "content": text });
    assert_eq!(
        (&bodies[0]["model"], &bodies[0]["messages"][0]),
        (&json!("configured"), &message("Be brief."))
    );
    assert_eq!(bodies[0]["options"], json!({ "temperature": 0.5, "seed": 1 }));
    assert_eq!(bodies[0]["think"], "low");
    assert_eq!((&bodies[1]["model"], &bodies[1]["messages"][0]), (&json!("other"), &message("Be long.")));
    assert_eq!(bodies[1]["options"], json!({ "temperature": 0.5, "seed": 2 }));
}

#[test]
fn a_configuration_that_is_named_and_not_there_is_an_error() {
    for arguments in
        [&["run", "--config", "/nonexistent/x.toml", "hi"][..], &["--config", "/nonexistent/x.toml"]]
    {
        let ended = ended(&mut towline(arguments.iter().copied()));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("no configuration file /nonexistent/x.toml"), "{}", ended.stderr);
    }
}

#[test]
fn servers_have_names_and_keys() {
    let server = server();
    let (folder, path) = configured(&format!(
        "[servers]\nplain = {0:?}\nfile = {{ host = {0:?}, key_file = \"KEY\" }}\n\
         command = {{ host = {0:?}, key_command = \"echo from-command\" }}\n\
         broken = {{ host = {0:?}, key_command = \"exit 3\" }}\n",
        server.url()
    ));
    let key = folder.path().join("key");
    std::fs::write(&key, "from-file\n").unwrap();
    let text = std::fs::read_to_string(&path).unwrap().replace("KEY", key.to_str().unwrap());
    std::fs::write(&path, text).unwrap();
    let ask = |name: &str| {
        let mut command = towline(["run", "-s", name, "-m", "m", "hi"]);
        ended(command.env("TOWLINE_CONFIG", &path).env("OLLAMA_API_KEY", "from-environment"))
    };
    for name in ["plain", "file", "command"] {
        let asked = ask(name);
        assert_eq!(asked.code, Some(0), "{name}: {}", asked.stderr);
    }
    let keys: Vec<_> =
        server.requests().iter().map(|asked| asked.header("authorization").map(str::to_owned)).collect();
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    assert_eq!(keys, [bearer("from-environment"), bearer("from-file"), bearer("from-command")]);
    let broken = ask("broken");
    assert_eq!(broken.code, Some(2), "{}", broken.stderr);
    assert!(
        broken.stderr.contains("the key of the server broken cannot be read: exit 3"),
        "{}",
        broken.stderr
    );
    let missing = ask("gpu9");
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("the servers are broken, command, file, plain"), "{}", missing.stderr);
}

/// A home folder with a template.
fn home(name: &str, text: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/towline/templates");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.md")), text).unwrap();
    home
}

#[test]
fn a_question_is_asked_with_a_template() {
    let text = "---\nmodel = \"qwen3\"\nsystem = \"You review.\"\nformat = \"json\"\noptions = { seed = 1 }\n---\n\
                Review for {{topic}}:\n\n{{input}}\n";
    let (server, home) = (server(), home("review", text));
    let url = server.url();
    let ask = |arguments: &[&str]| {
        let arguments = ["run", "--host", &url, "-t", "review"].into_iter().chain(arguments.iter().copied());
        ended_with_input(towline(arguments).env("HOME", home.path()), b"let x;\n")
    };
    let asked = ask(&["--field", "topic=style", "-o", "seed=2"]);
    assert_eq!((asked.stdout.as_str(), asked.code), ("ok", Some(0)), "{}", asked.stderr);
    let body = body(&server);
    assert_eq!((&body["model"], &body["format"]), (&json!("qwen3"), &json!("json")));
    assert_eq!(body["options"], json!({ "seed": 2 }));
    assert_eq!(body["messages"][0]["content"], "You review.");
    assert_eq!(body["messages"][1]["content"], "Review for style:\n\nlet x;");
    let unknown = ask(&["--field", "topic=style", "--field", "tpoic=x"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("the template review has no field tpoic"), "{}", unknown.stderr);
    let lacks = ask(&[]);
    assert_eq!(lacks.code, Some(2), "{}", lacks.stderr);
    assert!(lacks.stderr.contains("has a field topic") && lacks.stderr.contains("--field topic=…"));
    let missing = ended(towline(["run", "-t", "revew", "hi"]).env("HOME", home.path()));
    assert!(
        missing.stderr.contains("there is no template revew; did you mean review?"),
        "{}",
        missing.stderr
    );
    assert_eq!(missing.code, Some(2));
}

#[test]
fn templates_are_listed_shown_and_edited() {
    let home = home("review", "Review {{input}} for {{topic}}.");
    let template = |arguments: &[&str]| {
        let mut command = towline(["template"].into_iter().chain(arguments.iter().copied()));
        ended(command.env("HOME", home.path()).env_remove("VISUAL").env("EDITOR", "printf 'Do {{it}}.' >"))
    };
    assert_eq!(template(&[]).stdout, "review  {{input}} {{topic}}\n");
    assert_eq!(template(&["show", "review"]).stdout, "Review {{input}} for {{topic}}.\n");
    assert_eq!(template(&["edit", "new"]).code, Some(0));
    assert_eq!(template(&["list"]).stdout, "new     {{it}}\nreview  {{input}} {{topic}}\n");
    let none = template(&["show", "none"]);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
}

#[test]
fn files_go_with_a_prompt() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (notes, image) = (file("notes.md", b"one\n```\ntwo"), file("a.png", b"\x89PNG\r\n\x1a\nrest"));
    let asked = ended(&mut run(&server.url(), &["-f", &notes, "-f", &image, "Sum it up."]));
    assert_eq!(asked.code, Some(0), "{}", asked.stderr);
    let message = &body(&server)["messages"][0];
    let text = message["content"].as_str().unwrap();
    assert!(text.starts_with("notes.md:\n````\none\n```\ntwo\n````\n\n"), "{text}");
    assert!(text.ends_with("\n\nSum it up.") || text.contains("Sum it up."), "{text}");
    assert_eq!(message["images"].as_array().map(Vec::len), Some(1));
    for (name, bytes, wrong) in [
        ("a.pdf", &b"%PDF-1.7"[..], "is a PDF, and its text is read by pdftotext, which is not installed"),
        ("a.bin", b"\0\xff\0", "is neither text, a PDF, nor a PNG, JPEG, WebP or GIF image"),
    ] {
        // The folder has no program.
        let refused = ended(run(&server.url(), &["-f", &file(name, bytes), "hi"]).env("PATH", folder.path()));
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains(wrong), "{}", refused.stderr);
    }
}

#[test]
fn the_text_of_a_pdf_goes_with_a_prompt() {
    use std::os::unix::fs::PermissionsExt as _;
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let paper = folder.path().join("paper.pdf");
    std::fs::write(&paper, "%PDF-1.7 of rivers").unwrap();
    let program = folder.path().join("pdftotext");
    let ask = |script: &str| {
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        ended(run(&server.url(), &["-f", paper.to_str().unwrap()]).env("PATH", path))
    };
    let asked = ask("echo \"text: $(cat)\"");
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert!(asked.stderr.contains("of text from a PDF of 18 B"), "{asked:?}");
    let content = body(&server)["messages"][0]["content"].clone();
    assert_eq!(content, "paper.pdf:\n```\ntext: %PDF-1.7 of rivers\n```\n\nhi");
    for (script, said) in
        [("cat > /dev/null; exit 1", "pdftotext cannot read it"), ("cat > /dev/null", "it has no text")]
    {
        let refused = ask(script);
        assert!(refused.code == Some(2) && refused.stderr.contains(said), "{refused:?}");
    }
}

#[test]
fn a_page_goes_with_a_prompt_and_only_its_host_is_asked() {
    let (server, elsewhere) = (server(), Server::start(Script::respond(200, "text/plain", "elsewhere")));
    let html = "<html><head><title>T</title><script>no()</script></head><body><h1>Rivers</h1><p>Caf\u{e9} &amp; co</p></body></html>";
    let pages = Server::start(
        Routes::new()
            .path("/page", Script::respond(200, "text/html; charset=utf-8", html))
            .path("/plain", Script::respond(200, "text/plain; charset=ISO-8859-1", b"caf\xe9"))
            .path("/moved", redirect("/plain"))
            .path("/away", redirect(&format!("{}/x", elsewhere.url())))
            .otherwise(Script::respond(404, "text/plain", "nothing")),
    );
    let ask = |path: &str| ended(&mut run(&server.url(), &["-f", &format!("{}{path}", pages.url())]));
    let sent = || {
        server.requests().last().unwrap().json().unwrap()["messages"][0]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let page = ask("/page?q=1");
    assert!(page.code == Some(0) && page.stderr.contains("of text from a page of"), "{page:?}");
    assert!(!page.stderr.contains("q=1"), "a query may be a secret: {page:?}");
    assert!(
        sent().starts_with("page:\n```\n") && sent().contains("Café & co") && !sent().contains("no()"),
        "{}",
        sent()
    );
    for path in ["/plain", "/moved"] {
        assert_eq!(ask(path).code, Some(0), "{path}");
        assert!(sent().ends_with("\ncafé\n```\n\nhi"), "{}", sent());
    }
    for (path, said) in [("/gone", "/gone answered with status 404"), ("/away", "to another host")] {
        let refused = ask(path);
        assert!(refused.code == Some(1) && refused.stderr.contains(said), "{refused:?}");
    }
    assert_eq!(elsewhere.requests().len(), 0);
    let request = &pages.requests()[0];
    assert!(
        request.header("authorization").is_none()
            && request.header("user-agent").unwrap().starts_with("towline/")
    );
    let wrong = ended(&mut run(&server.url(), &["-f", "https://exa mple/"]));
    assert!(wrong.stderr.contains("the address of the page is wrong"), "{wrong:?}");
}

fn redirect(to: &str) -> Script {
    Script::request().send(http::response_head(302, &[("Location", to)], towline_testkit::Body::Length(0)))
}

#[test]
fn only_the_code_of_an_answer_is_printed_and_only_when_it_is_whole() {
    let text = "First:\n```sh\necho one\n```\nor\n> ```py\n> print(2)\n> ```\nand\n```\nthree\n";
    let whole = Server::start(Script::ndjson([chat_text(text), chat_done("stop", 1)]));
    for (arguments, expected, code) in [
        (&["--code"][..], "echo one\nprint(2)\nthree\n", 0),
        (&["--code", "2"], "print(2)\n", 0),
        (&["--code=3"], "three\n", 0),
        (&["--code=4"], "", 1),
    ] {
        let ended = ended(&mut run(&whole.url(), arguments));
        assert_eq!((ended.stdout.as_str(), ended.code), (expected, Some(code)), "{arguments:?}");
    }
    let cut = Server::start(Script::ndjson([chat_text(text)]));
    let cut_off = ended(&mut run(&cut.url(), &["--code"]));
    assert_eq!((cut_off.stdout.as_str(), cut_off.code), ("echo one\nprint(2)\n", Some(3)));
    assert!(cut_off.stderr.contains("the last code block is incomplete"), "{}", cut_off.stderr);
    let none = Server::start(Script::ndjson([chat_text("No code."), chat_done("stop", 1)]));
    let without = ended(&mut run(&none.url(), &["--code"]));
    assert_eq!((without.stdout.as_str(), without.code), ("", Some(1)));
    assert!(without.stderr.contains("no code block in the answer"), "{}", without.stderr);
}

#[test]
fn everything_typed_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.png");
    std::fs::write(&image, b"\x89PNG").unwrap();
    let schema = folder.path().join("s.json");
    std::fs::write(&schema, r#"{"type":"object"}"#).unwrap();
    let (image, schema) = (image.to_str().unwrap(), schema.to_str().unwrap());
    let server = server();
    let options = [
        "--system",
        "Be terse.",
        "-o",
        "temperature=0.2",
        "-o",
        "stop=a",
        "-o",
        "stop=b",
        "--image",
        image,
        "--format",
        schema,
        "--think",
        "high",
        "what",
        "is",
    ];
    let ended = ended(&mut run(&server.url(), &options));
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "ok", ""));
    assert_eq!(
        body(&server),
        json!({
            "model": "m",
            "messages": [
                { "role": "system", "content": "Be terse." },
                { "role": "user", "content": "what is hi", "images": ["iVBORw=="] },
            ],
            "format": { "type": "object" },
            "think": "high",
            "options": { "temperature": 0.2, "stop": ["a", "b"] },
            "stream": true,
        })
    );
}

#[test]
fn think_does_not_swallow_the_prompt() {
    let server = server();
    ended(&mut towline(["run", "--host", &server.url(), "-m", "m", "--think", "Why?"]));
    let body = body(&server);
    assert_eq!((&body["think"], &body["messages"][0]["content"]), (&json!(true), &json!("Why?")));
}

#[test]
fn standard_input_is_the_prompt_or_follows_it() {
    for (words, content) in [(&[][..], "piped\nlines"), (&["Sum up:"][..], "Sum up:\n\npiped\nlines")] {
        let server = server();
        let url = server.url();
        let arguments = ["run", "--host", &url, "-m", "m"].into_iter().chain(words.iter().copied());
        let ended = ended_with_input(&mut towline(arguments), b"piped\nlines\n");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(body(&server)["messages"][0]["content"], content);
    }
}

#[test]
fn a_pipe_that_stays_open_does_not_keep_a_cancelled_program() {
    let server = server();
    let mut command = run(&server.url(), &[]);
    let live = Live::start(command.stdin(Stdio::piped()));
    // The program may not have its handler yet, and then dies of the signal: both are correct.
    live.signal(rustix::process::Signal::TERM);
    let mut live = live;
    let stdin = live.child.stdin.take();
    let ended = live.finish();
    assert!(matches!(ended.code, Some(143) | None), "{ended:?}");
    drop(stdin);
}

#[test]
fn wrong_use_says_what_is_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (list, broken) = (file("list.json", "[1]"), file("broken.json", "{"));
    let missing = folder.path().join("missing.png").to_str().unwrap().to_owned();
    let cases: &[(&[&str], &[&str])] = &[
        (&["run"], &["there is no prompt", "hint: towline run \"What is a river?\""]),
        (&["run", "-o", "=1", "x"], &["the name of the option is missing"]),
        (&["run", "--keep-alive", "soon", "x"], &["this is not a duration"]),
        (&["run", "--encoding", "ebcdic", "x"], &["utf-8, utf-16, latin-1"]),
        (&["run", "-o", "seed=many", "x"], &["takes a whole number"]),
        (&["run", "-o", "seed", "x"], &["key=value"]),
        (&["run", "--image", &missing, "x"], &[&missing, "cannot be read"]),
        (&["run", "--format", &list, "x"], &[&list, "not a JSON schema"]),
        (&["run", "--format", &broken, "x"], &[&broken, "is not JSON"]),
        (&["run", "--think=much", "x"], &["low, medium, high, max"]),
        (&["run", "--timeout", "soon", "x"], &["30s, 1m30s, 500ms or none"]),
        (&["run", "--idle-timeout", "0s", "x"], &["write none for no limit"]),
        (&["run", "--host", "ftp://x", "x"], &["--host does not name a server", "unix:/"]),
        (&["run", "--frobnicate", "x"], &["unexpected argument '--frobnicate'"]),
        (&["run", "--time", "1s", "x"], &["--timeout"]),
        (&["atach", "x"], &["unrecognized subcommand 'atach'", "'attach'"]),
        (
            &["What is a river?"],
            &["hint: to ask a question, write run before it: towline run \"What is a river?\""],
        ),
        (&["completions", "tcsh"], &["bash", "zsh", "fish"]),
        (&["bench", "--streams", "0"], &["write a whole number, 1 or more"]),
        (&["batch", "x", "-j", "many"], &["write a whole number, 1 or more"]),
        (&["batch", "x", "-j", "65536"], &["write a smaller number"]),
        (&["serve", "--listen", "here"], &["for example 127.0.0.1:11434"]),
        (&["pull"], &["MODEL"]),
    ];
    for (arguments, parts) in cases {
        let ended = ended(&mut towline(*arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        for part in *parts {
            assert!(ended.stderr.contains(part), "{arguments:?}: {part:?} is not in {}", ended.stderr);
        }
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
}

#[test]
fn input_that_is_no_text_is_refused() {
    let ended = ended_with_input(&mut towline(["run", "-m", "m", "--host", "127.0.0.1:1"]), b"abc\xff\0");
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("standard input is not text"), "{ended:?}");
    assert!(ended.stderr.contains("--image"), "{ended:?}");
}

#[test]
fn text_in_other_encodings_is_taken() {
    for (arguments, bytes, content, warned) in [
        (&[][..], &b"\xef\xbb\xbfmarked"[..], "marked", None),
        (&[], b"\xff\xfeh\0i\0", "hi", None),
        (&["--encoding", "latin-1"], b"caf\xe9 \x96", "café –", None),
        (&["--encoding", "utf-16"], b"h\0i\0", "hi", None),
        (&[], b"caf\xe9 \x96", "caf\u{fffd} \u{fffd}", Some("became U+FFFD in 2 places")),
    ] {
        let server = server();
        let url = server.url();
        let arguments = ["run", "--host", &url, "-m", "m"].into_iter().chain(arguments.iter().copied());
        let ended = ended_with_input(&mut towline(arguments), bytes);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "ok"), "{ended:?}");
        assert_eq!(body(&server)["messages"][0]["content"], content);
        match warned {
            Some(warned) => {
                assert!(ended.stderr.contains(warned) && ended.stderr.contains("--encoding latin-1"))
            }
            None => assert_eq!(ended.stderr, ""),
        }
    }
}

#[test]
fn an_image_is_a_file_or_a_data_url() {
    let server = server();
    let url = "data:image/png;base64,iVBORw==";
    let sent = ended(&mut run(&server.url(), &["--image", url]));
    assert_eq!((sent.code, sent.stderr.as_str()), (Some(0), ""), "{sent:?}");
    assert_eq!(body(&server)["messages"][0]["images"], json!(["iVBORw=="]));
    for (image, why) in [
        ("missing.png", "missing.png cannot be read: No such file"),
        ("data:image/png;base64,iVB?", "the data URL (data:image/png) is damaged"),
        ("data:image/svg+xml,<svg/>", "has no base64 text"),
    ] {
        let refused = ended(&mut run(&server.url(), &["--image", image]));
        assert!(refused.code == Some(2) && refused.stderr.contains(why), "{why}: {refused:?}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_option_of_any_name_and_a_time_to_stay_are_sent() {
    let server = server();
    let ended =
        ended(&mut run(&server.url(), &["-o", "top_a=0.5", "-o", "mode=fast", "--keep-alive", "1m30s"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "ok"), "{ended:?}");
    assert!(ended.stderr.starts_with("note: Ollama has no option \"top_a\""), "{ended:?}");
    let body = body(&server);
    assert_eq!(body["options"], json!({ "top_a": 0.5, "mode": "fast" }));
    assert_eq!(body["keep_alive"], "90000ms");
}

#[test]
fn the_first_word_may_be_the_model() {
    let models = json!({ "models": [{ "name": "llama3.2:latest" }, { "name": "qwen3:8b" }] });
    for (words, model, content, listed) in [
        (&["llama3.2", "why", "so?"][..], "llama3.2", "why so?", true),
        (&["qwen3:8b", "why?"], "qwen3:8b", "why?", true),
        (&["qwen3", "why?"], "other", "qwen3 why?", true),
        (&["llama3.2 why?"], "other", "llama3.2 why?", false),
        (&["Why?", "so?"], "other", "Why? so?", false),
        (&["-m", "m", "llama3.2", "why?"], "m", "llama3.2 why?", false),
    ] {
        let server = Server::start(
            Routes::new()
                .path("/api/tags", Script::respond(200, http::JSON, models.to_string()))
                .otherwise(Script::ndjson(chat(&["ok"]))),
        );
        let url = server.url();
        let mut command = towline(["run", "--host", &url].into_iter().chain(words.iter().copied()));
        let ended = ended(command.env("TOWLINE_MODEL", "other"));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "ok"), "{ended:?}");
        let requests = server.requests();
        assert_eq!(requests.len(), 1 + usize::from(listed), "{words:?}");
        let body = requests.last().unwrap().json().unwrap();
        assert_eq!((&body["model"], &body["messages"][0]["content"]), (&json!(model), &json!(content)));
        let said = format!("note: {model:?} is an installed model; the other words are the prompt\n");
        assert_eq!(ended.stderr, if words[0] == model { said } else { String::new() });
    }
}
