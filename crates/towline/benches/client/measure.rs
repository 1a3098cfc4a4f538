//! Times, memory and order statistics.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

/// CPU time of this process.
pub(crate) fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Memory of this process that is in use, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The value below which `share` of them are, from 0 to 1.
pub(crate) fn quantile<T: Copy + Ord>(values: &mut [T], share: f64) -> T {
    values.sort_unstable();
    values[((values.len() - 1) as f64 * share).round() as usize]
}

pub(crate) fn median<T: Copy + Ord>(values: &mut [T]) -> T {
    quantile(values, 0.5)
}

/// Rounds of a comparison; the medians count.
const ROUNDS: usize = 5;

/// Prints what a record of this model costs each contender, in CPU time of this process. They read in turn, each from its
/// own URL; the first one is the measure.
pub(crate) fn compare(
    what: &str,
    contenders: &[(&str, &str)],
    model: &str,
    records: u64,
    once: fn(&str, &str, &str, u64),
) {
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for ((contender, url), times) in contenders.iter().zip(&mut times) {
            times.push(cpu_of(contender, url, model, records, once));
        }
    }
    println!("| {what} | CPU ns a record | × counter |\n|---|---|---|");
    let floor = nanoseconds(median(&mut times[0]), records);
    for ((contender, _), times) in contenders.iter().zip(&mut times) {
        let each = nanoseconds(median(times), records);
        println!("| {contender} | {each:.0} | {:.2} |", each / floor);
    }
    println!();
}

/// CPU time of this process for one stream.
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

pub(crate) fn nanoseconds(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count as f64
}
