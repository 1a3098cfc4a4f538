//! A relay in this process, and a client of it.

use std::future::Future;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use towline::Client;
use towline::client::{Endpoint, Http2Config, Http2Policy, TransportConfig};
use towline::forward::{Body, Request, ResponseBytes};
use towline_core::http1::{Headers, Method};
use towline_relay::{Config, Fsync, Listen, Report, Server, Store, StoreConfig, UpstreamApi, UpstreamConfig};

/// Long enough to mean "never" on a busy machine; no passing test waits for it.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Waits for something that is certain to happen.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work).await.expect("it came")
}

pub(crate) struct Relay {
    pub(crate) client: Client,
    pub(crate) endpoint: Endpoint,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<Report>>,
}

/// A connection to the relay over which `bytes` were sent.
pub(crate) fn connect(relay: &Relay, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect((relay.endpoint.host.as_str(), relay.endpoint.port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

pub(crate) fn upstream(name: &str, url: &str) -> UpstreamConfig {
    let endpoint = towline::client::host::parse(url).unwrap();
    UpstreamConfig { name: name.into(), ..UpstreamConfig::new(endpoint, UpstreamApi::Ollama) }
}

/// In memory, one model server.
pub(crate) fn config(url: &str) -> Config {
    Config {
        listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into())],
        upstreams: vec![upstream("one", url)],
        ..Config::default()
    }
}

pub(crate) fn on_disk(mut config: Config, folder: &Path) -> Config {
    let place = Store::Folder(folder.to_owned());
    config.store = StoreConfig { place, fsync: Fsync::Never, ..StoreConfig::default() };
    config
}

impl Relay {
    pub(crate) async fn start(config: Config) -> Self {
        Self::run(Server::bind(config).await.unwrap())
    }

    pub(crate) fn run(server: Server) -> Self {
        let endpoint = match &server.listening()[0] {
            Listen::Tcp(address) => Endpoint::http(address.ip().to_string(), address.port()),
            Listen::Unix(path) => Endpoint::unix(path),
            Listen::Own => unreachable!("a relay listens at a path"),
        };
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            drop(stopped.await);
        }));
        let client = Client::with_config(endpoint.clone(), towline::Config::default()).unwrap();
        Self { client, endpoint, stop: Some(stop), running: Some(running) }
    }

    /// A client that speaks HTTP/2.
    pub(crate) fn http2(&self) -> Client {
        let http2 = Http2Config { policy: Http2Policy::PriorKnowledge, ..Http2Config::default() };
        let transport = TransportConfig { http2, ..TransportConfig::default() };
        Client::with_config(self.endpoint.clone(), towline::Config { transport, ..Default::default() })
            .unwrap()
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        ask(&self.client, Method::Get, target, &[], "").await
    }

    pub(crate) async fn post(&self, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(&self.client, Method::Post, target, headers, body).await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        ask(&self.client, Method::Delete, target, &[], "").await
    }

    /// A detached chat with the model; its id.
    pub(crate) async fn detached(&self, model: &str) -> String {
        let mut answer = self.post("/api/chat", &[("towline-detach", "true")], &chat(model)).await;
        assert_eq!(answer.status, 202);
        let id = answer.json().await["id"].as_str().unwrap().to_owned();
        assert_eq!(answer.header("location"), format!("/streams/{id}"));
        assert_eq!(answer.header("towline-stream"), id);
        id
    }

    /// The job once it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        loop {
            let mut answer = self.get(&format!("/towline/v1/jobs/{id}?wait=30")).await;
            assert_eq!(answer.status, 200, "{id}");
            let job = answer.json().await;
            if !job["ended_at"].is_null() {
                return job;
            }
        }
    }

    /// The whole log of a stream, from its raw tail.
    pub(crate) async fn log(&self, id: &str) -> String {
        let mut answer = self.get(&format!("/streams/{id}?offset=-1&live=raw")).await;
        assert_eq!(answer.status, 200);
        answer.text().await
    }

    pub(crate) async fn stop(mut self) -> Report {
        drop(self.stop.take());
        soon(self.running.take().unwrap()).await.unwrap()
    }
}

pub(crate) async fn stop_all(relays: impl IntoIterator<Item = Relay>) {
    for relay in relays {
        relay.stop().await;
    }
}

pub(crate) fn chat(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[]}}"#)
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: ResponseBytes,
    pub(crate) read: Vec<u8>,
}

/// Sends a request, and waits for the head of the response.
pub(crate) async fn ask(
    client: &Client,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let headers = headers.iter().copied().collect();
    let body = Body::Bytes(Bytes::copy_from_slice(body.as_bytes()));
    let request = Request { method, target: target.to_owned(), headers, body };
    let sent = soon(async { client.ready().await.unwrap().send(request).await }).await.unwrap();
    Answer { status: sent.status, headers: sent.headers, body: sent.body, read: Vec::new() }
}

/// Sends a request to a relay that may be gone; `None` if it is.
pub(crate) async fn try_ask(
    client: &Client,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let headers = headers.iter().copied().collect();
    let body = Body::Bytes(Bytes::copy_from_slice(body));
    let request = Request { method, target: target.to_owned(), headers, body };
    let sent = soon(async { client.ready().await.ok()?.send(request).await.ok() }).await?;
    Some(Answer { status: sent.status, headers: sent.headers, body: sent.body, read: Vec::new() })
}

/// Waits until the stream no longer exists. A reader of a stream that is being removed is cut earlier than that.
pub(crate) async fn until_gone(client: &Client, target: &str, headers: &[(&str, &str)]) {
    let is_gone = async || {
        let answer = try_ask(client, Method::Get, target, headers, b"").await;
        answer.is_some_and(|answer| answer.status == 404)
    };
    soon(async { while !is_gone().await {} }).await;
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_default()
    }

    /// Reads once; `false` at the end.
    pub(crate) async fn more(&mut self) -> Result<bool, String> {
        let read = soon(std::future::poll_fn(|cx| self.body.poll_read(cx, &mut self.read))).await;
        read.map(|count| count > 0).map_err(|end| format!("{end:?}"))
    }

    /// Reads until this much has arrived.
    pub(crate) async fn until(&mut self, bytes: usize) {
        while self.read.len() < bytes {
            assert!(self.more().await.unwrap(), "the body ended after {} bytes", self.read.len());
        }
    }

    /// Reads to the end, which must be clean.
    pub(crate) async fn bytes(&mut self) -> Vec<u8> {
        while self.more().await.unwrap() {}
        std::mem::take(&mut self.read)
    }

    pub(crate) async fn text(&mut self) -> String {
        String::from_utf8(self.bytes().await).unwrap()
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }
}
