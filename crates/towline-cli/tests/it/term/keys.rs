//! Editing at the prompt.

use super::demo;
use crate::pty::Pty;

/// Presses keys, then waits for the prompt's row.
fn check(pty: &mut Pty, keys: &str, row: &str) {
    pty.press(keys);
    pty.expect_row(row);
}

#[test]
fn emacs_keys() {
    let mut pty = demo::start("50");
    check(&mut pty, "one two three", "demo> one two three");
    check(&mut pty, "\x17", "demo> one two");
    check(&mut pty, "\x01X", "demo> Xone two");
    check(&mut pty, "\x1bf!", "demo> Xone! two");
    check(&mut pty, "\x0b", "demo> Xone!");
    check(&mut pty, "\x19", "demo> Xone! two");
    check(&mut pty, "\x1b\x7f", "demo> Xone!");
    check(&mut pty, "\x1b[D\x1b[D\x1b[3~", "demo> Xone");
    check(&mut pty, "\x1f", "demo> Xone!");
    check(&mut pty, "\x05\x15", "demo>");
    check(&mut pty, "👩‍👩‍👧é", "demo> 👩‍👩‍👧é");
    check(&mut pty, "\x7f\x7f", "demo>");
}

#[test]
fn history_hints_and_search() {
    let mut pty = demo::start("50");
    for line in ["first one", "second", "first two"] {
        pty.press(&format!("{line}\r"));
        pty.expect(&format!("said \"{line}\""));
    }
    check(&mut pty, "\x1b[A", "demo> first two");
    check(&mut pty, "\x1b[A", "demo> second");
    check(&mut pty, "\x1b[B\x1b[B", "demo>");
    check(&mut pty, "fir\x1b[A\x1b[A", "demo> first one");
    check(&mut pty, "\x15sec", "demo> second");
    check(&mut pty, "\x1b[C!", "demo> second!");
    check(&mut pty, "\x15\x12one", "(search)`one': first one");
    check(&mut pty, "\x07", "demo>");
    check(&mut pty, "\x12t\x12\x01>", "demo> >first one");
}

#[test]
fn completion() {
    let mut pty = demo::start("50");
    check(&mut pty, "th\t", "demo> think");
    check(&mut pty, "\x15h\t", "demo> h");
    pty.expect("hostile      history      hello world");
    check(&mut pty, "\t", "demo> hostile");
    check(&mut pty, "\t", "demo> history");
    check(&mut pty, "\x1b[Z", "demo> hostile");
    check(&mut pty, "!", "demo> hostile!");
    assert!(!pty.text().contains("hello world"), "the menu is gone");
}

#[test]
fn text_of_several_lines() {
    let mut pty = demo::start("50");
    pty.press("a\x1b\rb\r");
    pty.expect("said \"a\\nb\"");
    pty.press("\"\"\"x\ry\"\"\"\r");
    pty.expect("said \"x\\ny\"");
    pty.press("\x1b[200~p\nq\rr\x1b[31m\x1b[201~");
    pty.expect_row("  r^[[31m");
    assert!(!pty.text().contains("said \"p"), "pasted newlines do not submit");
    pty.press("\r");
    pty.expect("said \"p\\nq\\nr\\u{1b}[31m\"");
}

#[test]
fn a_paste_that_is_not_marked_is_one_text() {
    let mut pty = demo::start("50");
    pty.press("def f(x):\r\treturn x\r\rprint(f(1))\r");
    pty.expect("said \"def f(x):\\n\\treturn x\\n\\nprint(f(1))\"");
}

#[test]
fn control_c_z_and_d() {
    let mut pty = demo::start("50 1000");
    pty.press("abc");
    pty.expect_row("demo> abc");
    pty.press("\x03");
    pty.expect("interrupt");
    pty.expect_row("demo>");
    pty.press("go\r");
    pty.expect("line-0003");
    pty.press("half \u{4f60}\x1a");
    pty.expect("[1]+  Running");
    pty.expect_row("demo> half \u{4f60}");
    pty.press("\x03");
    pty.expect("Cancelled");
    pty.expect_row("demo> half \u{4f60}");
    pty.press("\x03");
    pty.expect_row("demo>");
    pty.press("\x04");
    pty.expect("bye");
    assert!(pty.end().success());
}

#[test]
fn history_is_kept_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let script = format!("TERM_DEMO_HISTORY={} exec {} 50", path.display(), demo::path().display());
    for _ in 0..2 {
        let mut pty = Pty::session(&script);
        pty.expect("demo>");
        pty.press("\x1b[200~two\nlines\x1b[201~\r");
        pty.expect("said \"two\\nlines\"");
        pty.press("quit\r");
        assert!(pty.end().success());
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert_eq!(kept, "two\\nlines\nquit\ntwo\\nlines\nquit\n");
}

#[test]
fn the_line_goes_to_an_editor_and_back() {
    let script = format!("VISUAL='sed -i s/teh/the/' exec {} 50", demo::path().display());
    let mut pty = Pty::session(&script);
    pty.expect("demo>");
    check(&mut pty, "teh end\x18\x05", "demo> the end");
}

#[test]
fn a_tall_input_fits_a_small_window() {
    let mut pty = demo::start("50");
    pty.resize(20, 5);
    pty.press(&format!("\x1b[200~{}last\x1b[201~", "word\n".repeat(30)));
    pty.expect_row("  last");
    pty.press("\x03");
    pty.expect_row("demo>");
}
