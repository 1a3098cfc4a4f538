//! A real relay in this process, where a user's own relay would be.

use std::path::Path;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use towline::relay::{Control, Filter, Job, OwnRelay, RelayConfig, Start, Via};
use towline::{ChatRequest, Client, Config, Deadline, Event, Item, Outcome};
use towline_relay::{Config as Settings, Listen, Server, UpstreamApi, UpstreamConfig};

pub(crate) struct Relay {
    /// `None` once it is dead.
    runtime: Option<Runtime>,
    asking: Runtime,
    own: OwnRelay,
    client: Client,
    _stop: oneshot::Sender<()>,
}

impl Relay {
    /// A relay in front of a model server.
    pub(crate) fn start(folder: &Path, model: &towline_testkit::Server) -> Self {
        let own = OwnRelay::find(Some(folder), folder).expect("a folder");
        let endpoint = towline::client::host::parse(&model.url()).expect("an address");
        let upstream = UpstreamConfig::new(endpoint, UpstreamApi::Ollama);
        let listen = vec![Listen::Unix(own.socket())];
        let settings = Settings { listen, upstreams: vec![upstream], ..Settings::default() };
        let runtime = Runtime::new().expect("threads");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = runtime.block_on(Server::bind(settings)).expect("a socket");
        // The runtime owns it, and its end is the relay's.
        drop(runtime.spawn(server.run(async {
            drop(stopped.await);
        })));
        let config = Config { via: Via::Relay(RelayConfig::default()), ..Config::default() };
        let client = Client::with_config(own.endpoint(), config).expect("an address");
        Self { runtime: Some(runtime), asking: Runtime::new().expect("threads"), own, client, _stop: stop }
    }

    /// Its address, as it is typed.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.own.socket().display())
    }

    /// As `towline run -d` does: asks, and goes.
    pub(crate) fn detached(&self, model: &str) -> String {
        self.asked(ChatRequest::new(model).user("asked elsewhere"))
    }

    pub(crate) fn asked(&self, request: ChatRequest) -> String {
        self.asking.block_on(async { self.client.chat(request).detach().await }).expect("accepted")
    }

    pub(crate) fn control(&self) -> Control {
        self.client.relay()
    }

    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.asking.block_on(self.control().list(&Filter::default())).expect("a list")
    }

    pub(crate) fn job(&self, id: &str) -> Job {
        self.asking.block_on(self.control().job(id)).expect("a job")
    }

    /// All that it has of an answer.
    pub(crate) fn read(&self, id: &str) -> (Vec<Event>, Outcome) {
        let mut stream = self.client.attach_snapshot(id, Start::Beginning);
        self.asking.block_on(async {
            let mut events = Vec::new();
            loop {
                match stream.next().await.expect("an end") {
                    Item::Event(event) => events.push(event),
                    Item::End(outcome) => return (events, *outcome),
                }
            }
        })
    }

    /// Pauses a job, as another program does.
    pub(crate) fn pause(&self, id: &str) {
        self.asking.block_on(self.control().pause(id)).expect("it runs");
    }

    pub(crate) fn unpause(&self, id: &str) {
        self.asking.block_on(self.control().unpause(id)).expect("it runs");
    }

    pub(crate) fn without_deadline(&self, id: &str) {
        self.asking.block_on(self.control().set_deadline(id, Deadline::Never)).expect("it runs");
    }

    pub(crate) fn forget(&self, id: &str) {
        self.asking.block_on(self.control().delete(id)).expect("it was there");
    }

    /// It dies as a process does that is killed.
    pub(crate) fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        std::fs::remove_file(self.own.socket()).ok();
    }
}
