//! From a key to its echo on the screen.

use std::time::{Duration, Instant};

use crate::figures::{Times, print_heading};
use crate::pty::Pty;
use crate::{answers, prompt};

const KEYS: usize = 300;
/// On a terminal drained at 10 kB/s.
const KEYS_SLOW: usize = 150;
/// The number of letters typed before they are erased.
const LETTERS: usize = 12;
/// The pause between an echo and the next key; not in step with the drawing.
const GAPS_MILLISECONDS: [u64; 5] = [23, 41, 31, 53, 37];

pub(crate) fn run() {
    print_heading();
    let mut bash = Pty::session("PS1='$ ' exec bash --norc --noprofile -i");
    bash.expect_row("$");
    typed(&mut bash, "$", KEYS).print("bash, idle", "");

    let server = answers::endless();
    let (mut idle, _home) = prompt(&server, "fast");
    typed(&mut idle, "fast>", KEYS).print("towline, idle", "");

    let (mut behind, _home) = prompt(&server, "slow");
    for number in 1..=10 {
        behind.press("q &\r");
        behind.expect(&format!("[{number}] "));
    }
    behind.expect("10 running");
    typed(&mut behind, "slow>", KEYS)
        .print("10 streams behind, 500 tok/s each", "p50 1 ms, p99 16 ms above bash");

    for (bytes, keys, held_to) in
        [(None, KEYS, ""), (Some(30_000), KEYS, "p95 60 ms"), (Some(10_000), KEYS_SLOW, "p95 120 ms")]
    {
        let (mut pty, _home) = prompt(&server, "fast");
        let what = match bytes {
            None => "one in front, 5,000 tok/s".to_owned(),
            Some(bytes) => format!("… on a terminal drained at {} kB/s", bytes / 1000),
        };
        if let Some(bytes) = bytes {
            pty.throttle(f64::from(bytes));
        }
        pty.press("ask\r");
        pty.expect(" tok/s");
        typed(&mut pty, "fast>", keys).print(&what, held_to);
        // The stream must outlast the measurement.
        pty.expect("streaming");
    }
}

/// Types letters and erases them.
fn typed(pty: &mut Pty, prompt: &str, keys: usize) -> Times {
    let mut times = Times::default();
    for key in 0..keys {
        let at = key % (2 * LETTERS);
        let (press, letters) = if at < LETTERS { ("x", at + 1) } else { ("\x7f", 2 * LETTERS - at - 1) };
        let row = format!("{prompt} {}", "x".repeat(letters));
        let pressed = Instant::now();
        pty.press(press);
        pty.expect_row(row.trim_end());
        times.push(pressed.elapsed());
        let next = Instant::now() + Duration::from_millis(GAPS_MILLISECONDS[key % GAPS_MILLISECONDS.len()]);
        while Instant::now() < next {
            pty.turn(2);
        }
    }
    times
}
