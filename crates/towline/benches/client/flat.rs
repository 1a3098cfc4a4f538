//! (a) One stream flat out: a million records of about 130 bytes, in chunks of one record and in blocks of 60 KB.

use std::time::Duration;

use crate::measure::{median, nanoseconds, process_cpu};
use crate::peer::Peer;

const RECORDS: u64 = 1_000_000;
const ROUNDS: usize = 5;

/// The models of the server that stream flat out.
pub(crate) const SHAPES: [(&str, &str); 2] =
    [("flat", "one HTTP chunk a record"), ("blocks", "HTTP chunks of 60 KB")];

/// Prints what each contender costs, read in turn; the first one is the measure.
pub(crate) fn compare(contenders: &[&str], once: fn(&str, &str, &str, u64)) {
    let peer = Peer::start();
    for (shape, name) in SHAPES {
        let model = format!("{shape}:{RECORDS}");
        let mut times = vec![Vec::new(); contenders.len()];
        for _ in 0..ROUNDS {
            for (contender, times) in contenders.iter().zip(&mut times) {
                times.push(cpu_of(contender, &peer.url(), &model, RECORDS, once));
            }
        }
        println!("| {RECORDS} records, {name} | CPU ns a record | × counter |\n|---|---|---|");
        let floor = nanoseconds(median(&mut times[0]), RECORDS);
        for (contender, times) in contenders.iter().zip(&mut times) {
            let each = nanoseconds(median(times), RECORDS);
            println!("| {contender} | {each:.0} | {:.1} |", each / floor);
        }
        println!();
    }
}

pub(crate) fn cpu_of(
    contender: &str,
    url: &str,
    model: &str,
    records: u64,
    once: fn(&str, &str, &str, u64),
) -> Duration {
    let before = process_cpu();
    once(contender, url, model, records);
    process_cpu() - before
}
