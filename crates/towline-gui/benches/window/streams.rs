//! Many answers at once, and one long one.

use std::time::Duration;

use crate::lockstep::{FRAMES_PER_SECOND, Lockstep};

const TOKENS_PER_SECOND: u64 = 200;

/// 64 answers, some of them visible.
pub(crate) fn many() {
    println!("64 answers at 200 tokens a second, 60 simulated seconds: processor time of a frame");
    for (chats, visible, target) in [(4, 16, "p99 ≤ 8.3 ms"), (16, 4, "p99 ≤ 4 ms"), (64, 1, "")] {
        let mut lockstep = Lockstep::start(chats, visible);
        for _ in 0..60 * FRAMES_PER_SECOND {
            lockstep.step(TOKENS_PER_SECOND);
        }
        lockstep.times.print(&format!("  {visible} visible"), target);
        let frames = lockstep.times.len();
        lockstep.times.slice(frames - 60..frames).print("  … their last second", "");
        let (tokens, different) = lockstep.finish();
        println!("  … {tokens} tokens; answers that differ from what was sent: {different} (target 0)");
    }
    println!();
}

/// One answer of ten minutes.
pub(crate) fn long() {
    println!("one answer of 600 simulated seconds at 200 tokens a second: processor time of a frame");
    let mut lockstep = Lockstep::start(1, 1);
    for _ in 0..600 * FRAMES_PER_SECOND {
        lockstep.step(TOKENS_PER_SECOND);
    }
    let frames = lockstep.times.len();
    let minute = lockstep.times.slice(0..frames / 10);
    let last = lockstep.times.slice(frames - 60..frames);
    lockstep.times.slice(0..60).print("  first second", "");
    minute.print("  first minute", "");
    last.print("  last second", "");
    let ratio =
        last.percentile(50).as_secs_f64() / minute.percentile(50).max(Duration::from_nanos(1)).as_secs_f64();
    println!("  last second against first minute, p50: {ratio:.2} (target ≤ 2)");
    let (tokens, different) = lockstep.finish();
    println!("  {tokens} tokens; answers that differ from what was sent: {different} (target 0)\n");
}
