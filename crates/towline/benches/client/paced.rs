//! (b) One record a read: what is left of the cost when nothing is shared between records.

use std::time::Duration;

use crate::contender::{self, CONTENDERS};
use crate::flat::cpu_of;
use crate::measure::{median, nanoseconds};
use crate::peer::Peer;

const RATE: u64 = 2_000;
const RECORDS: u64 = 4_000;
const ROUNDS: usize = 5;

pub(crate) fn run() {
    let peer = Peer::start();
    let model = format!("paced:{RATE}:{RECORDS}");
    let mut times: [Vec<Duration>; CONTENDERS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (contender, times) in CONTENDERS.iter().zip(&mut times) {
            times.push(cpu_of(contender, &peer.url(), &model, RECORDS, contender::read));
        }
    }
    println!("| {RECORDS} records at {RATE} a second | CPU ns a record | × counter |\n|---|---|---|");
    let floor = nanoseconds(median(&mut times[0]), RECORDS);
    for (name, times) in CONTENDERS.iter().zip(&mut times) {
        let each = nanoseconds(median(times), RECORDS);
        println!("| {name} | {each:.0} | {:.2} |", each / floor);
    }
}
