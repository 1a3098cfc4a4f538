//! A server on its own thread, and its orderly end.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use towline_model::{Config, Error, Server};

use crate::client::{Client, lines};

/// A running server; it is stopped when this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<usize>>,
}

impl Running {
    pub(crate) fn start(config: Config) -> Self {
        Self::try_start(config).unwrap()
    }

    pub(crate) fn try_start(config: Config) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..config };
        let server = runtime.block_on(Server::bind(config))?;
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || runtime.block_on(server.run(async { drop(stopped.await) })));
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Asks the server to stop.
    pub(crate) fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops the server; returns how many connections it had to cut.
    pub(crate) fn stop(mut self) -> usize {
        self.ask_to_stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_server_without_connections_stops_at_once_and_frees_its_address() {
    let server = Running::start(Config::default());
    let address = server.address;
    assert_eq!(server.stop(), 0);
    drop(std::net::TcpListener::bind(address).unwrap());
}

#[test]
fn a_running_answer_is_finished_before_the_server_stops() {
    let mut server = Running::start(Config { rate: Some(100.0), ..Config::default() });
    let mut client = server.client();
    let mut answer = client.post(
        "/api/generate",
        r#"{"model":"brook","prompt":"What is a river?","options":{"num_predict":20,"temperature":0}}"#,
    );
    assert!(answer.line().is_some());
    server.ask_to_stop();
    let rest: Vec<_> = lines(answer).collect();
    assert_eq!(rest.last().unwrap()["done"], true);
    assert_eq!(server.stop(), 0);
}

#[test]
fn an_answer_that_outlives_the_grace_is_cut() {
    let mut config = Config { rate: Some(5.0), ..Config::default() };
    config.limits.shutdown_grace = std::time::Duration::from_millis(20);
    let server = Running::start(config);
    let mut client = server.client();
    let mut answer = client.post("/api/generate", r#"{"model":"brook","prompt":"What is a river?"}"#);
    assert!(answer.line().is_some());
    assert_eq!(server.stop(), 1);
    assert!(answer.is_cut());
}
