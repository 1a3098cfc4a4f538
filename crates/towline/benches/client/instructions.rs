//! Instructions, as valgrind's callgrind counts them: steady where times are not.

use std::process::Command;

use crate::peer::Peer;

/// The models that stream, and how many records: the difference of two runs is free of start and end.
const SHAPES: [(&str, &str, u64, u64); 3] = [
    ("flat", "flat out, one HTTP chunk a record", 20_000, 60_000),
    ("blocks", "flat out, HTTP chunks of 60 KB", 20_000, 60_000),
    ("paced:250", "250 a second, so that each is read alone", 400, 1_600),
];

/// Prints what a record costs each contender; the first one is the measure.
pub(crate) fn compare(contenders: &[&str]) {
    let peer = Peer::start();
    for (shape, name, few, more) in SHAPES {
        println!("| {name} | instructions a record | × counter |\n|---|---|---|");
        let mut floor = None;
        for contender in contenders {
            let each = between(contender, &peer.url(), shape, few, more);
            let floor = *floor.get_or_insert(each);
            println!("| {contender} | {each:.0} | {:.1} |", each / floor);
        }
        println!();
    }
}

/// Instructions of one of the `more` that a contender does beyond `few`.
pub(crate) fn between(contender: &str, url: &str, shape: &str, few: u64, more: u64) -> f64 {
    let [fewer, all] = [few, more].map(|number| count(contender, url, shape, number));
    (all - fewer) as f64 / (more - few) as f64
}

fn count(contender: &str, url: &str, shape: &str, number: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["once", contender, url, shape, &number.to_string()])
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected =
        said.lines().find_map(|line| line.split_once("Collected : ")).expect("callgrind says how many");
    collected.1.trim().parse().unwrap()
}
