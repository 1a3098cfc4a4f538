//! What the client and jobs of the engine cost, measured beside others in the same run.
//!
//! ```text
//! cargo bench --bench client                    everything but the instruction counts
//! cargo bench --bench client -- flat paced …    some of it: flat paced first-event line flood cancel many http2
//! cargo bench --bench client -- instructions    counted by valgrind's callgrind
//! ```
//!
//! The server is another process, or a thread where the client's thread alone is measured. Times are CPU times. Every figure is best read as a ratio to the newline counter beside it: a program that reads the
//! socket by tokio and counts newlines, and so does the least that anyone could do. Other clients are measured beside
//! this one in `benches/peers`, a workspace apart.

#![expect(clippy::unwrap_used, reason = "a bench that cannot continue fails")]
#![expect(clippy::print_stdout, reason = "figures are printed")]

mod cancel;
mod contender;
mod counter;
mod first_event;
mod flat;
mod flood;
mod http2;
mod http2_counter;
mod http2_peer;
mod instructions;
mod line;
mod many;
mod measure;
mod paced;
mod peer;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => return peer::serve(),
        [http2_peer::ROLE] => return http2_peer::serve(),
        ["once", contender, url, shape, number] => {
            return once(contender, url, shape, number.parse().unwrap());
        }
        ["many", contender, url, streams, rate, records] => {
            let [streams, rate, records] = [streams, rate, records].map(|number| number.parse().unwrap());
            return many::measured(contender, url, streams, rate, records);
        }
        ["instructions"] => {
            instructions::compare(&contender::CONTENDERS);
            http2::instructions();
            return first_event::instructions();
        }
        _ => {}
    }
    let wanted = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    let parts: [(&str, fn()); 8] = [
        ("flat", || flat::compare(&contender::CONTENDERS, contender::read)),
        ("paced", paced::run),
        ("first-event", first_event::run),
        ("line", line::run),
        ("flood", flood::run),
        ("cancel", cancel::run),
        ("many", many::run),
        ("http2", http2::run),
    ];
    for (name, run) in parts {
        if wanted(name) {
            println!("\n## {name}\n");
            run();
        }
    }
}

/// What callgrind counts: one stream of `number` records, or as many requests of one record.
fn once(contender: &str, url: &str, shape: &str, number: u64) {
    match contender {
        first_event::COLD_COUNTER | first_event::COLD_CLIENT | first_event::WARM_CLIENT => {
            first_event::requests(contender, url, number);
        }
        _ => http2::read(contender, url, &format!("{shape}:{number}"), number),
    }
}
