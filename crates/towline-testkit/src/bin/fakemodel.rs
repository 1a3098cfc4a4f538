//! A fake Ollama-compatible server for tests and benches of any language.
//!
//! `fakemodel [--listen ADDR] [--paced] [--until-stdin-closes]`
//!
//! Prints `listening on http://ADDR` and serves until killed. The model's name chooses what happens; see
//! `towline_testkit::fakemodel`, or with `--paced` `towline_testkit::paced`.

use std::{
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use towline_testkit::{Server, fakemodel, paced::PacedServer};

const USAGE: &str = "usage: fakemodel [--listen ADDR] [--paced] [--until-stdin-closes]";

struct Arguments {
    listen: SocketAddr,
    /// Serve thousands of paced or flat-out streams from one thread, and nothing else.
    paced: bool,
    /// End with the parent, without being killed.
    until_stdin_closes: bool,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's own output")]
fn main() -> ExitCode {
    let Some(arguments) = arguments(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let started = match arguments.paced {
        true => PacedServer::listen(arguments.listen).map(|server| (server.addr(), None, Some(server))),
        false => Server::listen(arguments.listen, fakemodel::plan())
            .map(|server| (server.addr(), Some(server), None)),
    };
    let (addr, _scripted, _paced) = match started {
        Ok(started) => started,
        Err(error) => {
            eprintln!("cannot listen on {}: {error}", arguments.listen);
            return ExitCode::FAILURE;
        }
    };
    println!("listening on http://{addr}");
    if arguments.until_stdin_closes {
        let _until_closed = io::stdin().read_to_end(&mut Vec::new());
        return ExitCode::SUCCESS;
    }
    loop {
        std::thread::park();
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut arguments = Arguments { listen, paced: false, until_stdin_closes: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--listen" => arguments.listen = words.next()?.parse().ok()?,
            "--paced" => arguments.paced = true,
            "--until-stdin-closes" => arguments.until_stdin_closes = true,
            _ => return None,
        }
    }
    Some(arguments)
}
