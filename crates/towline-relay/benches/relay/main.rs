//! The cost of a relay: latency and processor time per record compared with nginx, with stalled readers, with many streams, and how it
//! batches records for a slow reader.
//!
//! `cargo bench -p towline-relay --bench relay`; a word after `--` runs one part: `records`, `first`, `stalled`, `many`,
//! `gathering`, `watched`, and with relays on one Redis `appends`, `memory`, `through`. The model server is a thread of this
//! process; each relay, and nginx, has its own process.

#![expect(clippy::unwrap_used, reason = "a bench that cannot continue fails")]
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

use std::future::Future;
use std::pin::Pin;

use towline_testkit::paced::PacedServer;

type Part<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

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
    let url = server.url();
    let parts: [(&str, Part<'_>); 9] = [
        ("records", Box::pin(records::records(&url))),
        ("first", Box::pin(records::first(&url))),
        ("stalled", Box::pin(many::stalled(&url))),
        ("many", Box::pin(many::many(&url))),
        ("appends", Box::pin(scale::appends(&url))),
        ("memory", Box::pin(scale::memory(&url))),
        ("through", Box::pin(scale::through(&url))),
        ("watched", Box::pin(watched::watched(&url))),
        ("gathering", Box::pin(gathering::gathering(&url))),
    ];
    for (_, part) in parts.into_iter().filter(|(name, _)| wanted(name)) {
        runtime.block_on(part);
    }
}
