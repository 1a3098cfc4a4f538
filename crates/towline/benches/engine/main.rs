//! What the engine costs: `cargo bench -p towline --bench engine [-- SECTION… [--streams N]]`.
//!
//! Sections: `hop`, `submits`, `asyncio`, `cancel`, `deadline`, `streams`; all of them unless named. Each figure is printed with
//! its target. Programs that must be measured alone run in a child process of this same binary.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod asyncio;
mod control;
mod counter;
mod figures;
mod streams;
mod submit;

use std::io::Read;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    raise_descriptor_limit();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let result = match words.first().map(String::as_str) {
        Some("--serve") => serve(),
        Some("--child-engine") => streams::child_engine(&words[1..]),
        Some("--child-counter") => counter::child_counter(&words[1..]),
        _ => sections(&words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn sections(words: &[String]) -> Result<(), Failure> {
    let at = words.iter().position(|word| word == "--streams");
    let count = match at {
        Some(at) => words.get(at + 1).ok_or("--streams needs a number")?.parse()?,
        None => 10_000,
    };
    let named = &words[..at.unwrap_or(words.len())];
    let wanted = |section: &str| named.is_empty() || named.iter().any(|name| name == section);
    figures::print_machine();
    if wanted("hop") {
        submit::hop()?;
    }
    if wanted("submits") {
        submit::submits()?;
    }
    if wanted("asyncio") {
        asyncio::run()?;
    }
    if wanted("cancel") {
        control::cancel()?;
    }
    if wanted("deadline") {
        control::deadline()?;
    }
    if wanted("streams") {
        streams::compare(count)?;
    }
    Ok(())
}

/// The server's side of the streams, in a process of its own.
fn serve() -> Result<(), Failure> {
    let server = towline_testkit::paced::PacedServer::start();
    println!("{}", server.url());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_err() {
        eprintln!("the limit of open files stays at {:?}", limit.current);
    }
}
