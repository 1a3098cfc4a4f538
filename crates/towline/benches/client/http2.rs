//! (h) HTTP/2 without TLS, beside the HTTP/1.1 counter and a counter that uses the h2 crate alone.

use crate::contender::{self, COUNTER, HTTP2_CLIENT, HTTP2_ENGINE};
use crate::http2_counter::{self, H2_ALONE};
use crate::measure::runtime;
use crate::peer::Peer;
use crate::{flat, http2_peer, instructions, many, measure, paced};

const CONTENDERS: [&str; 4] = [COUNTER, H2_ALONE, HTTP2_CLIENT, HTTP2_ENGINE];

/// The argument of the server that this contender reads from.
fn role(contender: &str) -> &'static str {
    if contender == COUNTER { "serve" } else { http2_peer::ROLE }
}

pub(crate) fn run() {
    let peers = CONTENDERS.map(|contender| Peer::start_as(role(contender)));
    let urls = peers.each_ref().map(Peer::url);
    let contenders: Vec<_> = CONTENDERS.into_iter().zip(urls.iter().map(String::as_str)).collect();
    let compare = |what: &str, model: &str, records| {
        measure::compare(&format!("{records} records, {what}"), &contenders, model, records, read);
    };
    compare("one chunk or DATA frame a record", &format!("flat:{}", flat::RECORDS), flat::RECORDS);
    let rate = paced::RATE;
    compare(&format!("{rate} a second"), &format!("paced:{rate}:{}", paced::RECORDS), paced::RECORDS);
    drop(peers);
    many::compare(&CONTENDERS.map(|contender| (contender, role(contender))));
}

/// Prints instructions a record.
pub(crate) fn instructions() {
    for (shape, few, more) in [("flat", 20_000, 60_000), ("paced:250", 400, 1_600)] {
        println!("| HTTP/2, {shape} | instructions a record |\n|---|---|");
        for contender in CONTENDERS {
            let peer = Peer::start_as(role(contender));
            println!(
                "| {contender} | {:.0} |",
                instructions::between(contender, &peer.url(), shape, few, more)
            );
        }
        println!();
    }
}

/// Reads one whole stream of so many records.
pub(crate) fn read(contender: &str, url: &str, model: &str, records: u64) {
    if contender != H2_ALONE {
        return contender::read(contender, url, model, records);
    }
    let address = url.trim_start_matches("http://").parse().unwrap();
    let seen = runtime().block_on(async {
        let connection = http2_counter::connect(address).await;
        // The last line is the terminal record's.
        http2_counter::count_with(connection, model, |_| ()).await - 1
    });
    assert_eq!(seen, records, "{contender}");
}
