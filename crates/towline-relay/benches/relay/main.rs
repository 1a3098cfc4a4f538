//! What a relay adds: latency and processor time per record beside nginx, with stalled readers, with many streams, and how it
//! gathers what a reader is behind.
//!
//! `cargo bench -p towline-relay --bench relay`; a word after `--` runs one part: `records`, `first`, `stalled`, `many`,
//! `gathering`, `watched`, and with relays on one Redis `appends`, `memory`, `through`. The model server is a thread of this
//! process; each relay, and nginx, is a process of its own.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::disallowed_methods, reason = "a bench starts its own readers")]

mod gathering;
mod link;
mod many;
mod proxies;
mod reader;
mod records;
mod scale;
mod watched;

use towline_testkit::paced::PacedServer;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [child, upstream, store] = &arguments[..]
        && child == "relay"
    {
        return proxies::be_relay(upstream, store);
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    let server = PacedServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if wanted("records") {
        runtime.block_on(records::records(&server.url()));
    }
    if wanted("first") {
        runtime.block_on(records::first(&server.url()));
    }
    if wanted("stalled") {
        runtime.block_on(many::stalled(&server.url()));
    }
    if wanted("many") {
        runtime.block_on(many::many(&server.url()));
    }
    if wanted("appends") {
        runtime.block_on(scale::appends(&server.url()));
    }
    if wanted("memory") {
        runtime.block_on(scale::memory(&server.url()));
    }
    if wanted("through") {
        runtime.block_on(scale::through(&server.url()));
    }
    if wanted("watched") {
        runtime.block_on(watched::watched(&server.url()));
    }
    if wanted("gathering") {
        runtime.block_on(gathering::gathering(&server.url()));
    }
}
