//! The verbs for models.

use serde_json::{Value, json};
use towline_testkit::records::ollama::{error, progress, status};
use towline_testkit::{Routes, Script, Server, http};

use crate::program::{SOON, ended, ended_with_input, towline};

fn tags() -> Value {
    json!({ "models": [
        {
            "name": "llama3.2:latest", "model": "llama3.2:latest", "modified_at": "2020-01-01T00:00:00Z",
            "size": 2_019_393_189_u64, "digest": "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
            "details": { "family": "llama" }, "new_field": [1],
        },
        { "name": "qwen3:0.6b", "modified_at": "2020-01-01T00:00:00Z", "size": 522_653_767, "digest": "7df6b6e09427" },
    ] })
}

fn answering(answer: &Value) -> Server {
    Server::start(Script::respond(200, http::JSON, answer.to_string()))
}

#[test]
fn a_list_without_models_says_so() {
    let tags = json!({ "models": [{ "name": "qwen3:8b" }] }).to_string();
    let server = Server::start(Script::respond(200, http::JSON, tags));
    let listed = ended(&mut towline(["list", "absent", "--host", &server.url()]));
    let said = format!("note: {} has no model whose name begins with \"absent\"\n", server.url());
    assert_eq!((listed.code, listed.stderr), (Some(0), said));
    assert_eq!(ended(&mut towline(["list", "absent", "--json", "--host", &server.url()])).stderr, "");
}

#[test]
fn list() {
    let server = answering(&tags());
    let table = ended(&mut towline(["list", "--host", &server.url()]));
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(table.code, Some(0));
    assert_eq!(lines[0], "NAME               ID              SIZE      MODIFIED");
    assert!(lines[1].starts_with("llama3.2:latest    a80c4f17acd5    2.0 GB    6 years ago"), "{table:?}");
    assert!(lines[2].starts_with("qwen3:0.6b         7df6b6e09427    522 MB    "), "{table:?}");
    let json = ended(&mut towline(["ls", "--json", "--host", &server.url()]));
    assert_eq!(json!(json.lines()), tags()["models"]);
    let some = ended(&mut towline(["list", "QWEN", "--json", "--host", &server.url()]));
    assert_eq!(some.lines().len(), 1);
}

#[test]
fn ps() {
    let server = answering(&json!({ "models": [{
        "name": "m:latest", "size": 3_000_000_000_u64, "size_vram": 1_500_000_000_u64, "digest": "abcdef0123456789",
        "context_length": 4096, "expires_at": "2318-01-01T00:00:00Z",
    }] }));
    let table = ended(&mut towline(["ps", "--host", &server.url()]));
    assert_eq!(
        table.stdout,
        "NAME        ID              SIZE    PROCESSOR          CONTEXT    UNTIL\n\
         m:latest    abcdef012345    3 GB    50%/50% CPU/GPU    4096       Forever\n"
    );
    let json = ended(&mut towline(["ps", "--json", "--host", &server.url()]));
    assert_eq!(json.lines()[0]["size_vram"], 1_500_000_000_u64);
}

#[test]
fn show() {
    let answer = json!({
        "license": "MIT\nsecond\nthird", "modelfile": "FROM x\n", "parameters": "stop    \"<|end|>\"\ntemperature    0.5",
        "template": "{{ .Prompt }}", "system": "Be terse.", "capabilities": ["completion", "tools"],
        "details": { "family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M" },
        "model_info": { "general.architecture": "llama", "llama.context_length": 131_072, "x": [1, 2, 3, 4, 5] },
        "future": 1,
    });
    let server = answering(&answer);
    let url = server.url();
    let shown = ended(&mut towline(["show", "m", "--verbose", "--host", &url]));
    assert_eq!(
        shown.stdout,
        "  Model\n    architecture      llama\n    parameters        3.2B\n    context length    131072\n    \
         quantization      Q4_K_M\n\n  Capabilities\n    completion\n    tools\n\n  Parameters\n    \
         stop           \"<|end|>\"\n    temperature    0.5\n\n  System\n    Be terse.\n\n  License\n    MIT\n    \
         second\n    …\n\n  Metadata\n    general.architecture    llama\n    llama.context_length    131072\n    \
         x                       [1, 2, 3, … 5 in all]\n\n"
    );
    assert_eq!(server.requests()[0].json().unwrap(), json!({ "model": "m", "verbose": true }));
    for (option, text) in [
        ("--modelfile", "FROM x\n"),
        ("--template", "{{ .Prompt }}\n"),
        ("--system", "Be terse.\n"),
        ("--license", "MIT\nsecond\nthird\n"),
        ("--parameters", "stop    \"<|end|>\"\ntemperature    0.5\n"),
    ] {
        assert_eq!(ended(&mut towline(["show", option, "m", "--host", &url])).stdout, text);
    }
    assert_eq!(ended(&mut towline(["show", "--json", "m", "--host", &url])).lines(), [answer]);
    assert_eq!(ended(&mut towline(["show", "--json", "--system", "m", "--host", &url])).code, Some(2));
}

#[test]
fn a_missing_model_has_similar_ones() {
    let server = Server::start(
        Routes::new()
            .path("/api/tags", Script::respond(200, http::JSON, tags().to_string()))
            .otherwise(Script::error(404, "model 'lama3.2' not found")),
    );
    for arguments in [&["show", "lama3.2"][..], &["rm", "lama3.2"], &["cp", "lama3.2", "b"]] {
        let arguments =
            arguments.iter().copied().chain(["--host", &server.url()]).map(str::to_owned).collect::<Vec<_>>();
        let ended = ended(&mut towline(arguments));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        for part in [
            "error: model 'lama3.2' not found",
            "towline pull --host http://127.0.0.1:",
            "similar name: llama3.2:latest\n",
        ] {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
    }
}

#[test]
fn copy_and_remove() {
    let server = Server::start(Script::respond(200, "text/plain", ""));
    let copied = ended(&mut towline(["cp", "a", "b", "--host", &server.url()]));
    assert_eq!((copied.code, copied.stdout.as_str()), (Some(0), "copied a to b\n"));
    let removed = ended(&mut towline(["rm", "a", "b", "--host", &server.url()]));
    assert_eq!((removed.code, removed.stdout.as_str()), (Some(0), "deleted a\ndeleted b\n"));
    let sent: Vec<(String, String, Value)> = server
        .requests()
        .into_iter()
        .map(|request| (request.method.clone(), request.target.clone(), request.json().unwrap()))
        .collect();
    assert_eq!(
        sent,
        [
            ("POST".into(), "/api/copy".into(), json!({ "source": "a", "destination": "b" })),
            ("DELETE".into(), "/api/delete".into(), json!({ "model": "a" })),
            ("DELETE".into(), "/api/delete".into(), json!({ "model": "b" })),
        ]
    );
}

fn pulling() -> Vec<String> {
    let digest = format!("sha256:{}", "a".repeat(64));
    let mut lines = vec![status("pulling manifest"), status("pulling manifest")];
    lines.extend((0..=100).map(|percent| progress(&digest, percent * 10, 1000)));
    lines.extend([status("verifying sha256 digest"), status("success")]);
    lines
}

#[test]
fn a_pull_into_a_pipe_is_a_line_for_each_tenth() {
    let server = Server::start(Script::ndjson(pulling()));
    let ended = ended(&mut towline(["pull", "m", "--host", &server.url(), "--insecure"]));
    let layer = format!("pulling {}", "a".repeat(64));
    let tenths = (0..=10).map(|tenth| format!("{layer}  {} % of 1 KB\n", tenth * 10)).collect::<String>();
    assert_eq!(ended.stdout, format!("pulling manifest\n{tenths}verifying sha256 digest\nsuccess\n"));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        server.requests()[0].json().unwrap(),
        json!({ "model": "m", "insecure": true, "stream": true })
    );
}

#[test]
fn a_pull_as_json_is_a_line_for_each_record() {
    let server = Server::start(Script::ndjson(pulling()));
    let json = ended(&mut towline(["pull", "m", "--json", "--host", &server.url()]));
    let lines = json.lines();
    assert_eq!(lines[0], json!({ "event": "start", "model": "m", "server": server.url() }));
    assert_eq!(lines.len(), pulling().len() + 2);
    let manifest = json!({
        "event": "progress", "status": "pulling manifest", "digest": null, "completed": null, "total": null,
    });
    assert_eq!(lines[1], manifest);
    let layer = format!("sha256:{}", "a".repeat(64));
    assert_eq!(
        (&lines[4]["digest"], &lines[4]["completed"], &lines[4]["total"]),
        (&json!(layer), &json!(10), &json!(1000))
    );
    let end = json.end();
    assert_eq!((&end["outcome"], &end["reason"]), (&json!("completed"), &json!("success")));
}

#[test]
fn a_pull_that_fails_does_not_keep_the_next() {
    let server = Server::start(
        Routes::new()
            .model(
                "bad",
                Script::ndjson([
                    status("pulling manifest"),
                    error("pull model manifest: file does not exist"),
                ]),
            )
            .model("cut", Script::ndjson([status("pulling manifest")]))
            .otherwise(Script::ndjson([status("success")])),
    );
    let pulled = ended(&mut towline(["pull", "bad", "good", "--host", &server.url()]));
    assert_eq!((pulled.code, pulled.stdout.as_str()), (Some(1), "pulling manifest\nsuccess\n"), "{pulled:?}");
    assert!(pulled.stderr.contains("error: bad: pull model manifest: file does not exist"), "{pulled:?}");
    assert!(pulled.stderr.contains("hint: check the name"), "{pulled:?}");
    let cut = ended(&mut towline(["pull", "cut", "--host", &server.url()]));
    assert_eq!(cut.code, Some(3), "{cut:?}");
    assert!(cut.stderr.contains("the same pull continues there"), "{cut:?}");
    let pushed = ended(&mut towline(["push", "me/m", "--host", &server.url()]));
    assert_eq!((pushed.code, pushed.stdout.as_str()), (Some(0), "success\n"));
}

#[test]
fn create_sends_files_and_the_recipe() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w.gguf"), b"GGUF").unwrap();
    let modelfile = folder.path().join("Modelfile");
    std::fs::write(&modelfile, "FROM ./w.gguf\nPARAMETER temperature 0.5\nSYSTEM \"\"\"a\nb\"\"\"\n")
        .unwrap();
    let digest = "sha256:5f0aaa53d70e9ea5bcb7e6a8a36e3a8d9eef65bba7cc2a2bc4d66a2d7d2b4a9e";
    let server = Server::start(
        Routes::new()
            .path("/api/create", Script::ndjson([status("writing manifest"), status("success")]))
            .otherwise(Script::respond(404, http::JSON, "")),
    );
    let refused =
        ended(&mut towline(["create", "n", "-f", modelfile.to_str().unwrap(), "--host", &server.url()]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let asked = server.wait_for_request(1, SOON).unwrap();
    assert_eq!(asked.method, "HEAD");
    let path = asked.target.clone();
    assert_ne!(path, format!("/api/blobs/{digest}"), "the digest is the file's own");
    let server = Server::start(
        Routes::new()
            .path_each(
                &path,
                [
                    Script::request().send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
                    Script::respond(201, "text/plain", ""),
                ],
            )
            .path("/api/create", Script::ndjson([status("writing manifest"), status("success")])),
    );
    let arguments =
        ["create", "n", "-f", modelfile.to_str().unwrap(), "-q", "q4_K_M", "--host", &server.url()];
    let made = ended(&mut towline(arguments));
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(
        made.stdout,
        "reading w.gguf  100 % of 4 B\nsending w.gguf  100 % of 4 B\nwriting manifest\nsuccess\n"
    );
    let requests = server.requests();
    assert_eq!(requests[1].body, b"GGUF");
    assert_eq!(
        requests[2].json().unwrap(),
        json!({
            "model": "n", "files": { "w.gguf": path.trim_start_matches("/api/blobs/") }, "system": "a\nb",
            "parameters": { "temperature": 0.5 }, "quantize": "q4_K_M", "stream": true,
        })
    );
}

#[test]
fn create_from_a_model_or_standard_input() {
    let server = Server::start(Script::ndjson([status("success")]));
    let made = ended(&mut towline(["create", "n", "--from", "m", "--json", "--host", &server.url()]));
    assert_eq!((made.code, made.lines().len()), (Some(0), 3), "{made:?}");
    let piped = ended_with_input(
        &mut towline(["create", "n", "-f", "-", "--host", &server.url()]),
        b"FROM m\nSYSTEM x\n",
    );
    assert_eq!(piped.code, Some(0), "{piped:?}");
    let sent: Vec<Value> = server.requests().iter().map(|request| request.json().unwrap()).collect();
    assert_eq!(sent[0], json!({ "model": "n", "from": "m", "stream": true }));
    assert_eq!(sent[1], json!({ "model": "n", "from": "m", "system": "x", "stream": true }));
    let wrong = ended_with_input(
        &mut towline(["create", "n", "-f", "-", "--host", &server.url()]),
        b"FROM m\n\nFORM x\n",
    );
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("-, line 3: \"FORM\" is not a command"), "{wrong:?}");
    let none = ended(towline(["create", "n", "--host", &server.url()]).current_dir(std::env::temp_dir()));
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.contains("Modelfile cannot be read") && none.stderr.contains("--from"), "{none:?}");
}

#[test]
fn a_server_that_stalls_does_not_hold_a_list() {
    let server = Server::start(Script::respond(500, "text/plain", "tired"));
    let ended = ended(&mut towline(["list", "--host", &server.url()]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains("error: tired (status 500)"), "{ended:?}");
}

/// Ollama 0.33's description of a model, exact except for its length.
const SHOWN: &str = "# Modelfile generated by \"ollama show\"\n# To build a new Modelfile based on this, replace FROM \
with:\n# FROM think:latest\n\nFROM /srv/none/blobs/sha256-d6989976b8e8f97e03cf68da1f8012c26cb162801e3c33b9e9170a614990d751\n\
TEMPLATE \"{{- if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}<|im_start|>assistant\n\"\n\
PARAMETER stop <|im_start|>\nPARAMETER stop <|im_end|>\n";

#[test]
fn what_is_shown_can_be_created() {
    let blob = "sha256:d6989976b8e8f97e03cf68da1f8012c26cb162801e3c33b9e9170a614990d751";
    let server = Server::start(
        Routes::new()
            .path("/api/show", Script::respond(200, http::JSON, json!({ "modelfile": SHOWN }).to_string()))
            .path(&format!("/api/blobs/{blob}"), Script::respond(200, "text/plain", ""))
            .path("/api/create", Script::ndjson([status("success")])),
    );
    let url = server.url();
    let shown = ended(&mut towline(["show", "--modelfile", "think", "--host", &url]));
    assert_eq!(shown.stdout, SHOWN);
    let made = ended_with_input(&mut towline(["create", "n", "-f", "-", "--host", &url]), SHOWN.as_bytes());
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    let sent: Vec<_> = server.requests().into_iter().skip(1).collect();
    assert_eq!((sent[0].method.as_str(), sent.len()), ("HEAD", 2), "nothing is sent that the server has");
    assert_eq!(
        sent[1].json().unwrap(),
        json!({
            "model": "n", "files": { (blob.replace(':', "-")): blob },
            "template": "{{- if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}<|im_start|>assistant\n",
            "parameters": { "stop": ["<|im_start|>", "<|im_end|>"] }, "stream": true,
        })
    );
}

#[test]
fn a_blob_that_nobody_has_is_named() {
    let server = Server::start(Script::request().send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    let made =
        ended_with_input(&mut towline(["create", "n", "-f", "-", "--host", &server.url()]), SHOWN.as_bytes());
    assert_eq!(made.code, Some(2), "{made:?}");
    assert!(made.stderr.contains("neither this machine nor the server has the file sha256:d69"), "{made:?}");
}

#[test]
fn a_modelfile_of_windows_is_read() {
    let server = Server::start(Script::ndjson([status("success")]));
    let text: Vec<u8> = "\u{feff}FROM m\r\nSYSTEM caf\u{e9}\r\nPARAMETER top_a 1\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let made = ended_with_input(&mut towline(["create", "n", "-f", "-", "--host", &server.url()]), &text);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stderr.contains("note: Ollama has no option \"top_a\""), "{made:?}");
    assert_eq!(
        server.requests()[0].json().unwrap(),
        json!({ "model": "n", "from": "m", "system": "café", "parameters": { "top_a": 1 }, "stream": true })
    );
}

#[test]
fn unload() {
    let answer = json!({ "model": "m", "response": "", "done": true, "done_reason": "unload" });
    let server =
        Server::start(
            Routes::new()
                .model("none", Script::error(404, "model 'none' not found"))
                .otherwise(Script::respond(200, http::JSON, answer.to_string())),
        );
    let url = server.url();
    let unloaded = ended(&mut towline(["unload", "m", "--host", &url]));
    assert_eq!((unloaded.code, unloaded.stdout.as_str()), (Some(0), "unloaded m\n"), "{unloaded:?}");
    let request = &server.requests()[0];
    assert_eq!(request.target, "/api/generate");
    assert_eq!(request.json().unwrap(), json!({ "model": "m", "keep_alive": 0, "stream": false }));
    let both = ended(&mut towline(["stop", "none", "m", "--host", &url]));
    assert_eq!((both.code, both.stdout.as_str()), (Some(1), "unloaded m\n"), "{both:?}");
    assert!(both.stderr.contains("error: model 'none' not found"), "{both:?}");
}

#[test]
fn embed() {
    let answer = json!({ "model": "m", "embeddings": [[0.25, -1.5], [1.0, 2.0]], "prompt_eval_count": 2 });
    let server = answering(&answer);
    let arguments = ["embed", "-m", "m", "--host", &server.url(), "--keep-alive", "-1", "--dimensions", "2"];
    let embedded = ended(towline(arguments).args(["-o", "num_ctx=512", "--no-truncate", "a", "b c"]));
    assert_eq!(
        (embedded.code, embedded.stdout.as_str()),
        (Some(0), "[0.25,-1.5]\n[1.0,2.0]\n"),
        "{embedded:?}"
    );
    assert_eq!(
        server.requests()[0].json().unwrap(),
        json!({
            "model": "m", "input": ["a", "b c"], "truncate": false, "dimensions": 2, "options": { "num_ctx": 512 },
            "keep_alive": -1,
        })
    );
    let json = ["embed", "-m", "m", "--json", "--lines", "--host", &server.url()];
    let lines = ended_with_input(&mut towline(json), b"one\ntwo\n");
    assert_eq!(lines.lines(), [answer]);
    assert_eq!(server.requests()[1].json().unwrap()["input"], json!(["one", "two"]));
    let none = ended(&mut towline(["embed", "-m", "m", "--host", &server.url()]));
    assert_eq!(none.code, Some(2), "{none:?}");
}
