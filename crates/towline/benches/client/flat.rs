//! (a) One stream flat out: a million records of about 130 bytes, in chunks of one record and in blocks of 60 KB.

use crate::measure;
use crate::peer::Peer;

pub(crate) const RECORDS: u64 = 1_000_000;

/// The models of the server that stream flat out.
const SHAPES: [(&str, &str); 2] = [("flat", "one HTTP chunk a record"), ("blocks", "HTTP chunks of 60 KB")];

/// Prints what each contender costs, read in turn; the first one is the measure.
pub(crate) fn compare(contenders: &[&str], once: fn(&str, &str, &str, u64)) {
    let peer = Peer::start();
    let url = peer.url();
    let contenders: Vec<_> = contenders.iter().map(|name| (*name, url.as_str())).collect();
    for (shape, name) in SHAPES {
        let what = format!("{RECORDS} records, {name}");
        measure::compare(&what, &contenders, &format!("{shape}:{RECORDS}"), RECORDS, once);
    }
}
