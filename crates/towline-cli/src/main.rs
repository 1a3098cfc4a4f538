//! `towline`: model streams in a terminal.
//!
//! | module | its one job |
//! |---|---|
//! | [`args`] | what can be typed |
//! | [`cmd`] | one file per verb |
//! | [`complete`] | what the shell completes |
//! | [`builtin`] | the model in this program |
//! | [`environment`], [`folders`], [`server`] | whose folders and which server are meant, and how it is reached |
//! | [`mod@batch`] | a file of questions |
//! | [`drive`], [`view`] | a stream, shown as it comes: to a person, to a pipe, as JSON lines |
//! | [`relayed`] | the relay that detached jobs run on |
//! | [`repl`] | the prompt, when there is no verb |
//! | [`input`], [`fetch`] | the only way from files, pages and standard input to texts and images |
//! | [`out`], [`visible`], [`json`] | the only ways to standard output and standard error |
//! | [`relay`] | what a relay is told, and where its things are |
//! | [`models`], [`options`], [`modelfile`], [`mod@bench`], [`stats`] | what the verbs know |
//! | [`failure`], [`hint`], [`exit`] | what went wrong, what to do about it, what the shell is told |
//! | [`stop`] | Ctrl-C and SIGTERM |
//!
//! Commands run on a thread of their own; the first thread only watches for signals and for the end. So a blocked
//! terminal or pipe never keeps Ctrl-C from working, and nothing is waited for once the end is known.

#![allow(unreachable_pub, reason = "a binary has no outside; pub means shared between modules")]

mod args;
mod batch;
mod bench;
mod builtin;
mod cmd;
mod complete;
mod drive;
mod environment;
mod exit;
mod failure;
mod fetch;
mod hint;
mod input;
mod json;
mod memory;
mod modelfile;
mod models;
mod out;
mod prompt;
#[cfg(feature = "relay")]
mod qr;
mod relay;
mod relayed;
mod repl;
mod server;
mod stats;
mod stop;
mod table;
mod view;

use crate::exit::Exit;

fn main() {
    std::process::exit(run().code().into())
}

fn run() -> Exit {
    complete::answer_shell();
    let cli = match args::parse(args::joined(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return args::explain(&error),
    };
    let Some(command) = cli.command else { return repl::start(cli.prompt) };
    let watching = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return cannot_start(&error),
    };
    // Before the command begins: whatever it does then can be stopped in good order.
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
        let exit = runtime.block_on(Box::pin(cmd::run(command, stopper)));
        // The other side only goes away when the process does.
        let _gone = done.send(exit);
    };
    match std::thread::Builder::new().name("towline-work".into()).spawn(work) {
        Ok(_unjoined) => watching.block_on(stop::watch(signals, grace, sender, finished)),
        Err(error) => cannot_start(&error),
    }
}

fn cannot_start(error: &std::io::Error) -> Exit {
    out::error(&format!("the program cannot start: {error}"));
    Exit::Failed
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
