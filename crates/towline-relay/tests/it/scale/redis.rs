//! A Redis server for a test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The server's process. Dropping it kills it.
pub(super) struct Redis {
    process: Child,
    folder: TempDir,
    /// The name of the port in its settings.
    option: &'static str,
    pub(super) port: u16,
    more: Vec<String>,
}

impl Redis {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server that speaks only TLS.
    pub(super) fn start_over_tls(more: &[&str]) -> Self {
        Self::start_at("--tls-port", &[&["--port", "0"], more].concat())
    }

    /// A server with further settings. Its data survives a kill: every write is in its file before it is acknowledged.
    pub(super) fn start_with(more: &[&str]) -> Self {
        Self::start_at("--port", more)
    }

    fn start_at(option: &'static str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let more: Vec<String> = more.iter().map(|one| (*one).to_owned()).collect();
        loop {
            // Another program may take the port first; then try another port.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(process) = run(&folder, option, port, &more) {
                return Self { process, folder, option, port, more };
            }
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A replica of this server. Returns once the replica has all data.
    pub(super) fn replica(&self) -> Self {
        let port = self.port.to_string();
        let replica = Self::start_with(&["--replicaof", "127.0.0.1", &port]);
        while !replica.say("INFO replication").contains("master_link_status:up") {
            std::thread::yield_now();
        }
        replica
    }

    /// Returns once a replica has all current data of this server.
    pub(super) fn is_copied_to(&self, replica: &Self) {
        let own = self.offset("master_repl_offset:");
        while replica.offset("slave_repl_offset:") < own {
            std::thread::yield_now();
        }
    }

    fn offset(&self, field: &str) -> u64 {
        let said = self.say("INFO replication");
        said.lines().find_map(|line| line.strip_prefix(field)?.parse().ok()).unwrap()
    }

    /// The server's reply to a command.
    pub(super) fn say(&self, command: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        said
    }

    /// `kill -9`, then a restart with the same data.
    pub(super) fn restart(&mut self) {
        self.kill();
        self.process = run(&self.folder, self.option, self.port, &self.more).expect("its port is free again");
    }

    /// Stops it like a suspended machine, or continues it.
    pub(super) fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = (self.process.kill(), self.process.wait());
    }
}

/// `None` if the port is taken.
fn run(folder: &TempDir, option: &str, port: u16, more: &[String]) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args([option, &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
    command.args(["--appendfsync", "always"]).arg("--dir").arg(folder.path()).args(more);
    // Without a file, a server waits 5 s for further replicas before it copies its data to one.
    command.args(["--repl-diskless-sync", "no"]);
    let started = command.stdout(Stdio::piped()).spawn();
    let mut process = started.expect("redis-server is there: apt-get install redis-server");
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    for line in lines {
        if line.contains("eady to accept connections") {
            return Some(process);
        }
    }
    process.wait().unwrap();
    None
}
