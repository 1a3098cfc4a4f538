//! A relay in a process of its own, which can be killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use towline::Client;
use towline::client::Endpoint;
use towline_relay::{Fsync, Server, Store, StoreConfig};

use crate::support::config;
pub(super) use crate::support::try_ask as ask;

const STORE: &str = "TOWLINE_CRASH_STORE";
const UPSTREAM: &str = "TOWLINE_CRASH_UPSTREAM";
const FSYNC_ALWAYS: &str = "TOWLINE_CRASH_FSYNC_ALWAYS";
const LISTENING: &str = "the relay listens on ";

/// Not a test of its own: the tests run it in another process, whose environment says what to do.
#[test]
fn relay_process() {
    let Some(folder) = std::env::var_os(STORE) else { return };
    let mut config = config(&std::env::var(UPSTREAM).unwrap());
    let fsync = if std::env::var_os(FSYNC_ALWAYS).is_some() { Fsync::Always } else { Fsync::default() };
    config.store = StoreConfig { place: Store::Folder(folder.into()), fsync, ..StoreConfig::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::bind(config).await.unwrap();
        println!("{LISTENING}{}", server.listening()[0]);
        server.run(std::future::pending()).await;
    });
}

/// The relay's process. Dropping it kills it.
pub(super) struct Process {
    child: Child,
    pub(super) client: Client,
}

impl Process {
    pub(super) fn start(store: &Path, fsync: Fsync, upstream: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "crash::process::relay_process", "--nocapture"]);
        command.env(STORE, store).env(UPSTREAM, upstream).stdout(Stdio::piped());
        if fsync == Fsync::Always {
            command.env(FSYNC_ALWAYS, "1");
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.filter_map(|line| Some(line.split_once(LISTENING)?.1.to_owned())).next();
        let address: std::net::SocketAddr = address.expect("the relay started").parse().unwrap();
        let endpoint = Endpoint::http(address.ip().to_string(), address.port());
        let client = Client::with_config(endpoint, towline::Config::default()).unwrap();
        Self { child, client }
    }

    /// `kill -9`; returns when the process is gone.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = (self.child.kill(), self.child.wait());
    }
}
