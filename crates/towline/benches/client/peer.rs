//! Servers for the benches.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};

use towline_testkit::paced::PacedServer;

/// A server of paced and flat-out streams in a process of its own.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    /// Closing it ends the process.
    _stdin: Option<ChildStdin>,
    pub(crate) address: SocketAddr,
}

impl Peer {
    pub(crate) fn start() -> Self {
        Self::start_as("serve")
    }

    /// The program itself, started with this argument.
    pub(crate) fn start_as(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let stdin = child.stdin.take();
        Self { child, _stdin: stdin, address: line.trim().parse().unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self._stdin = None;
        let _gone_already = self.child.wait();
    }
}

/// The peer's own process: serves until its input ends.
pub(crate) fn serve() {
    let server = PacedServer::start();
    stay(server.addr());
}

/// Tells the parent the address, and returns once it is gone.
pub(crate) fn stay(address: SocketAddr) {
    println!("{address}");
    std::io::stdout().flush().unwrap();
    let mut rest = Vec::new();
    let _parent_is_gone = std::io::stdin().read_to_end(&mut rest);
}
