//! (a) One stream flat out: a million records of about 130 bytes, one HTTP chunk each.

use std::net::SocketAddr;
use std::time::Duration;

use towline::{ChatRequest, Client, Event, Item};

use crate::counter;
use crate::measure::{median, nanoseconds, runtime, thread_cpu};
use crate::peer::Peer;

const RECORDS: u64 = 1_000_000;
const ROUNDS: usize = 5;

pub(crate) const COUNTER: &str = "newline counter";
pub(crate) const CLIENT: &str = "towline Client";
#[allow(dead_code, reason = "the bench beside other clients has more of them")]
pub(crate) const CONTENDERS: [&str; 2] = [COUNTER, CLIENT];

/// Prints what each contender costs, read in turn; the first one is the measure.
pub(crate) fn compare(contenders: &[&str], once: fn(&str, &str, u64)) {
    let peer = Peer::start();
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, times) in contenders.iter().zip(&mut times) {
            times.push(cpu_of(contender, &peer.url(), RECORDS, once));
        }
    }
    println!("| {RECORDS} records flat out | CPU ns a record | × counter |\n|---|---|---|");
    let floor = nanoseconds(median(&mut times[0]), RECORDS);
    for (contender, times) in contenders.iter().zip(&mut times) {
        let each = nanoseconds(median(times), RECORDS);
        println!("| {contender} | {each:.0} | {:.1} |", each / floor);
    }
}

pub(crate) fn cpu_of(contender: &str, url: &str, records: u64, once: fn(&str, &str, u64)) -> Duration {
    let before = thread_cpu();
    once(contender, url, records);
    thread_cpu() - before
}

/// Reads one whole stream.
pub(crate) fn once(contender: &str, url: &str, records: u64) {
    let model = format!("flat:{records}");
    let seen = runtime().block_on(async {
        match contender {
            COUNTER => {
                let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
                counter::count(&mut counter::connect(address).await, &model).await - 1
            }
            CLIENT => by_client(url, &model).await,
            other => panic!("{other} is not known"),
        }
    });
    assert_eq!(seen, records, "{contender}");
}

async fn by_client(url: &str, model: &str) -> u64 {
    let mut stream = Client::new(url).unwrap().chat(ChatRequest::new(model).user("Hi"));
    let mut texts = 0;
    while let Some(item) = stream.next().await {
        match item {
            Item::Event(Event::Text(text)) => texts += u64::from(!text.is_empty()),
            Item::Event(_) => {}
            Item::End(outcome) => assert!(outcome.is_completed()),
        }
    }
    texts
}
