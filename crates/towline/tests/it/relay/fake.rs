//! A relay for tests: HTTP/2 on a Unix socket or a loopback port, logs in memory, and answers from the test.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The log of a new job, made from its request.
type Source = Arc<dyn Fn(&Value) -> FakeLog + Send + Sync>;

/// A relay on its own thread.
pub(crate) struct Relay {
    pub(crate) url: String,
    pub(crate) shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
    listening: Mutex<Option<JoinHandle<()>>>,
    address: Address,
}

#[derive(Clone)]
enum Address {
    Tcp(SocketAddr),
    Unix(std::path::PathBuf),
}

pub(crate) struct Shared {
    source: Source,
    pub(crate) jobs: Mutex<Vec<Arc<Job>>>,
    /// Method and path of every request, and the headers that tests look at.
    pub(crate) requests: Mutex<Vec<Seen>>,
    /// The number of live reads, and of connections so far.
    pub(crate) counts: Mutex<Counts>,
}

#[derive(Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) connections: usize,
    pub(crate) reads: usize,
}

#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

/// A log that grows while a test writes it.
#[derive(Clone)]
pub(crate) struct FakeLog(Arc<watch::Sender<Written>>);

#[derive(Default)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) closed: bool,
}

pub(crate) struct Job {
    pub(crate) id: String,
    path: String,
    request_id: Option<String>,
    pub(crate) log: FakeLog,
    pub(crate) state: watch::Sender<&'static str>,
    pub(crate) paused: watch::Sender<bool>,
    pub(crate) deadline: Mutex<Value>,
}

impl FakeLog {
    pub(crate) fn open() -> Self {
        Self(Arc::new(watch::Sender::new(Written::default())))
    }

    pub(crate) fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        let log = Self::open();
        log.push(&bytes.into());
        log.close();
        log
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        self.0.send_modify(|written| written.bytes.extend_from_slice(bytes));
    }

    pub(crate) fn close(&self) {
        self.0.send_modify(|written| written.closed = true);
    }
}

impl Relay {
    pub(crate) fn tcp(source: impl Fn(&Value) -> FakeLog + Send + Sync + 'static) -> Self {
        Self::start(Address::Tcp("127.0.0.1:0".parse().unwrap()), source)
    }

    pub(crate) fn unix(
        path: &std::path::Path,
        source: impl Fn(&Value) -> FakeLog + Send + Sync + 'static,
    ) -> Self {
        Self::start(Address::Unix(path.to_owned()), source)
    }

    fn start(address: Address, source: impl Fn(&Value) -> FakeLog + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shared = Arc::new(Shared {
            source: Arc::new(source),
            jobs: Mutex::default(),
            requests: Mutex::default(),
            counts: Mutex::default(),
        });
        let mut relay =
            Self { url: String::new(), shared, runtime: Some(runtime), listening: Mutex::new(None), address };
        relay.address = relay.listen();
        relay.url = match &relay.address {
            Address::Tcp(address) => format!("http://{address}"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        relay
    }

    fn listen(&self) -> Address {
        let runtime = self.runtime.as_ref().unwrap();
        let _context = runtime.enter();
        let shared = Arc::clone(&self.shared);
        let (task, address) = match &self.address {
            Address::Tcp(address) => {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind(*address).unwrap();
                let listener = socket.listen(1024).unwrap();
                let bound = Address::Tcp(listener.local_addr().unwrap());
                (runtime.spawn(accept(shared, move || tcp(listener))), bound)
            }
            Address::Unix(path) => {
                drop(std::fs::remove_file(path));
                let listener = UnixListener::bind(path).unwrap();
                (runtime.spawn(accept(shared, move || unix(listener))), self.address.clone())
            }
        };
        *self.listening.lock().unwrap() = Some(task);
        address
    }

    /// Closes every connection and accepts no new one; the logs stay.
    pub(crate) fn kill(&self) {
        if let Some(listening) = self.listening.lock().unwrap().take() {
            listening.abort();
            while !listening.is_finished() {
                std::thread::yield_now();
            }
        }
    }

    /// Starts again, at the same address.
    pub(crate) fn revive(&self) {
        self.listen();
    }

    pub(crate) fn job(&self, number: usize) -> Arc<Job> {
        Arc::clone(&self.shared.jobs.lock().unwrap()[number])
    }

    /// Whether the first job is there, which is a little after its request was counted.
    pub(crate) fn has_job(&self) -> bool {
        !self.shared.jobs.lock().unwrap().is_empty()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }

    pub(crate) fn count(&self, begins: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(begins)).count()
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.shared.counts.lock().unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Accepting = std::pin::Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

fn tcp(listener: TcpListener) -> impl FnMut() -> Accepting + Send {
    let listener = Arc::new(listener);
    move || {
        let listener = Arc::clone(&listener);
        Box::pin(async move {
            let stream = listener.accept().await?.0;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

fn unix(listener: UnixListener) -> impl FnMut() -> Accepting + Send {
    let listener = Arc::new(listener);
    move || {
        let listener = Arc::clone(&listener);
        Box::pin(async move { Ok(Box::new(listener.accept().await?.0) as Box<dyn Stream>) })
    }
}

/// Serves connections until it is aborted, which also ends them.
async fn accept<A: FnMut() -> Accepting + Send>(shared: Arc<Shared>, make: impl FnOnce() -> A) {
    let mut next = make();
    let mut connections = JoinSet::new();
    loop {
        let Ok(stream) = next().await else { return };
        shared.counts.lock().unwrap().connections += 1;
        connections.spawn(serve(Arc::clone(&shared), stream));
    }
}

async fn serve(shared: Arc<Shared>, stream: Box<dyn Stream>) {
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(20_000)
        .max_send_buffer_size(64 << 10)
        .handshake(stream);
    let Ok(mut connection) = handshake.await else { return };
    let mut tasks = JoinSet::new();
    while let Some(Ok((request, reply))) = connection.accept().await {
        let shared = Arc::clone(&shared);
        // A reader that leaves is an error of its own stream.
        tasks.spawn(async move { drop(answer(shared, request, reply).await) });
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: http::Request<RecvStream>,
    mut reply: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        bytes.extend_from_slice(&piece?);
    }
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let headers: HashMap<String, String> =
        head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let target = head.uri.path_and_query().unwrap().as_str().to_owned();
    let line = format!("{} {target}", head.method);
    let seen = Seen { line, headers: headers.clone(), body: body.clone() };
    shared.requests.lock().unwrap().push(seen);

    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (head.method.as_str(), &parts[..]) {
        ("POST", ["api" | "v1", ..]) => {
            let job = submit(&shared, path, &headers, &body);
            respond(&mut reply, 202, &json!({ "id": job.id }), Some(&job.id))
        }
        ("GET", ["streams", id]) => match find(&shared, id) {
            Some(job) if query.contains("live=raw") => read(&shared, &job, query, reply).await,
            Some(job) => snapshot(&job, query, reply),
            None => missing(&mut reply),
        },
        ("GET", ["towline", "v1", "jobs"]) => {
            let jobs: Vec<Value> = shared.jobs.lock().unwrap().iter().map(|job| job.json()).collect();
            respond(&mut reply, 200, &json!({ "jobs": jobs }), None)
        }
        (method, ["towline", "v1", "jobs", id, what @ ..]) => match find(&shared, id) {
            Some(job) => control(&shared, &job, method, what, query, &body, &mut reply).await,
            None => missing(&mut reply),
        },
        _ => missing(&mut reply),
    }
}

fn submit(shared: &Shared, path: &str, headers: &HashMap<String, String>, body: &Value) -> Arc<Job> {
    let request_id = headers.get("towline-request-id").cloned();
    let mut jobs = shared.jobs.lock().unwrap();
    if let Some(known) = jobs.iter().find(|job| job.request_id.is_some() && job.request_id == request_id) {
        return Arc::clone(known);
    }
    let job = Arc::new(Job {
        id: format!("job{}", jobs.len()),
        path: path.to_owned(),
        request_id,
        log: (shared.source)(body),
        state: watch::Sender::new("streaming"),
        paused: watch::Sender::new(false),
        deadline: Mutex::default(),
    });
    jobs.push(Arc::clone(&job));
    job
}

impl Job {
    fn json(&self) -> Value {
        let written = self.log.0.borrow();
        let state = match (*self.state.borrow(), written.closed) {
            ("streaming", true) => "completed",
            (state, _) => state,
        };
        json!({
            "id": self.id, "path": self.path, "state": state, "model": "m",
            "bytes": written.bytes.len(), "offset": format!("{:016}_{:016}", 1, written.bytes.len()),
        })
    }

    /// Ends the job with a given cause.
    pub(crate) fn end(&self, outcome: &'static str, cause: &str) {
        let record = json!({ "error": cause, "towline": { "outcome": outcome, "cause": cause } });
        self.log.push(format!("{record}\n").as_bytes());
        self.state.send_replace(outcome);
        self.log.close();
    }
}

fn find(shared: &Shared, id: &str) -> Option<Arc<Job>> {
    shared.jobs.lock().unwrap().iter().find(|job| job.id == id).cloned()
}

fn missing(reply: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let error = json!({ "error": { "code": "not_found", "message": "there is no such stream" } });
    respond(reply, 404, &error, None)
}

fn respond(
    reply: &mut SendResponse<Bytes>,
    status: u16,
    body: &Value,
    id: Option<&str>,
) -> Result<(), h2::Error> {
    let mut response = http::Response::builder().status(status);
    if let Some(id) = id {
        response = response.header("towline-stream", id).header("location", format!("/streams/{id}"));
    }
    let mut stream = reply.send_response(response.body(()).unwrap(), false)?;
    stream.send_data(Bytes::from(body.to_string()), true)
}

fn offset(query: &str) -> u64 {
    let text = query.split('&').find_map(|pair| pair.strip_prefix("offset=")).unwrap_or("-1");
    text.split_once('_').map_or(0, |(_, byte)| byte.parse().unwrap())
}

fn snapshot(job: &Job, query: &str, mut reply: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let at = offset(query) as usize;
    let (piece, end, closed) = {
        let written = job.log.0.borrow();
        // In pieces, so that the client needs several requests.
        let end = written.bytes.len().min(at + 1000);
        (Bytes::copy_from_slice(&written.bytes[at..end]), end, written.closed && end == written.bytes.len())
    };
    let mut response = http::Response::builder().header("stream-next-offset", format!("{:016}_{end:016}", 1));
    if end == job.log.0.borrow().bytes.len() {
        response = response.header("stream-up-to-date", "true");
    }
    if closed {
        response = response.header("stream-closed", "true");
    }
    reply.send_response(response.body(()).unwrap(), false)?.send_data(piece, true)
}

async fn read(
    shared: &Shared,
    job: &Job,
    query: &str,
    mut reply: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut at = offset(query) as usize;
    let mut log = job.log.0.subscribe();
    let closed = log.borrow().closed && log.borrow().bytes.len() == at;
    let mut response = http::Response::builder().header("stream-next-offset", format!("{:016}_{at:016}", 1));
    if closed {
        response = response.header("stream-closed", "true");
    }
    let mut stream = reply.send_response(response.body(()).unwrap(), closed)?;
    shared.counts.lock().unwrap().reads += 1;
    let _reading = Reading(shared);
    if closed {
        return Ok(());
    }
    loop {
        let (piece, last) = {
            let written = log.borrow_and_update();
            let end = written.bytes.len().min(at + (16 << 10));
            (Bytes::copy_from_slice(&written.bytes[at..end]), written.closed && end == written.bytes.len())
        };
        at += piece.len();
        let more = at < log.borrow().bytes.len();
        send(&mut stream, piece).await?;
        if last {
            let mut trailers = http::HeaderMap::new();
            trailers.insert("stream-closed", "true".parse().unwrap());
            return stream.send_trailers(trailers);
        }
        if !more {
            tokio::select! {
                changed = log.changed() => changed.unwrap(),
                reset = std::future::poll_fn(|cx| stream.poll_reset(cx)) => return reset.map(drop),
            }
        }
    }
}

struct Reading<'a>(&'a Shared);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.counts.lock().unwrap().reads -= 1;
    }
}

async fn send(stream: &mut SendStream<Bytes>, mut piece: Bytes) -> Result<(), h2::Error> {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len());
        while stream.capacity() == 0 {
            match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(capacity) => drop(capacity?),
                None => return Err(h2::Reason::CANCEL.into()),
            }
        }
        let part = piece.split_to(piece.len().min(stream.capacity()));
        stream.send_data(part, false)?;
    }
    Ok(())
}

async fn control(
    shared: &Shared,
    job: &Job,
    method: &str,
    what: &[&str],
    query: &str,
    body: &Value,
    reply: &mut SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    match (method, what) {
        ("GET", []) if query.contains("wait=") => {
            let ended = job.state.subscribe();
            let waiting = async { drop(ended.clone().wait_for(|state| *state != "streaming").await) };
            drop(tokio::time::timeout(Duration::from_secs(20), waiting).await);
        }
        ("DELETE", []) => {
            shared.jobs.lock().unwrap().retain(|other| other.id != job.id);
            let response = http::Response::builder().status(204).body(()).unwrap();
            return reply.send_response(response, true).map(drop);
        }
        ("POST", ["cancel"]) => job.end("cancelled", body["reason"].as_str().unwrap_or("cancelled")),
        ("POST", ["deadline"]) => *job.deadline.lock().unwrap() = body.clone(),
        ("POST", ["pause"]) => drop(job.paused.send_replace(true)),
        ("POST", ["unpause"]) => drop(job.paused.send_replace(false)),
        _ => {}
    }
    respond(reply, 200, &job.json(), None)
}
