//! The commands for jobs on a relay, and the relay that they start.

use std::process::Command;

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;
use towline::Client;
use towline::client::Endpoint;
use towline::relay::Control;
use towline_testkit::records::openai;
use towline_testkit::{Routes, Script, Server, fakemodel, http};

use crate::program::{Ended, Live, SOON, ended, towline};

/// A user with a model server, whose relay ends with the test.
pub struct Person {
    pub folder: TempDir,
    pub model: Server,
}

impl Person {
    pub fn new() -> Self {
        Self::with(Server::start(fakemodel::plan()))
    }

    pub fn with(model: Server) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), model }
    }

    pub fn types(&self, arguments: &[&str]) -> Command {
        let mut command = towline(arguments.iter().copied());
        command
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("OLLAMA_HOST", self.model.url());
        command
    }

    pub fn ended(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.types(arguments))
    }

    /// Starts a detached job with this scenario; returns its id.
    fn detached(&self, scenario: &str) -> String {
        let run = self.ended(&["run", "-d", "--name", "mine", "-m", scenario, "hi"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let id = run.stdout.trim().to_owned();
        assert!(id.len() > 8 && !id.contains(char::is_whitespace), "{run:?}");
        id
    }

    fn control(&self) -> Control {
        let socket = self.folder.path().join("towline/relay.sock");
        Client::with_config(Endpoint::unix(socket), towline::Config::default()).unwrap().relay()
    }

    /// Kills the relay's process. A program that needs one may have started another before this returns.
    pub fn signal_relay(&self) {
        let control = self.control();
        let pid = block(async move { control.version().await.unwrap().pid });
        rustix::process::kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    }

    /// Kills the relay's process, and waits until it is gone.
    pub fn kill_relay(&self) {
        self.signal_relay();
        let socket = self.folder.path().join("towline/relay.sock");
        while std::os::unix::net::UnixStream::connect(&socket).is_ok() {
            std::thread::yield_now();
        }
    }

    pub fn jobs(&self) -> Vec<Value> {
        let jobs = self.ended(&["jobs", "--json"]);
        assert_eq!(jobs.code, Some(0), "{jobs:?}");
        jobs.lines()
    }
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

impl Drop for Person {
    fn drop(&mut self) {
        let control = self.control();
        block(async move {
            for job in control.list(&Default::default()).await.unwrap_or_default() {
                drop(control.cancel(&job.id, "the test is over").await);
            }
            drop(control.shutdown().await);
        });
    }
}

#[test]
fn a_detached_job_is_read_listed_and_forgotten() {
    let person = Person::new();
    let direct = ended(&mut towline(["run", "--host", &person.model.url(), "-m", "unicode", "hi"]));
    let id = person.detached("unicode");
    let short = &id[..6];
    let attached = person.ended(&["attach", short]);
    assert_eq!((attached.code, &attached.stdout), (Some(0), &direct.stdout), "{attached:?}");
    let log = person.ended(&["log", short]);
    assert_eq!((log.code, &log.stdout), (Some(0), &direct.stdout), "{log:?}");
    let raw = person.ended(&["log", "--raw", &id]);
    let records: Vec<Value> = raw.lines();
    assert_eq!(records.last().unwrap()["done"], true, "{raw:?}");
    let json = person.ended(&["attach", "--json", &id]);
    assert_eq!(json.end()["outcome"], "completed", "{json:?}");

    let jobs = person.jobs();
    assert_eq!((jobs.len(), &jobs[0]["id"], &jobs[0]["name"]), (1, &Value::from(&*id), &Value::from("mine")));
    assert_eq!(jobs[0]["state"], "completed");
    let table = person.ended(&["jobs"]);
    let (head, row) = table.stdout.split_once('\n').unwrap();
    let columns: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(
        columns,
        ["JOB", "NAME", "STATE", "QUESTION", "MODEL@SERVER", "TOKENS", "TOK/S", "AGE", "LEFT"],
        "{table:?}"
    );
    assert!(
        row.starts_with("%1 ") && row.contains(" mine ") && row.contains("completed") && row.contains("hi"),
        "{table:?}"
    );
    assert!(row.contains(&person.model.url().replace("http://", "unicode@")), "{table:?}");
    assert!(person.ended(&["jobs", "-l"]).stdout.contains(&id));
    assert_eq!(person.ended(&["jobs", "MIN"]).stdout.lines().count(), 2);
    let absent = person.ended(&["jobs", "absent"]);
    assert_eq!((absent.code, absent.stdout.lines().count()), (Some(0), 1));
    assert_eq!(absent.stderr, "note: no answer has \"absent\" in its name, question or model\n");
    assert_eq!(person.ended(&["jobs", "absent", "--json"]).stderr, "");
    assert_eq!(person.ended(&["fg", "mine"]).stdout, direct.stdout, "its name is as good as its id");
    assert_eq!(person.ended(&["log", "%1"]).stdout, direct.stdout, "and so is its number");
    assert!(person.ended(&["jobs", "-r"]).stdout.lines().count() == 1);

    let waited = person.ended(&["wait", &id]);
    assert_eq!((waited.code, waited.stdout.trim()), (Some(0), &*format!("{id}  completed")), "{waited:?}");
    let killed = person.ended(&["kill", &id]);
    assert!(killed.code == Some(0) && killed.stderr.contains("already ended: completed"), "{killed:?}");
    let refused = person.ended(&["rm", "mine"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("towline forget mine"), "{refused:?}");
    let renamed = person.ended(&["rename", "mine", "yours"]);
    assert_eq!((renamed.code, renamed.stdout.trim()), (Some(0), &*format!("{id}  yours")), "{renamed:?}");
    let forgotten = person.ended(&["forget", short]);
    assert_eq!(
        (forgotten.code, forgotten.stdout.trim()),
        (Some(0), &*format!("forgot {id}")),
        "{forgotten:?}"
    );
    assert!(person.jobs().is_empty());
}

#[test]
fn leaving_is_not_stopping_and_stopping_is() {
    let person = Person::new();
    let id = person.detached("slow:200:100000");
    let mut reader = Live::start(&mut person.types(&["attach", &id]));
    reader.expect(" ");
    reader.signal(Signal::INT);
    let left = reader.finish();
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(left.stderr.contains("detached; the job continues"), "{left:?}");
    assert!(left.stderr.contains("towline kill mine"), "{left:?}");
    let refused = person.ended(&["forget", "mine"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("kill it first"), "{refused:?}");
    let paused = person.ended(&["pause", "--all"]);
    assert_eq!((paused.code, paused.stdout.trim()), (Some(0), &*format!("{id}  paused")), "{paused:?}");
    let unpaused = person.ended(&["unpause", "mine"]);
    assert!(unpaused.stdout.contains("streaming"), "{unpaused:?}");
    assert_eq!(person.jobs()[0]["state"], "streaming");

    // Only the text so far.
    let log = person.ended(&["log", &id]);
    assert!(log.code == Some(0) && !log.stdout.is_empty() && log.stderr.is_empty(), "{log:?}");

    let moved = person.ended(&["timeout", &id, "1h"]);
    assert!(moved.code == Some(0) && moved.stdout.contains("ends in 60 m at the latest"), "{moved:?}");
    let moved = person.ended(&["timeout", &id, "+30m"]);
    assert!(moved.stdout.contains("ends in 90 m") || moved.stdout.contains("ends in 89 m"), "{moved:?}");
    let moved = person.ended(&["timeout", &id, "none"]);
    assert!(moved.stdout.contains("no deadline"), "{moved:?}");

    let short_of_time = person.ended(&["wait", "-t", "50ms", &id]);
    assert_eq!(short_of_time.code, Some(124), "{short_of_time:?}");

    let mut watcher = Live::start(&mut person.types(&["attach", "--tail", &id]));
    watcher.expect(" ");
    let killed = person.ended(&["kill", "--reason", "enough of it", &id]);
    assert_eq!(killed.code, Some(0), "{killed:?}");
    assert!(killed.stdout.starts_with(&format!("{id}  cancelled")), "{killed:?}");
    let watched = watcher.finish();
    assert_eq!(watched.code, Some(130), "{watched:?}");
    assert!(watched.stderr.contains("enough of it"), "{watched:?}");
    assert_eq!(person.ended(&["wait", &id]).code, Some(130));
    let late = person.ended(&["timeout", &id, "30s"]);
    assert!(late.code == Some(1) && late.stderr.contains("already ended"), "{late:?}");
}

#[test]
fn the_own_relay_runs_as_many_answers_at_once_as_its_owner_has_set() {
    let person = Person::new();
    let config = person.folder.path().join("config.toml");
    std::fs::write(&config, "running = 2\n").unwrap();
    let asks = || {
        let mut command = person.types(&["run", "-d", "-m", "stall-after:1", "hi"]);
        assert_eq!(ended(command.env("TOWLINE_CONFIG", &config)).code, Some(0));
    };
    (0..3).for_each(|_| asks());
    let jobs = person.jobs();
    let waits = jobs.iter().filter(|job| job["state"] == "queued").count();
    assert_eq!((jobs.len(), waits, &jobs[2]["state"]), (3, 1, &Value::from("queued")), "{jobs:?}");
}

#[test]
fn every_ending_has_its_status() {
    let person = Person::new();
    for (scenario, code) in
        [("normal", 0), ("truncate-after:3", 3), ("error-after:3", 1), ("error-status:503", 1)]
    {
        let id = person.detached(scenario);
        let waited = person.ended(&["wait", &id]);
        assert_eq!(waited.code, Some(code), "{scenario}: {waited:?}");
        let attached = person.ended(&["attach", &id]);
        assert_eq!(attached.code, Some(code), "{scenario}: {attached:?}");
    }
    let id = person.detached("stall-after:3");
    assert_eq!(person.ended(&["timeout", &id, "200ms"]).code, Some(0));
    assert_eq!(person.ended(&["wait", &id]).code, Some(124));
    assert_eq!(person.ended(&["attach", &id]).code, Some(124));
}

#[test]
fn wrong_ids_and_wrong_words_are_named() {
    let person = Person::new();
    let (one, _two) = (person.detached("normal"), person.detached("normal"));
    for verb in ["attach", "log", "kill", "wait"] {
        let missing = person.ended(&[verb, "zzzznone"]);
        assert_eq!(missing.code, Some(1), "{verb}: {missing:?}");
        assert!(
            missing.stderr.contains("zzzznone") && missing.stderr.contains("towline jobs"),
            "{verb}: {missing:?}"
        );
        let wrong = person.ended(&[verb, "../x"]);
        assert_eq!(wrong.code, Some(2), "{verb}: {wrong:?}");
    }
    // One failure does not stop the others.
    let both = person.ended(&["wait", "zzzznone", &one]);
    assert!(both.code == Some(1) && both.stdout.contains(&one), "{both:?}");
    assert_eq!(person.ended(&["timeout", &one, "soon"]).code, Some(2));
    let nowhere = person.ended(&["jobs", "--relay", "unix:/nowhere/relay.sock"]);
    assert!(nowhere.code == Some(1) && nowhere.stderr.contains("unix:/nowhere/relay.sock"), "{nowhere:?}");
}

#[test]
fn commands_that_come_at_once_start_one_relay() {
    let person = Person::new();
    let running: Vec<Live> =
        (0..6).map(|_| Live::start(&mut person.types(&["run", "-d", "-m", "normal", "hi"]))).collect();
    let ids: std::collections::HashSet<String> = running
        .into_iter()
        .map(|live| {
            let ended = live.finish();
            assert_eq!(ended.code, Some(0), "{ended:?}");
            ended.stdout
        })
        .collect();
    assert_eq!((ids.len(), person.jobs().len()), (6, 6));
}

#[test]
fn a_relay_that_was_killed_keeps_what_it_said_and_says_that_it_was_interrupted() {
    let person = Person::new();
    let whole = person.detached("normal");
    assert_eq!(person.ended(&["wait", &whole]).code, Some(0));
    let id = person.detached("slow:100:100000");
    let mut reader = Live::start(&mut person.types(&["attach", &id]));
    reader.expect(" ");
    let pid = block(person.control().version()).unwrap().pid;
    rustix::process::kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    // The next command starts the relay again, and the reader reconnects.
    let jobs = person.jobs();
    let states: Vec<&Value> = jobs.iter().map(|job| &job["state"]).collect();
    assert_eq!(states, ["completed", "interrupted"], "{jobs:?}");
    let read = reader.finish();
    assert_eq!(read.code, Some(3), "{read:?}");
    assert!(read.stderr.contains("nothing is missing"), "{read:?}");
    let log = person.ended(&["log", &id]);
    assert_eq!(log.stdout, read.stdout);
    assert_eq!(person.ended(&["wait", &id]).code, Some(3));
}

#[test]
fn changes_are_watched() {
    let person = Person::new();
    let id = person.detached("normal");
    let mut watch = Live::start(&mut person.types(&["jobs", "--watch", "--json"]));
    watch.expect(&id);
    let another = person.detached("words:3");
    watch.expect(&another);
    person.ended(&["forget", &id]);
    watch.expect(&format!("{{\"removed\":\"{id}\"}}"));
    watch.signal(Signal::INT);
    assert_eq!(watch.finish().code, Some(130));
}

/// The relay is restarted again and again while its answers are read.
#[test]
fn what_runs_beside_restarts_is_read_whole_when_the_relay_drains() {
    let person = Person::new();
    let id = person.detached("flood:3MB");
    assert_eq!(person.ended(&["wait", &id]).code, Some(0));
    let first = person.ended(&["log", "--raw", &id]);
    assert!(first.stdout.len() > 2_900_000, "{}", first.stdout.len());
    let mut reader = Live::start(&mut person.types(&["log", "--raw", "-f", &id]));
    reader.expect("\n");
    block(person.control().shutdown()).unwrap();
    assert!(SOON.as_secs() > 10);
    // The next command starts the relay again; the reader resumes.
    assert_eq!(person.jobs().len(), 1);
    assert_eq!(reader.finish().stdout, first.stdout);
}

/// The key goes to the server that `OLLAMA_HOST` names, and nothing on this machine shows it.
#[test]
fn the_key_of_a_server_goes_to_it_and_nowhere_else() {
    let person = Person::new();
    let key = "sk-very-secret-indeed";
    let run = ended(person.types(&["run", "-d", "-m", "normal", "hi"]).env("OLLAMA_API_KEY", key));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(person.ended(&["wait", run.stdout.trim()]).code, Some(0));
    let requests = person.model.requests();
    let asked = requests.iter().find(|request| request.path() == "/api/chat").unwrap();
    assert_eq!(asked.header("authorization"), Some(&*format!("Bearer {key}")));
    let pid = block(person.control().version()).unwrap().pid;
    for file in ["cmdline", "environ"] {
        let said = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.is_empty() && !said.contains(key), "{file}: {said:?}");
    }
    let log = std::fs::read_to_string(person.folder.path().join("towline/relay.log")).unwrap();
    assert!(log.contains("listening on") && !log.contains(key), "{log}");
    let unset = ended(&mut towline(["relay", "--upstream", "box", "--send-api-key", "--store", "memory"]));
    assert!(unset.code == Some(2) && unset.stderr.contains("OLLAMA_API_KEY, which is not set"), "{unset:?}");
}

/// A relay that was started for one server also runs requests for any other server that its owner names.
#[test]
fn the_own_relay_asks_the_server_that_each_request_names() {
    let person = Person::new();
    let first = person.detached("normal");
    assert_eq!(person.ended(&["wait", &first]).code, Some(0));
    let other = Server::start(fakemodel::plan());
    let run = ended(person.types(&["run", "-d", "-m", "unicode", "hi"]).env("OLLAMA_HOST", other.url()));
    assert_eq!(run.code, Some(0), "{run:?}");
    let hosted = person.ended(&["run", "-d", "--host", &other.url(), "-m", "words:3", "hi"]);
    assert_eq!(hosted.code, Some(0), "{hosted:?}");
    let waited = person.ended(&["wait", run.stdout.trim(), hosted.stdout.trim()]);
    assert_eq!(waited.code, Some(0), "{waited:?}");
    let asked = other.requests().iter().filter(|request| request.path() == "/api/chat").count();
    assert_eq!(asked, 2);
    // A retry goes to the same server, whatever the environment names now.
    let again = person.ended(&["retry", run.stdout.trim()]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(person.ended(&["wait", again.stdout.trim()]).code, Some(0));
    let asked = other.requests().iter().filter(|request| request.path() == "/api/chat").count();
    assert_eq!(asked, 3);
    let cleaned = person.ended(&["clean"]);
    assert_eq!((cleaned.code, cleaned.stdout.trim()), (Some(0), "forgot 4 answers"), "{cleaned:?}");
    assert!(person.jobs().is_empty());
}

#[test]
fn the_own_relay_asks_a_server_of_openai_s_dialect() {
    let person = Person::new();
    let other = Server::start(
        Routes::new()
            .path("/v1/models", Script::respond(200, http::JSON, r#"{"object":"list","data":[{"id":"q"}]}"#))
            .path("/v1/chat/completions", Script::sse(openai::chat(&["Hel", "lo"])))
            .otherwise(Script::respond(404, "text/plain", "404 page not found")),
    );
    for host in [other.url(), format!("{}/v1", other.url())] {
        let run = person.ended(&["run", "-d", "--host", &host, "-m", "q", "hi"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(person.ended(&["wait", run.stdout.trim()]).code, Some(0), "{host}");
        assert_eq!(person.ended(&["log", run.stdout.trim()]).stdout.trim(), "Hello");
    }
    let asked = other.requests().len();
    let elsewhere = ["run", "-d", "--relay", "unix:/nonexistent/relay.sock", "-m", "q", "hi"];
    let refused = ended(person.types(&elsewhere).env("OLLAMA_HOST", other.url()));
    let by_name = person.ended(&[&elsewhere[..], &["--host", &other.url()]].concat());
    assert!(refused.code == Some(1) && by_name.code == Some(1), "{refused:?} {by_name:?}");
    assert_eq!(other.requests().len(), asked, "only the relay would ask");
    let lacks = person.ended(&["show", "--host", &other.url(), "q"]);
    assert!(lacks.code == Some(1) && lacks.stderr.contains("part of Ollama's API"), "{lacks:?}");
}

#[test]
fn the_own_relay_is_inspected_stopped_and_started_again() {
    let person = Person::new();
    let none = person.ended(&["relay", "status"]);
    assert!(none.code == Some(1) && none.stderr.contains("your relay is not running"), "{none:?}");
    assert!(person.ended(&["relay", "stop"]).stderr.contains("your relay is not running"));
    let id = person.detached("slow:100:100000");
    let status = person.ended(&["relay", "status"]);
    assert!(status.code == Some(0) && status.stdout.contains("answers: 1 running, 0 queued"), "{status:?}");
    let json: Vec<Value> = person.ended(&["relay", "status", "--json"]).lines();
    assert_eq!(json[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(person.ended(&["kill", &id]).code, Some(0));
    let restarted = person.ended(&["relay", "restart"]);
    assert_eq!(restarted.code, Some(0), "{restarted:?}");
    let pid = block(person.control().version()).unwrap().pid;
    assert_ne!(json[0]["pid"], pid);
    assert!(restarted.stdout.contains(&format!("in process {pid}")), "{restarted:?}");
    assert_eq!(person.jobs()[0]["id"], *id);
    let stopped = person.ended(&["relay", "stop"]);
    assert_eq!(stopped.stdout.trim(), format!("stopped the relay of process {pid}"), "{stopped:?}");
    assert_eq!(person.ended(&["relay", "status"]).code, Some(1));
}

/// A code with a loopback address, which would lead a phone to itself, is not shown.
#[test]
fn a_phone_is_not_paired_with_an_address_that_only_this_machine_reaches() {
    let person = Person::new();
    for (arguments, said) in [
        (["--host", "127.0.0.1"], "only this machine can reach --host 127.0.0.1"),
        (["--host", "localhost"], "only this machine can reach --host localhost"),
        (["--listen", "127.0.0.1:11437"], "hint: --listen 0.0.0.0:11437 listens in the network too"),
    ] {
        let refused = person.ended(&["relay", "pair", arguments[0], arguments[1]]);
        assert!(refused.code == Some(2) && refused.stderr.contains(said), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
    assert!(person.ended(&["relay", "token", "list"]).stderr.contains("no device is paired"));
}

/// The store of a stopped relay can be checked; a flipped bit in its journal is reported, and repaired.
#[test]
fn a_damaged_store_is_reported_and_repaired() {
    let person = Person::new();
    let id = person.detached("normal");
    assert_eq!(person.ended(&["wait", &id]).code, Some(0));
    let used = person.ended(&["relay", "check"]);
    let pid = block(person.control().version()).unwrap().pid;
    let said =
        format!("the relay of process {pid} uses the store\nhint: towline relay stop stops your own relay");
    assert!(used.code == Some(1) && used.stderr.contains(&said), "{used:?}");
    assert_eq!(person.ended(&["relay", "stop"]).code, Some(0));
    let fine = person.ended(&["relay", "check"]);
    assert_eq!((fine.code, fine.stdout.trim()), (Some(0), "1 streams are intact"), "{fine:?}");
    let journal = person.folder.path().join("state/towline/relay/0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    let last = bytes.windows(4).rposition(|at| at == b"done").unwrap();
    bytes[last] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let damaged = person.ended(&["relay", "check"]);
    assert!(damaged.code == Some(1) && damaged.stderr.contains("--repair"), "{damaged:?}");
    let repaired = person.ended(&["relay", "check", "--repair"]);
    assert!(repaired.code == Some(0) && repaired.stdout.contains("is damaged after byte"), "{repaired:?}");
    assert_eq!(person.ended(&["relay", "check"]).code, Some(0));
    // The data before it is there.
    assert_eq!(person.jobs().len(), 1);
}

/// A reader restarts its relay, and the relay's own settings apply to it.
#[test]
fn who_needs_a_relay_that_died_starts_it_again_with_the_settings_of_its_owner() {
    let person = Person::new();
    let config = person.folder.path().join("config/towline");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("relay.toml"), "[limits]\nrunning = 1\n").unwrap();
    let ended = |arguments: &[&str]| {
        let mut command = person.types(arguments);
        ended(command.env("XDG_CONFIG_HOME", person.folder.path().join("config")))
    };
    let first = ended(&["run", "-d", "-m", "slow:100:100000", "hi"]).stdout.trim().to_owned();
    let second = ended(&["run", "-d", "-m", "normal", "hi"]).stdout.trim().to_owned();
    let states: Vec<Value> = person.jobs().iter().map(|job| job["state"].clone()).collect();
    assert_eq!(states[1], "queued", "{states:?}");
    let mut reader = Live::start(&mut person.types(&["attach", &first]));
    reader.expect(" ");
    let pid = block(person.control().version()).unwrap().pid;
    rustix::process::kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let read = reader.finish();
    assert_eq!(read.code, Some(3), "{read:?}");
    assert!(read.stderr.contains("the relay ended"), "{read:?}");
    for id in [&first, &second] {
        let waited = ended(&["wait", id]);
        assert!(waited.stdout.contains("interrupted: the relay ended"), "{waited:?}");
    }
}

/// The relay listens only on the addresses of `--listen`; `own` is the address that `towline jobs` uses.
#[test]
fn a_relay_listens_where_it_is_configured_to() {
    for (listen, has_own) in [(&["127.0.0.1:0"][..], false), (&["own", "127.0.0.1:0"], true), (&[], true)] {
        let person = Person::new();
        let upstream = person.model.url();
        let mut arguments = vec!["relay", "--store", "memory", "--upstream", &upstream];
        arguments.extend(listen.iter().flat_map(|place| ["--listen", place]));
        let mut relay = Live::start(&mut person.types(&arguments));
        relay.expect_error("relaying to");
        if has_own {
            assert!(person.jobs().is_empty());
            assert_eq!(block(person.control().version()).unwrap().pid, relay.child.id());
        }
        relay.signal(Signal::TERM);
        let said = relay.finish().stdout;
        let own = format!("listening on unix:{}", person.folder.path().join("towline/relay.sock").display());
        assert_eq!(said.lines().any(|line| line == own), has_own, "{said}");
        assert_eq!(said.lines().count(), listen.len().max(1), "{said}");
    }
}

/// A relay that listens only on TCP holds the store that the own relay would use: the message names its address.
#[test]
fn a_store_that_another_relay_has_is_named() {
    let person = Person::new();
    let upstream = person.model.url();
    let mut relay =
        Live::start(&mut person.types(&["relay", "--listen", "127.0.0.1:0", "--upstream", &upstream]));
    relay.expect("listening on http://");
    let refused = person.ended(&["jobs"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("the relay cannot be started"), "{refused:?}");
    assert!(refused.stderr.contains("only one relay uses a store: --relay or TOWLINE_RELAY"), "{refused:?}");
    let url = relay.stdout_text().lines().next().unwrap().replace("listening on ", "");
    assert_eq!(person.ended(&["jobs", "--relay", &url]).code, Some(0));
}
