//! The cost of a shared store: appends, memory, and reading through a second relay.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream as Socket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::proxies::{Proxy, cpu_of, relay, relay_on};
use crate::reader::{Measured, Stamps, now, quantile, read, request};

const RATE: usize = 30;
const SECONDS: usize = 10;

/// A separate server, with the settings from the guide. Dropping it kills it.
struct Redis {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--maxmemory-policy", "noeviction"]);
        let child = command.arg("--dir").arg(folder.path()).stdout(Stdio::null()).spawn().unwrap();
        while Socket::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, port, _folder: folder }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn say(&self, command: &str) -> String {
        let mut socket = Socket::connect(("127.0.0.1", self.port)).unwrap();
        socket.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        said
    }

    /// Scripts that it has run: each writes once to one stream.
    fn writes(&self) -> u64 {
        let said = self.say("INFO commandstats");
        let calls =
            said.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    }

    /// The size of all keys except the journal, which has its own limit, in bytes.
    fn bytes(&self) -> u64 {
        let sum = "local sum = 0 for _, key in ipairs(redis.call('KEYS', '{towline}:*')) do \
                   if key ~= '{towline}:journal' then sum = sum + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) end end \
                   return sum";
        let said = self.say(&format!("EVAL \"{sum}\" 0"));
        said.lines().find_map(|line| line.strip_prefix(':')?.parse().ok()).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Processor time of a relay for each record without readers, by store.
pub(crate) async fn appends(upstream: &str) {
    const STREAMS: usize = 200;
    println!("\n{STREAMS} answers that nobody reads, {RATE} records a second each, {SECONDS} s");
    println!(
        "{:<10} {:>16} {:>22} {:>16} {:>10}",
        "store", "CPU a record", "records/s of a core", "CPU of Redis", "writes"
    );
    let model = format!("stamped:{RATE}:{}", RATE * SECONDS);
    for store in ["memory", "disk", "redis"] {
        let redis = (store == "redis").then(Redis::start);
        let relay = match &redis {
            Some(redis) => relay_on(upstream, &redis.url()),
            None => relay(upstream, store == "memory"),
        };
        let of_redis = || redis.as_ref().map_or(Duration::ZERO, |redis| cpu_of(redis.child.id()));
        let (before, redis_before) = (relay.cpu(), of_redis());
        let mut asked = JoinSet::new();
        for _ in 0..STREAMS {
            asked.spawn(detached(relay.address, model.clone()));
        }
        let mut ids = Vec::new();
        while let Some(id) = asked.join_next().await {
            ids.push(id.unwrap());
        }
        for id in ids {
            ended(relay.address, &id).await;
        }
        let records = (STREAMS * (RATE * SECONDS + 1)) as f64;
        let (own, of_redis) =
            ((relay.cpu() - before).as_secs_f64(), (of_redis() - redis_before).as_secs_f64());
        println!(
            "{store:<10} {:>13.1} µs {:>22.0} {:>13.1} µs {:>10}",
            own * 1e6 / records,
            records / own,
            of_redis * 1e6 / records,
            redis.as_ref().map_or("-".to_owned(), |redis| redis.writes().to_string()),
        );
    }
}

/// Memory in Redis beyond the bytes of the answers, including their descriptions and requests.
pub(crate) async fn memory(upstream: &str) {
    const ANSWERS: usize = 200;
    println!("\n{ANSWERS} answers that have ended, each size in a Redis of its own");
    println!("{:>16} {:>18} {:>8}", "bytes of one", "in Redis of one", "ratio");
    for records in [15, 40, 100, 300] {
        let redis = Redis::start();
        let relay = relay_on(upstream, &redis.url());
        let mut ids = Vec::new();
        for _ in 0..ANSWERS {
            ids.push(detached(relay.address, format!("flat:{records}")).await);
        }
        let mut bytes = 0;
        for id in &ids {
            ended(relay.address, id).await;
            bytes += get(relay.address, &format!("/streams/{id}")).await.len();
        }
        let (one, kept) = (bytes / ANSWERS, redis.bytes() as usize / ANSWERS);
        println!("{one:>16} {kept:>18} {:>8.2}", kept as f64 / one as f64);
    }
}

/// The latency of a record for a reader at the relay that runs the answer, and at another one.
pub(crate) async fn through(upstream: &str) {
    println!(
        "\nanswers of {RATE} records a second, {SECONDS} s, two relays on one Redis; from the server's write to the reader"
    );
    println!(
        "{:>8} {:<10} {:>9} {:>9} {:>9} {:>16} {:>16}",
        "answers", "through", "p50", "p95", "p99", "CPU, the holder", "CPU, the other"
    );
    let direct: SocketAddr = upstream.strip_prefix("http://").unwrap().parse().unwrap();
    for streams in [20, 100, 200, 1000] {
        for way in ["nothing", "holder", "another"] {
            let redis = Redis::start();
            let (holder, other) = (relay_on(upstream, &redis.url()), relay_on(upstream, &redis.url()));
            let before = [holder.cpu(), other.cpu()];
            let mut readers = JoinSet::new();
            for _ in 0..streams {
                let model = format!("stamped:{RATE}:{}", RATE * SECONDS);
                let (holder, other) = (holder.address, other.address);
                readers.spawn(async move {
                    match way {
                        "nothing" => read(direct, model).await,
                        "holder" => read(holder, model).await,
                        _ => {
                            let id = detached(holder, model).await;
                            follow(other, &id).await
                        }
                    }
                });
            }
            let (mut latencies, mut whole, mut earlier) = (Vec::new(), 0, 0);
            while let Some(measured) = readers.join_next().await {
                let measured = measured.unwrap();
                whole += usize::from(measured.is_whole);
                earlier += measured.earlier;
                latencies.extend(measured.latencies);
            }
            assert_eq!((whole, latencies.len() + earlier), (streams, streams * RATE * SECONDS), "{way}");
            let records = latencies.len() as f64;
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| quantile(&mut latencies, share));
            let cost = |proxy: &Proxy, before: Duration| {
                format!("{:.1} µs", (proxy.cpu() - before).as_secs_f64() * 1e6 / records)
            };
            let (own, others) = (cost(&holder, before[0]), cost(&other, before[1]));
            println!("{streams:>8} {way:<10} {p50:>9.1?} {p95:>9.1?} {p99:>9.1?} {own:>16} {others:>16}");
        }
    }
}

/// Starts a detached answer; returns its id.
pub(crate) async fn detached(address: SocketAddr, model: String) -> String {
    let asked = request(&model).replacen("Host:", "Towline-Detach: true\r\nConnection: close\r\nHost:", 1);
    let said = exchange(address, asked.as_bytes()).await;
    let id = said.split_once("\"id\":\"").and_then(|(_, rest)| rest.split('"').next());
    id.unwrap_or_else(|| panic!("{said}")).to_owned()
}

pub(crate) async fn ended(address: SocketAddr, id: &str) {
    while get(address, &format!("/towline/v1/jobs/{id}?wait=30")).await.contains("\"ended_at\":null") {}
}

/// The body of an answer of a known length.
async fn get(address: SocketAddr, target: &str) -> String {
    let asked = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let said = exchange(address, asked.as_bytes()).await;
    said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said}")).1.to_owned()
}

async fn exchange(address: SocketAddr, asked: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(asked).await.unwrap();
    let mut said = String::new();
    socket.read_to_string(&mut said).await.unwrap();
    said
}

/// Reads an answer as it arrives.
async fn follow(address: SocketAddr, id: &str) -> Measured {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let asked = format!("GET /streams/{id}?offset=-1&live=raw HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(asked.as_bytes()).await.unwrap();
    let (mut measured, mut stamps) = (Measured::default(), Stamps::default());
    let mut buffer = vec![0; 16 << 10];
    while !measured.is_whole {
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the stream was cut");
        if measured.reads == 0 {
            measured.attached = now();
        }
        stamps.take(&buffer[..count], &mut measured);
    }
    measured
}
