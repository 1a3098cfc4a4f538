//! From Ctrl-C to "Cancelled", from Ctrl-Z to the prompt.

use std::time::Instant;

use crate::figures::{Times, print_heading};
use crate::{answers, prompt};

const ROUNDS: usize = 40;

pub(crate) fn run() {
    print_heading();
    let server = answers::endless();
    let (mut cancels, mut behind) = (Times::default(), Times::default());
    let (mut pty, _home) = prompt(&server, "fast");
    for _ in 0..ROUNDS {
        pty.press("ask\r");
        pty.expect(" tok/s");
        let pressed = Instant::now();
        pty.press("\x03");
        pty.expect("Cancelled");
        cancels.push(pressed.elapsed());
        clear(&mut pty);

        pty.press("ask\r");
        pty.expect(" tok/s");
        let pressed = Instant::now();
        pty.press("\x1a");
        pty.until("the prompt alone", |pty| {
            pty.text().contains("[1]+  Running") && pty.cursor_row() == "fast>"
        });
        behind.push(pressed.elapsed());
        pty.press("kill %1\r");
        pty.until("nothing runs", |pty| {
            pty.text().contains("Cancelled") && !pty.text().contains("1 running")
        });
        clear(&mut pty);
    }
    cancels.print("Ctrl-C to \"Cancelled\", 5,000 tok/s", "100 ms");
    behind.print("Ctrl-Z to the prompt, 5,000 tok/s", "50 ms");
}

fn clear(pty: &mut crate::pty::Pty) {
    pty.press("\r:clear\r\x0c");
    pty.until("a clear screen", |pty| pty.text() == "fast>");
}
