//! Instructions, as valgrind's callgrind counts them: steady where times are not.

use std::process::Command;

use crate::peer::Peer;

/// The difference of two runs is free of start and end.
const FEW: u64 = 20_000;
const MORE: u64 = 60_000;

/// Prints what a record costs each contender flat out; the first one is the measure.
pub(crate) fn compare(contenders: &[&str]) {
    let peer = Peer::start();
    println!("| flat out | instructions a record | × counter |\n|---|---|---|");
    let mut floor = None;
    for contender in contenders {
        let each = between(contender, &peer.url(), FEW, MORE);
        let floor = *floor.get_or_insert(each);
        println!("| {contender} | {each:.0} | {:.1} |", each / floor);
    }
}

/// Instructions of one of the `more` that a contender does beyond `few`.
pub(crate) fn between(contender: &str, url: &str, few: u64, more: u64) -> f64 {
    let [fewer, all] = [few, more].map(|number| count(contender, url, number));
    (all - fewer) as f64 / (more - few) as f64
}

fn count(contender: &str, url: &str, number: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["once", contender, url, &number.to_string()])
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected =
        said.lines().find_map(|line| line.split_once("Collected : ")).expect("callgrind says how many");
    collected.1.trim().parse().unwrap()
}
