//! A relay in its own process, which tests can stop and kill.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use towline::Client;
use towline::client::Endpoint;
use towline_core::http1::Method;
use towline_relay::{Fsync, Server, StoreConfig};

use crate::scale::taken;
use crate::support::{Answer, ask, config};

const STORE: &str = "TOWLINE_STORE";
const FSYNC: &str = "TOWLINE_FSYNC";
const UPSTREAM: &str = "TOWLINE_UPSTREAM";
const LISTENING: &str = "the relay listens on ";

/// Not a separate test: the tests run it in another process, whose environment says what to do.
#[test]
fn relay_process() {
    let Ok(store) = std::env::var(STORE) else { return };
    let said = |name: &str| std::env::var(name).unwrap();
    let mut config = config(&said(UPSTREAM));
    let (place, fsync) = (store.parse().unwrap(), said(FSYNC).parse().unwrap());
    config.store = StoreConfig { place, fsync, ..StoreConfig::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::bind(config).await.unwrap();
        println!("{LISTENING}{}", server.listening()[0]);
        server.run(std::future::pending()).await;
    });
}

/// The relay's process. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    /// Kept open: after a minute, the harness in the process prints that its test still runs, and fails if it cannot.
    _said: Lines<BufReader<ChildStdout>>,
    pub(crate) client: Client,
}

impl Process {
    /// With a folder, or the address of a Redis server.
    pub(crate) fn start(store: &str, fsync: Fsync, upstream: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "process::relay_process", "--nocapture"]);
        let fsync = if fsync == Fsync::Always { "always" } else { "1s" };
        command.env(STORE, store).env(FSYNC, fsync).env(UPSTREAM, upstream).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = said.by_ref().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once(LISTENING)?.1.to_owned()));
        let address: std::net::SocketAddr = address.expect("the relay started").parse().unwrap();
        let endpoint = Endpoint::http(address.ip().to_string(), address.port());
        let client = Client::with_config(endpoint, towline::Config::default()).unwrap();
        Self { child, _said: said, client }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        ask(&self.client, Method::Get, target, &[], "").await
    }

    /// A detached chat with the model; its id.
    pub(crate) async fn detached(&self, model: &str) -> String {
        let mut answer = taken(&self.client, &[("towline-detach", "true")], model).await;
        assert_eq!(answer.status, 202);
        answer.json().await["id"].as_str().unwrap().to_owned()
    }

    /// `kill -9`; returns when the process is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it like a suspended machine, or continues it.
    pub(crate) fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = (self.child.kill(), self.child.wait());
    }
}
