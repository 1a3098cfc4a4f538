//! Checks that the terminal has the whole answer, once and in order.

use towline_testkit::{Routes, Server};

use crate::{answers, prompt};

const LINES: usize = 675;
/// Keys pressed while the answer arrives.
const KEYS: usize = 140;

pub(crate) fn run() {
    println!();
    for (what, resizes) in
        [("no resize", &[][..]), ("resized to 60 and to 100 columns", &[(40, 60, 24), (90, 100, 30)][..])]
    {
        let answer = answers::numbered(LINES);
        let server = Server::start(Routes::new().model("fast", answers::paced(&answer, 5_000)));
        let (mut pty, _home) = prompt(&server, "fast");
        pty.press("ask\r");
        let mut typed = 0;
        pty.until("the end of the answer", |pty| {
            if typed < KEYS {
                pty.press(if typed % 7 < 5 { "你好" } else { "\x7f" });
                if let Some((_, columns, rows)) = resizes.iter().find(|(key, _, _)| *key == typed) {
                    pty.resize(*columns, *rows);
                }
                typed += 1;
            }
            pty.text().contains(&answer[LINES - 1])
        });
        let shown = pty.lines();
        let lost = answer.iter().filter(|line| !shown.contains(line)).count();
        let numbered: Vec<&String> = shown.iter().filter(|line| line.starts_with("line-")).collect();
        let identical = numbered.iter().copied().eq(&answer);
        println!(
            "{LINES} lines at 5,000 tok/s, {typed} keys of CJK edited, {what}: {lost} lost, transcript {}   0, identical",
            if identical { "identical" } else { "DIFFERENT" }
        );
    }
}
