//! (b) One record a read: what is left of the cost when nothing is shared between records.

use crate::contender::{self, CONTENDERS};
use crate::measure;
use crate::peer::Peer;

pub(crate) const RATE: u64 = 2_000;
pub(crate) const RECORDS: u64 = 4_000;

pub(crate) fn run() {
    let peer = Peer::start();
    let url = peer.url();
    let what = format!("{RECORDS} records at {RATE} a second");
    let model = format!("paced:{RATE}:{RECORDS}");
    measure::compare(&what, &CONTENDERS.map(|name| (name, url.as_str())), &model, RECORDS, contender::read);
}
