//! `towline`: model streams in a terminal.
//!
//! | module | its one job |
//! |---|---|
//! | [`args`], [`complete`] | the command line and its shell completion |
//! | [`commands`] | one file per verb |
//! | [`prompt`] | the prompt, when there is no verb |
//! | [`term`] | its terminal: keys in, rendered answers out |
//! | [`server`] | finds the server, connects to it, lists its models, explains its failures |
//! | [`input`] | the only code that reads texts and images from files, pages and standard input |
//! | [`output`] | the only code that writes to standard output and standard error: for people, for pipes, as JSON lines |
//! | [`exit`] | how a command ends: Ctrl-C, errors, the exit status |
//!
//! Commands run on their own thread; the first thread only watches for signals and for the end. So Ctrl-C
//! works even if the terminal or a pipe blocks, and nothing is awaited once the end is known.

#![allow(unreachable_pub, reason = "a binary has no outside; pub means shared between modules")]

mod args;
mod commands;
mod complete;
mod exit;
mod input;
mod output;
mod prompt;
mod server;
mod term;

use crate::exit::Exit;
use crate::exit::stop;

fn main() {
    std::process::exit(run().code().into())
}

fn run() -> Exit {
    complete::answer_shell();
    let cli = match args::parse(args::joined(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return args::explain(&error),
    };
    let Some(command) = cli.command else { return prompt::start(cli.prompt) };
    let watching = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return cannot_start(&error),
    };
    // Before the command starts, so that it can be stopped gracefully at any time.
    let signals = {
        let _context = watching.enter();
        stop::Signals::new()
    };
    let grace = command.grace();
    let (sender, stopper) = stop::channel();
    let (done, finished) = tokio::sync::oneshot::channel();
    let work = move || {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                cannot_start(&error);
                return;
            }
        };
        let exit = runtime.block_on(Box::pin(commands::run(command, stopper)));
        // The other side exists as long as the process.
        let _gone = done.send(exit);
    };
    match std::thread::Builder::new().name("towline-work".into()).spawn(work) {
        Ok(_unjoined) => watching.block_on(stop::watch(signals, grace, sender, finished)),
        Err(error) => cannot_start(&error),
    }
}

fn cannot_start(error: &std::io::Error) -> Exit {
    output::error(&format!("the program cannot start: {error}"));
    Exit::Failed
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
