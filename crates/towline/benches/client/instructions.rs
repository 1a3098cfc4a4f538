//! Instructions a record, as valgrind's callgrind counts them: steady where times are not.

use std::process::Command;

use crate::flat::{COLD_CLIENT, COLD_COUNTER, CONTENDERS};
use crate::peer::Peer;

/// The difference of two runs is free of start and end.
const FEW: u64 = 20_000;
const MORE: u64 = 60_000;

pub(crate) fn run() {
    let peer = Peer::start();
    println!("| flat out | instructions a record | × counter |\n|---|---|---|");
    let mut floor = None;
    for contender in CONTENDERS {
        let [few, more] = [FEW, MORE].map(|records| count(contender, &peer.url(), records));
        let each = (more - few) as f64 / (MORE - FEW) as f64;
        let floor = *floor.get_or_insert(each);
        println!("| {contender} | {each:.0} | {:.1} |", each / floor);
    }
    println!("\n| a request of one record on a new connection | instructions |\n|---|---|");
    for contender in [COLD_COUNTER, COLD_CLIENT] {
        let [few, more] = [100, 300].map(|requests| count(contender, &peer.url(), requests));
        println!("| {contender} | {} |", (more - few) / 200);
    }
}

fn count(contender: &str, url: &str, records: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["once", contender, url, &records.to_string()])
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected =
        said.lines().find_map(|line| line.split_once("Collected : ")).expect("callgrind says how many");
    collected.1.trim().parse().unwrap()
}
