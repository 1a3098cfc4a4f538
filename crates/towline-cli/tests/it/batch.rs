//! `towline batch`.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server, fakemodel, http};

use crate::program::{Live, SOON, towline};
use crate::pty::Pty;
use crate::relay_jobs::Person;

fn good(text: &str) -> Script {
    Script::ndjson(ollama::chat(&[text]))
}

fn results(person: &Person, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(person.folder.path().join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The file of questions, as a command-line argument.
fn questions(person: &Person, name: &str, text: &str) -> String {
    let path = person.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The number of requests to the server for this model.
fn asked(person: &Person, model: &str) -> usize {
    let bodies = person.model.requests().into_iter().filter_map(|request| request.json());
    bodies.filter(|body| body["model"] == model && body["messages"].is_array()).count()
}

#[test]
fn questions_are_answered_in_order_and_only_what_is_missing_is_asked_again() {
    let routes = Routes::new()
        .model("a", good("yes"))
        .model_each("b", [Script::error(404, "model 'b' not found"), good("later")])
        .otherwise(Script::error(404, "none"));
    let person = Person::with(Server::start(routes));
    let file = questions(
        &person,
        "asks.jsonl",
        "{\"prompt\":\"one\",\"id\":\"x\"}\n\n{\"prompt\":\"two\",\"model\":\"b\"}\n{\"prompt\":\"three\"}\n",
    );
    let (out, log) = (person.folder.path().join("out.jsonl"), person.folder.path().join("log"));
    let hook = format!(
        "echo $TOWLINE_NUMBER $TOWLINE_OUTCOME $TOWLINE_MODEL $TOWLINE_QUESTION $TOWLINE_GROUP >> '{0}'; wc -l >> '{0}'",
        log.display()
    );
    let batch = ["batch", &file, "-m", "a", "-j", "2", "--out", out.to_str().unwrap(), "--on-end", &hook];
    let first = person.ended(&batch);
    assert_eq!(first.code, Some(1), "{first:?}");
    assert!(
        first.stderr.contains("3 answers in") && first.stderr.contains("2 completed, 1 did not"),
        "{first:?}"
    );
    let lines = results(&person, "out.jsonl");
    let of = |key: &str| lines.iter().map(|line| line[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("number"), [1, 2, 3]);
    assert_eq!(of("id"), [Value::from("x"), Value::Null, Value::Null]);
    assert_eq!(of("outcome"), ["completed", "failed", "completed"]);
    assert_eq!(
        (of("text"), of("model")),
        (vec!["yes".into(), "".into(), Value::from("yes")], vec!["a".into(), "b".into(), Value::from("a")])
    );
    assert_eq!(lines[1]["error"]["may_have_had_effect"], false, "{}", lines[1]);
    assert_eq!(
        std::fs::read_to_string(&log).unwrap(),
        "1 completed a one asks\n1\n2 failed b two asks\n1\n3 completed a three asks\n1\n"
    );

    let second = person.ended(&batch);
    assert_eq!(second.code, Some(0), "{second:?}");
    let lines = results(&person, "out.jsonl");
    let texts: Vec<&Value> = lines.iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["yes", "later", "yes"], "in the order of the questions");
    assert_eq!((asked(&person, "a"), asked(&person, "b")), (2, 2));

    // Without a file the relay lists the answers.
    let third = person.ended(&["batch", &file, "-m", "a"]);
    assert_eq!((third.code, third.lines().len()), (Some(0), 3), "{third:?}");
    assert_eq!((asked(&person, "a"), asked(&person, "b")), (2, 2));
    let listed = person.ended(&["jobs", "--group", "asks", "--json"]);
    assert_eq!(listed.lines().len(), 4, "{listed:?}");
    assert_eq!(person.ended(&["jobs", "--group", "other", "--json"]).lines().len(), 0);
}

#[test]
fn what_failed_before_an_effect_is_tried_again_so_many_times() {
    let busy = || Script::error(503, "the server is busy");
    let routes = Routes::new()
        .model_each("a", [busy(), good("yes")])
        .model_each("b", [busy(), busy(), good("late")])
        .otherwise(Script::error(404, "none"));
    let person = Person::with(Server::start(routes));
    let file = questions(&person, "q.txt", "why?\n");
    let batch = person.ended(&["batch", &file, "-m", "a", "-m", "b", "--retry", "1"]);
    assert_eq!(batch.code, Some(1), "{batch:?}");
    let outcomes: Vec<Value> = batch.lines().iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["completed", "failed"]);
    assert_eq!((asked(&person, "a"), asked(&person, "b")), (2, 2));
}

#[test]
fn what_cannot_be_asked_is_named() {
    let person = Person::new();
    let path = |name: &str| person.folder.path().join(name).to_str().unwrap().to_owned();
    let empty = questions(&person, "empty.txt", "\n\n");
    let wrong = questions(&person, "wrong.jsonl", "{\"prompt\":\"a\"}\n{\"promt\":\"a\"}\n");
    let good = questions(&person, "good.txt", "a\n");
    let other = questions(&person, "other.jsonl", "{\"key\":\"x\",\"outcome\":\"completed\"}\n");
    for (arguments, said) in [
        (vec!["batch", &path("nowhere")], "nowhere cannot be read"),
        (vec!["batch", &empty], "empty.txt has no question"),
        (vec!["batch", &wrong], "wrong.jsonl: line 2 is not a question: unknown field `promt`"),
        (vec!["batch", &good, "-m", "a", "--group", "a b"], "--group takes"),
        (
            vec!["batch", &good, "-m", "a", "--out", &other],
            "other.jsonl: line 1 is the result of another question",
        ),
    ] {
        let refused = person.ended(&arguments);
        assert!(refused.code == Some(2) && refused.stderr.contains(said), "{arguments:?}: {refused:?}");
    }
    assert_eq!(results(&person, "other.jsonl").len(), 1, "it is left as it is");
}

/// Like `run`: asks a person whether to fetch a model, and tells a script how.
#[test]
fn a_missing_model_is_offered_or_named() {
    let routes = Routes::new()
        .path("/api/tags", Script::respond(200, http::JSON, json!({ "models": [] }).to_string()))
        .path("/api/pull", Script::ndjson([ollama::status("success")]))
        .model_each("m", [Script::error(404, "model 'm' not found"), good("yes")])
        .otherwise(Script::error(404, "none"));
    let person = Person::with(Server::start(routes));
    let file = questions(&person, "q.txt", "why?\n");
    let script = person.ended(&["batch", &file, "-m", "m"]);
    let hint = format!("hint: towline pull --host {} m fetches it", person.model.url());
    assert!(script.code == Some(1) && script.stderr.contains(&hint), "{script:?}");
    let mut pty = Pty::start(&mut person.types(&["batch", &file, "-m", "m"]));
    pty.expect("has no model m. Fetch it? [y/N]");
    pty.press("y\r");
    assert_eq!(pty.end().code(), Some(0), "{}", pty.text());
    let pulled = person.model.requests().into_iter().filter(|request| request.target == "/api/pull");
    assert_eq!(pulled.count(), 1);
    assert_eq!(
        person.ended(&["jobs", "--group", "q", "--json"]).lines().len(),
        2,
        "the group has answers only"
    );
}

/// The built-in model's server cannot fetch models.
#[test]
fn where_only_the_builtin_model_answers_nothing_is_to_be_pulled() {
    if TcpStream::connect("127.0.0.1:11434").is_ok() {
        // This machine has a server, which then answers.
        return;
    }
    let person = Person::new();
    let file = questions(&person, "q.txt", "why?\n");
    let script = crate::program::ended(person.types(&["batch", &file, "-m", "m"]).env_remove("OLLAMA_HOST"));
    let hint = "hint: there is only the built-in model; other models need a server such as Ollama";
    assert!(script.code == Some(1) && script.stderr.contains(hint), "{script:?}");
    assert!(!script.stderr.contains("towline pull"), "{script:?}");
}

/// Detaching from a batch cancels nothing; a group is cancelled as a whole, and none of its questions is asked meanwhile.
#[test]
fn a_batch_runs_without_its_terminal_until_its_group_is_cancelled() {
    let gated = Script::ndjson_open([ollama::chat_text("x")]).wait("gate").end_chunks();
    let person = Person::with(Server::start(
        Routes::new().path("/api/chat", gated).otherwise(Script::error(404, "none")),
    ));
    let file = questions(&person, "q.txt", "one\ntwo\nthree\nfour\n");
    let batch = ["batch", &file, "-m", "m", "-j", "2"];
    let live = Live::start(&mut person.types(&batch));
    assert!(person.model.wait_until_at("gate", 2, SOON), "two run at once");
    until(|| person.jobs().len() == 4);
    live.signal(Signal::INT);
    let left = live.finish();
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(left.stderr.contains("4 answers run or wait on the relay"), "{left:?}");
    let states =
        || person.jobs().iter().map(|job| job["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(states(), ["streaming", "streaming", "queued", "queued"]);
    let killed = person.ended(&["kill", "--group", "q"]);
    assert_eq!((killed.code, killed.stdout.lines().count()), (Some(0), 4), "{killed:?}");
    assert_eq!(states(), ["cancelled"; 4]);
    assert_eq!(asked(&person, "m"), 2, "those that waited were never asked");
    let waited = person.ended(&["wait", "--group", "q"]);
    assert_eq!(waited.code, Some(0), "nothing of it runs: {waited:?}");
    // Started answers stay cancelled; the rest is asked again.
    person.model.open("gate");
    let again = person.ended(&batch);
    let outcomes: Vec<Value> = again.lines().iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["cancelled", "cancelled", "truncated", "truncated"], "{again:?}");
    assert_eq!((again.code, asked(&person, "m")), (Some(130), 4));
}

/// A group may grow while a program waits for it; an unknown group is an error.
#[test]
fn a_group_is_waited_for_until_nothing_of_it_runs() {
    let gated = |gate: &str| Script::ndjson_open([ollama::chat_text("x")]).wait(gate).end_chunks();
    let models = ["first", "second", "late"];
    let routes = models.iter().fold(Routes::new(), |routes, model| routes.model(model, gated(model)));
    let person = Person::with(Server::start(routes.otherwise(Script::error(404, "none"))));
    for verb in ["wait", "kill", "forget"] {
        let typo = person.ended(&[verb, "--group", "q"]);
        assert_eq!(typo.code, Some(1), "{typo:?}");
        assert!(typo.stderr.contains("no answer of a group q"), "{typo:?}");
    }
    let ask = |model| {
        let file = questions(&person, &format!("{model}.txt"), "one\n");
        let asks = Live::start(&mut person.types(&["batch", &file, "--group", "q", "-m", model]));
        assert!(person.model.wait_until_at(model, 1, SOON));
        asks
    };
    let (first, second) = (ask("first"), ask("second"));
    let mut waits = Live::start(&mut person.types(&["wait", "--group", "q"]));
    waits.expect_error("2 answers of the group q to wait for");
    let late = ask("late");
    person.model.open("first");
    person.model.open("second");
    assert_eq!((first.finish().code, second.finish().code), (Some(3), Some(3)));
    person.model.open("late");
    assert_eq!(late.finish().code, Some(3));
    let waited = waits.finish();
    assert_eq!((waited.code, waited.stdout.lines().count()), (Some(3), 3), "{waited:?}");
}

/// The relay's record of the question of a result.
fn tries(person: &Person, line: &Value) -> Vec<Value> {
    person.jobs().into_iter().filter(|job| job["question"] == line["question"]).collect()
}

/// Waits until the condition is true.
fn until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "it does not hold");
        std::thread::yield_now();
    }
}

#[test]
fn a_server_of_the_configuration_has_a_limit_of_its_own() {
    let person = Person::with(Server::start(fakemodel::plan()));
    let config = person.folder.path().join("config.toml");
    let slow = format!("[servers.slow]\nhost = \"{}\"\nrunning = 1\n", person.model.url());
    std::fs::write(&config, slow).unwrap();
    let other = Server::start(fakemodel::plan());
    let ended = |arguments: &[&str]| {
        let ended = crate::program::ended(person.types(arguments).env("TOWLINE_CONFIG", &config));
        assert_eq!(ended.code, Some(0), "{ended:?}");
    };
    for name in ["first", "second"] {
        ended(&["run", "-d", "--name", name, "-s", "slow", "-m", "stall-after:1", "hi"]);
    }
    ended(&["run", "-d", "--name", "third", "--host", &other.url(), "-m", "stall-after:1", "hi"]);
    let state = |name: &str| {
        let jobs = person.jobs();
        jobs.iter().find(|job| job["name"] == name).unwrap()["state"].as_str().unwrap().to_owned()
    };
    until(|| state("first") == "streaming" && state("third") == "streaming");
    assert_eq!(state("second"), "queued");
}

/// The questions to a model server that passed through the proxy.
struct Way {
    address: SocketAddr,
    seen: Arc<Seen>,
}

/// The history of each question.
#[derive(Default)]
struct Seen {
    questions: Mutex<HashMap<usize, Passed>>,
    more: Condvar,
}

/// How often a question was sent to the server, and whether its answer had begun before the last time.
#[derive(Clone, Copy, Default)]
struct Passed {
    times: usize,
    has_begun: bool,
    again_after: bool,
}

const RIVER: &[u8] = b"river no ";

impl Way {
    /// A proxy in front of a server that counts each question `river no N.`.
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Seen> = Arc::default();
        let counted = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (asks, answers) = (Arc::clone(&counted), Arc::clone(&counted));
                // The answer belongs to the last question on this connection.
                let asked = Arc::new(Mutex::new(None));
                let last = Arc::clone(&asked);
                std::thread::spawn(move || carry(from, to, |bytes| asks.asked(bytes, &asked)));
                std::thread::spawn(move || carry(server, client, |_| answers.answered(&last)));
            }
        });
        Self { address, seen }
    }

    fn count(&self) -> usize {
        self.seen.questions.lock().unwrap().values().map(|passed| passed.times).sum()
    }

    /// Waits until this many questions have passed, or the program has ended.
    fn wait_for(&self, count: usize, program: &mut Child) {
        let mut questions = self.seen.questions.lock().unwrap();
        let passed =
            |questions: &HashMap<usize, Passed>| questions.values().map(|passed| passed.times).sum::<usize>();
        while passed(&questions) < count && program.try_wait().unwrap().is_none() {
            let soon = std::time::Duration::from_millis(100);
            questions = self.seen.more.wait_timeout(questions, soon).unwrap().0;
        }
    }
}

impl Seen {
    /// A request is short, and arrives in one piece.
    fn asked(&self, bytes: &[u8], last: &Mutex<Option<usize>>) {
        let places = bytes.windows(RIVER.len()).enumerate().filter(|(_, window)| *window == RIVER);
        for (at, _) in places {
            let digits = bytes[at + RIVER.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
            let mut questions = self.questions.lock().unwrap();
            let passed = questions.entry(number).or_default();
            passed.times += 1;
            passed.again_after |= passed.has_begun;
            *last.lock().unwrap() = Some(number);
            self.more.notify_all();
        }
    }

    fn answered(&self, last: &Mutex<Option<usize>>) {
        if let Some(number) = *last.lock().unwrap() {
            self.questions.lock().unwrap().entry(number).or_default().has_begun = true;
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    let mut piece = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        look(&piece[..count]);
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    // The other direction ends by itself.
    let _gone = to.shutdown(Shutdown::Write);
}

/// A batch against `towline serve`, while its terminal and its relay are killed: every question has one result, and none is sent to the
/// model server twice.
#[test]
fn no_question_is_lost_or_asked_twice_however_often_terminal_and_relay_are_killed() {
    let asked: Option<usize> = std::env::var("TOWLINE_BATCH").ok().and_then(|count| count.parse().ok());
    let (count, kills, words) = (asked.unwrap_or(40), if asked.is_some() { 5 } else { 2 }, "12");
    let began = Instant::now();
    let mut serve = Live::start(&mut towline(["serve", "--listen", "127.0.0.1:0"]));
    serve.expect("\n");
    let server = serve.stdout_text().trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
    let way = Way::to(server);
    let person = Person::new();
    let text: String = (1..=count).map(|number| format!("Tell me of river no {number}.\n")).collect();
    let file = questions(&person, "rivers.txt", &text);
    let out = person.folder.path().join("out.jsonl");
    let start = || {
        let option = format!("num_predict={words}");
        let batch = ["batch", &file, "-m", "brook", "-j", "8", "--out", out.to_str().unwrap(), "-o", &option];
        let mut command = person.types(&batch);
        command.env("OLLAMA_HOST", format!("http://{}", way.address));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    for kill in 0..kills {
        let mut terminal = start();
        way.wait_for((2 * kill + 1) * count / (2 * kills + 1), &mut terminal);
        let is_relay_first = kill % 2 == 0;
        if is_relay_first {
            person.signal_relay();
            let next = way.count() + 1;
            way.wait_for(next, &mut terminal);
        }
        terminal.kill().unwrap();
        terminal.wait().unwrap();
        if !is_relay_first {
            person.kill_relay();
        }
    }
    let exit = start().wait().unwrap().code();
    let lines = results(&person, "out.jsonl");
    let numbers: Vec<usize> =
        lines.iter().map(|line| usize::try_from(line["number"].as_u64().unwrap()).unwrap()).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "each has one result, in order");
    let seen = way.seen.questions.lock().unwrap();
    let mut cut = 0;
    for line in &lines {
        let number = usize::try_from(line["number"].as_u64().unwrap()).unwrap();
        let passed = seen.get(&number).copied().unwrap_or_default();
        assert!(
            !passed.again_after,
            "asked again after its answer had begun: {line}: {:#?}",
            tries(&person, line)
        );
        match line["outcome"].as_str().unwrap() {
            "completed" => {
                assert!(passed.times > 0 && !line["text"].as_str().unwrap().is_empty(), "{line}")
            }
            "truncated" => {
                cut += 1;
                assert!(line["error"]["message"].as_str().unwrap().contains("the relay ended"), "{line}");
            }
            other => panic!("{other}: {line}"),
        }
    }
    assert_eq!(exit, Some(if cut == 0 { 0 } else { 3 }));
    assert!(cut <= 8 * kills, "{cut} were cut, and 8 run at once");
    println!(
        "{count} questions at -j 8, {kills} kill -9 of terminal and relay each: {} completed, {cut} cut, {} requests, {:?}",
        count - cut,
        seen.values().map(|passed| passed.times).sum::<usize>(),
        began.elapsed()
    );
}
