//! Job control, through the keys and the screen.

use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use super::{ended, prompt};

/// A model whose answer begins with its name and ends when the gate with the same name opens.
fn gated(name: &str) -> Script {
    let begins = ollama::chat_text(&format!("{name} begins\n"));
    let ends = [ollama::chat_text(&format!("{name} ends\n")), ollama::chat_done("stop", 2)];
    Script::ndjson_open([begins]).wait(name).lines(ends).end_chunks()
}

/// Models `a`, `b` and `m`.
fn models() -> Server {
    let routes =
        ["a", "b", "m"].into_iter().fold(Routes::new(), |routes, name| routes.model(name, gated(name)));
    Server::start(routes)
}

#[test]
fn a_group_behind() {
    let server = models();
    let (mut pty, _home) = prompt(&server);
    pty.press("@a,@b compare &\r");
    pty.expect("[1] a  \"compare\"\n[2] b  \"compare\"\n");
    pty.expect("2 running");
    pty.press("jobs\r");
    // Waiting, or streaming already.
    for parts in [["[1]-  Running (", "a  \"compare\" &  ("], ["[2]+  Running (", "b  \"compare\" &  ("]] {
        pty.until(parts[0], |pty| {
            pty.text().lines().any(|line| line.starts_with(parts[0]) && line.contains(parts[1]))
        });
    }
    server.open("b");
    pty.expect("1 running, 1 done");
    pty.press("\r");
    pty.expect("[2]+  Done                    b  \"compare\"");
    pty.press("keep %2\r");
    pty.expect("conversation");
    pty.press("kill %*\r");
    pty.expect("[1]+  Cancelled               a  \"compare\"");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

/// Whether the prompt says that job 1 ends in this many minutes.
fn says_left(text: &str, mut minutes: std::ops::RangeInclusive<u64>) -> bool {
    minutes.any(|minutes| text.contains(&format!("[1] ends in {minutes} m")))
}

#[test]
fn waiting_for_the_first_with_a_limit() {
    let server = models();
    let (mut pty, _home) = prompt(&server);
    pty.enter("m>", &["@a one &", "@b two &"]);
    pty.expect("2 running");
    pty.press("wait -n -t 1ms\r");
    pty.expect("wait: ");
    pty.press("wait -n -t 10m\r");
    pty.expect("waiting for 2 jobs");
    pty.press("still typing");
    pty.expect_row("m> still typing");
    server.open("b");
    pty.expect("[2]+  Done                    b  \"two\"");
    pty.until("no more waiting", |pty| !pty.text().contains("waiting for"));
    pty.press("\x15wait\r");
    pty.expect("waiting for 1 job");
    pty.press("\x03");
    pty.expect("wait: interrupted; the jobs continue");
    pty.press("timeout %1 1h\r");
    pty.until("a deadline", |pty| says_left(&pty.text(), 59..=60));
    pty.press("timeout %1 +30m\r");
    pty.until("a later deadline", |pty| says_left(&pty.text(), 89..=90));
    pty.enter("m>", &["timeout %1 none", "timeout %1 1ms", "wait"]);
    pty.expect("[1]+  Timed out               a  \"one\"");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn into_commands_and_files() {
    let server = models();
    let (mut pty, home) = prompt(&server);
    pty.press("@a one &\r");
    pty.expect("1 running");
    // Live: the command gets the text so far, and the rest as it arrives.
    pty.press("pipe %1 | while read line; do echo \"<$line>\"; done\r");
    pty.expect("<a begins>");
    server.open("a");
    pty.expect("<a ends>");
    pty.press("pipe %1 | exit 7\r");
    // If the first command has not quite ended, the second runs in the background and is reported before the next prompt.
    pty.until("its end", |pty| pty.text().contains("Exit 7") || pty.text().contains("1 ended"));
    pty.press("\r");
    pty.expect("Exit 7");
    let file = home.path().join("answer.txt");
    pty.press(&format!("pipe %1 > {}\r", file.display()));
    pty.until("the file", |_| std::fs::read_to_string(&file).is_ok_and(|text| text == "a begins\na ends\n"));
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}

#[test]
fn notices_at_once_and_logs_that_are_followed() {
    let server = models();
    let (mut pty, _home) = prompt(&server);
    pty.enter("m>", &["set -b", "@a one &", "@b two &"]);
    pty.expect("2 running");
    pty.press("half typed");
    server.open("a");
    pty.expect("[1]-  Done                    a  \"one\"");
    pty.expect_row("m> half typed");
    pty.press("\x15log -f %2\r");
    pty.expect("b begins");
    pty.expect("following %2");
    pty.press("\x03");
    pty.expect("the log is no longer followed; the job continues");
    pty.enter("m>", &["name %2 second", "tail %second"]);
    pty.expect("m> tail %second\nb begins\n");
    pty.expect("following %2");
    server.open("b");
    pty.expect("b ends");
    pty.expect("[2]+  Done                    second  \"two\"");
    pty.press("log %second -n 1\r");
    pty.expect("… 1 lines before");
    pty.press("exit\r");
    assert_eq!(ended(&mut pty), Some(0));
}
