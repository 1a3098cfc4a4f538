//! In each round a relay or Redis dies, stalls or is cut off, while answers run and clients write; afterwards the test checks from outside
//! that every guarantee holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use fastrand::Rng;
use serde_json::Value;
use tokio::task::JoinSet;
use towline::Client;
use towline_core::http1::Method;
use towline_relay::Fsync;
use towline_testkit::{Server as Upstream, fakemodel};

use super::proxy::Proxy;
use super::redis::Redis;
use crate::process::Process;
use crate::support::{Answer, SOON, soon, try_ask};

const RELAYS: usize = 3;
const ANSWERS: usize = 6;
const WRITERS: usize = 2;
/// The number of records of an answer, and their rate a second.
const MODEL: &str = "slow:300:300";

/// The number of rounds in `./test`; `TOWLINE_SCALE_ROUNDS` changes it.
fn rounds() -> u64 {
    std::env::var("TOWLINE_SCALE_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap())
}

/// A fault of one relay, or of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The relay is killed.
    Killed,
    /// The relay is suspended until the others have ended its answers.
    Stopped,
    /// The relay's connections to Redis break again and again.
    Cut,
    /// The relay and Redis are disconnected until the others have ended the relay's answers.
    Isolated,
    /// Redis is killed, and comes back.
    Redis,
}

const FAULTS: [Fault; 5] = [Fault::Killed, Fault::Stopped, Fault::Cut, Fault::Isolated, Fault::Redis];

struct Stage {
    redis: Redis,
    upstream: Upstream,
    proxies: Vec<Proxy>,
    relays: Vec<Option<Process>>,
}

impl Stage {
    async fn new() -> Self {
        let (redis, upstream) = (Redis::start(), Upstream::start(fakemodel::plan()));
        let mut proxies = Vec::new();
        for _ in 0..RELAYS {
            proxies.push(Proxy::start(redis.port).await);
        }
        Self { redis, upstream, proxies, relays: (0..RELAYS).map(|_| None).collect() }
    }

    /// Restarts dead processes.
    async fn start(&mut self) {
        for (relay, proxy) in self.relays.iter_mut().zip(&self.proxies) {
            if relay.is_none() {
                let (store, upstream) = (proxy.url(), self.upstream.url());
                let started =
                    tokio::task::spawn_blocking(move || Process::start(&store, Fsync::Never, &upstream));
                *relay = Some(started.await.unwrap());
            }
        }
    }

    fn client(&self, at: usize) -> Client {
        self.relays[at].as_ref().expect("it runs").client.clone()
    }
}

/// Asks one relay after the other until one succeeds.
async fn ask_any(
    clients: &[Client],
    from: usize,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let until = Instant::now() + SOON;
    let mut refused = "nobody answers".to_owned();
    for at in from.. {
        assert!(Instant::now() < until, "{target}: {refused}");
        let client = &clients[at % clients.len()];
        let asked = tokio::time::timeout(SOON, try_ask(client, method, target, headers, body.as_bytes()));
        match asked.await.unwrap_or_else(|_| panic!("{target}: no answer, {refused}")) {
            Some(answer) if answer.status < 500 => return answer,
            Some(mut answer) => refused = answer.text().await,
            None => {}
        }
        tokio::task::yield_now().await;
    }
    unreachable!("one relay answers")
}

/// Reads an answer to its end: a reader that is cut resumes at another relay.
async fn read_all(clients: Vec<Client>, mut at: usize, id: String) -> Vec<u8> {
    let mut all = Vec::new();
    let mut offset = "-1".to_owned();
    loop {
        at += 1;
        let target = format!("/streams/{id}?offset={offset}&live=raw");
        let mut tail = ask_any(&clients, at, Method::Get, &target, &[], "").await;
        assert_eq!(tail.status, 200, "{id} at {offset}");
        let began = tail.header("stream-next-offset").to_owned();
        let ended = loop {
            match tail.more().await {
                Ok(true) => {}
                Ok(false) => break true,
                Err(_) => break false,
            }
        };
        let (incarnation, position) = began.split_once('_').unwrap();
        let position = position.parse::<usize>().unwrap();
        assert_eq!(position, all.len(), "{id}");
        offset = format!("{incarnation}_{:016}", position + tail.read.len());
        all.extend(std::mem::take(&mut tail.read));
        if ended {
            return all;
        }
    }
}

/// Appends to a stream at one relay after another, each append until it is acknowledged.
async fn write(clients: Vec<Client>, id: String, mut rng: Rng, count: u64) -> Vec<u8> {
    let target = format!("/streams/{id}");
    let headers = [("content-type", "text/plain")];
    let made = ask_any(&clients, rng.usize(..RELAYS), Method::Put, &target, &headers, "").await;
    assert!(matches!(made.status, 200 | 201), "{}", made.status);
    let mut all = Vec::new();
    for seq in 0..count {
        let line = format!("{id} {seq} {}\n", "x".repeat(rng.usize(..200)));
        let seq = seq.to_string();
        let headers = [
            ("content-type", "text/plain"),
            ("producer-id", "w"),
            ("producer-epoch", "0"),
            ("producer-seq", &seq),
        ];
        let done = ask_any(&clients, rng.usize(..RELAYS), Method::Post, &target, &headers, &line).await;
        assert!(matches!(done.status, 200 | 204), "{id}: {}", done.status);
        all.extend(line.into_bytes());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_is_held_whatever_dies() {
    let mut stage = Stage::new().await;
    for round in 0..rounds() {
        stage.start().await;
        play(&mut stage, round).await;
    }
}

async fn play(stage: &mut Stage, round: u64) {
    let mut rng = Rng::with_seed(round);
    let fault = FAULTS[usize::try_from(round).unwrap() % FAULTS.len()];
    let whose = rng.usize(..RELAYS);
    // The relays that a client can always reach.
    let well: Vec<usize> =
        (0..RELAYS).filter(|at| fault == Fault::Cut || fault == Fault::Redis || *at != whose).collect();
    let reachable: Vec<Client> = well.iter().map(|at| stage.client(*at)).collect();
    let everywhere: Vec<Client> = (0..RELAYS).map(|at| stage.client(at)).collect();

    let mut readers = JoinSet::new();
    for nth in 0..ANSWERS {
        let request = format!("round-{round}-{nth}");
        let headers = [("towline-request-id", request.as_str()), ("towline-detach", "true")];
        let body = format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"{request}"}}]}}"#);
        // Every other one is on the faulty relay.
        let first = if nth % 2 == 0 { whose } else { rng.usize(..RELAYS) };
        let mut begun = ask_any(&everywhere, first, Method::Post, "/api/chat", &headers, &body).await;
        let id = begun.json().await["id"].as_str().unwrap().to_owned();
        let mut twice = ask_any(&everywhere, first + 1, Method::Post, "/api/chat", &headers, &body).await;
        assert_eq!(twice.json().await["id"], id.as_str(), "{fault:?}");
        readers.spawn({
            let (clients, at) = (reachable.clone(), rng.usize(..RELAYS));
            async move { (id.clone(), read_all(clients, at, id).await) }
        });
    }
    let mut writers = JoinSet::new();
    for nth in 0..WRITERS {
        let (clients, id) = (reachable.clone(), format!("round-{round}-{nth}"));
        let rng = rng.fork();
        writers.spawn(async move { (id.clone(), write(clients, id, rng, 40).await) });
    }

    match fault {
        Fault::Killed => stage.relays[whose].take().unwrap().kill(),
        Fault::Stopped => stage.relays[whose].as_ref().unwrap().signal("-STOP"),
        Fault::Isolated => stage.proxies[whose].hold(true),
        Fault::Cut => {
            for _ in 0..5 {
                stage.proxies[whose].cut();
                tokio::task::yield_now().await;
            }
        }
        Fault::Redis => stage.redis.restart(),
    }
    let read: BTreeMap<String, Vec<u8>> = soon(readers.join_all()).await.into_iter().collect();
    let written: BTreeMap<String, Vec<u8>> = soon(writers.join_all()).await.into_iter().collect();
    match fault {
        Fault::Stopped => stage.relays[whose].as_ref().unwrap().signal("-CONT"),
        Fault::Isolated => stage.proxies[whose].hold(false),
        Fault::Killed | Fault::Cut | Fault::Redis => {}
    }
    let alive: Vec<Client> = stage.relays.iter().flatten().map(|relay| relay.client.clone()).collect();
    check(&alive, fault, &read, &written).await;
    let asked: Vec<String> =
        stage.upstream.requests().iter().filter(|one| one.target == "/api/chat").map(question).collect();
    let once: BTreeSet<&String> = asked.iter().collect();
    assert_eq!(once.len(), asked.len(), "{fault:?}: a request id was asked twice");
}

fn question(request: &towline_testkit::http::Request) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["messages"][0]["content"].as_str().unwrap().to_owned()
}

/// A relay that was suspended believes for a moment that an answer runs.
async fn ended(client: &Client, id: &str) -> Value {
    let target = format!("/towline/v1/jobs/{id}?wait=30");
    loop {
        let job = ask_any(std::slice::from_ref(client), 0, Method::Get, &target, &[], "").await.json().await;
        if !job["ended_at"].is_null() {
            return job;
        }
    }
}

/// All relays have the same data, and it is the acknowledged data.
async fn check(
    alive: &[Client],
    fault: Fault,
    read: &BTreeMap<String, Vec<u8>>,
    written: &BTreeMap<String, Vec<u8>>,
) {
    for client in alive {
        for (id, bytes) in read {
            let log = soon(read_all(vec![client.clone()], 0, id.clone())).await;
            let (log, shown) = (String::from_utf8(log).unwrap(), String::from_utf8_lossy(bytes));
            assert_eq!(log, shown, "{fault:?}: the reader has the whole log");
            let is_end = |line: &&str| line.contains("\"done\":true") || line.contains("\"outcome\"");
            let lines: Vec<&str> = log.lines().collect();
            assert_eq!(lines.iter().copied().filter(|line| is_end(line)).count(), 1, "{fault:?}: {log}");
            assert!(is_end(lines.last().unwrap()), "{fault:?}: the end is the last record: {log}");
            let job = soon(ended(client, id)).await;
            let state = if log.contains("\"done\":true") { "completed" } else { "interrupted" };
            assert_eq!(job["state"], state, "{fault:?}: {job}");
        }
        for (id, bytes) in written {
            let mut whole =
                ask_any(std::slice::from_ref(client), 0, Method::Get, &format!("/streams/{id}"), &[], "")
                    .await;
            assert_eq!(whole.bytes().await, *bytes, "{fault:?}: each append once, in its order");
        }
    }
}
