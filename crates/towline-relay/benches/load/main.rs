//! What the relay costs: `cargo bench -p towline-relay --bench load [-- SECTION…]`.
//!
//! Sections: `first`, `latency`, `mux`, `many`, `buffering`; all of them unless named. The model server and the relay are
//! processes of their own, children of this one, so that the relay's processor time is its alone. Where nginx is installed
//! it proxies the same streams beside the relay.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]
#![expect(clippy::disallowed_methods, reason = "each stream has a task here")]

mod buffering;
mod delay;
mod figures;
mod first;
mod http2;
mod latency;
mod many;
mod mux;
mod naive;
mod process;
mod stamps;

use std::process::ExitCode;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    process::raise_descriptor_limit();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let result = match words.first().map(String::as_str) {
        Some("--serve") => process::serve(),
        Some("--relay") => process::relay(&words[1..]),
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
    let wanted = |section: &str| words.is_empty() || words.iter().any(|word| word == section);
    figures::print_machine();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        if wanted("first") {
            first::run().await?;
        }
        if wanted("latency") {
            latency::run().await?;
        }
        if wanted("mux") {
            mux::run().await?;
        }
        if wanted("many") {
            many::run().await?;
        }
        if wanted("buffering") {
            buffering::run().await?;
        }
        Ok(())
    })
}
