//! The terminal's modes are always restored.

use rustix::process::Signal;

use super::demo;
use crate::pty::Pty;

#[test]
fn it_is_raw_and_then_it_is_not() {
    let mut pty = Pty::session(&format!("{} 50; sleep 60", demo::path().display()));
    pty.expect("demo>");
    let is_paste_marked = |pty: &mut Pty| pty.screen.screen().bracketed_paste();
    assert!(pty.is_raw() && is_paste_marked(&mut pty));
    pty.press("quit\r");
    pty.until("the terminal given back", |pty| !pty.is_raw() && !pty.screen.screen().bracketed_paste());
}

#[test]
fn a_panic_gives_it_back() {
    let mut pty = Pty::session(&format!("{} 50; echo code $?; sleep 60", demo::path().display()));
    pty.expect("demo>");
    pty.press("panic\r");
    pty.expect("asked to");
    pty.expect("code 101");
    assert!(!pty.is_raw() && !pty.screen.screen().bracketed_paste());
}

#[test]
fn termination_gives_it_back() {
    for signal in [Signal::TERM, Signal::HUP] {
        let mut pty = demo::start("5000 1000");
        pty.press("go\r");
        pty.expect("line-");
        pty.signal(signal);
        assert!(pty.end().success());
        assert!(!pty.screen.screen().bracketed_paste());
    }
}

#[test]
fn a_stopped_prompt_leaves_the_shell_its_terminal() {
    let mut pty = Pty::session("PS1='shell$ ' exec bash --norc -i");
    pty.expect("shell$");
    pty.press(&format!("{} 50\r", demo::path().display()));
    pty.expect("demo>");
    pty.press("suspend\r");
    pty.expect("Stopped");
    pty.press("echo he''re; stty -a | grep -c -- -icanon\r");
    pty.expect("here\n0\n");
    pty.press("fg\r");
    pty.expect_row("demo>");
    pty.press("again");
    pty.expect_row("demo> again");
    assert!(pty.is_raw());
    pty.press("\x15quit\r");
    pty.expect_row("shell$");
    pty.press("stty -a | grep -c -- -icanon; echo a''b\r");
    pty.expect("0\nab\n");
}

#[test]
fn stopped_from_outside_it_comes_back() {
    let mut pty = Pty::session("PS1='shell$ ' exec bash --norc -i");
    pty.expect("shell$");
    pty.press(&format!("{} 50\r", demo::path().display()));
    pty.expect("demo>");
    for signal in ["STOP", "TSTP"] {
        pty.settle();
        let script = format!("ps -o pid= --ppid {} | xargs kill -{signal}", pty.pid());
        assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
        pty.expect("Stopped");
        pty.press("clear; fg\r");
        pty.expect_row("demo>");
        pty.press("x");
        pty.expect_row("demo> x");
        pty.press("\x15");
        pty.expect_row("demo>");
        assert!(pty.is_raw());
        pty.press("again\r");
        pty.expect("said \"again\"");
    }
}
