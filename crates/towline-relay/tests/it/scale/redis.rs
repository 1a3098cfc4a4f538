//! A Redis of the test's own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The server's process. Dropping it kills it.
pub(super) struct Redis {
    process: Child,
    folder: TempDir,
    pub(super) port: u16,
    more: Vec<String>,
}

impl Redis {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further settings. What it was told survives its death: every write is in its file before it is acknowledged.
    pub(super) fn start_with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let more: Vec<String> = more.iter().map(|one| (*one).to_owned()).collect();
        loop {
            // Somebody else may take the port first; then it is tried with another.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(process) = run(&folder, port, &more) {
                return Self { process, folder, port, more };
            }
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`, and the same again with what it had kept.
    pub(super) fn restart(&mut self) {
        self.kill();
        self.process = run(&self.folder, self.port, &self.more).expect("its port is free again");
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

/// `None` where the port is taken.
fn run(folder: &TempDir, port: u16, more: &[String]) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
    command.args(["--appendfsync", "always"]).arg("--dir").arg(folder.path()).args(more);
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
