//! The terminal's contents while an answer arrives: nothing is lost, nothing is executed.

use super::demo;
use crate::pty::Pty;

/// Types and erases Chinese text while lines scroll by; each numbered line must be found once.
fn lines_survive(pty: &mut Pty, lines: usize, mut at_key: impl FnMut(&mut Pty, usize)) {
    pty.press("go\r");
    let mut typed = 0;
    pty.until("Done", |pty| {
        let is_done = pty.text().contains("\nDone\n");
        if !is_done && typed < 140 {
            pty.press(if typed % 7 < 5 { "你好" } else { "\x7f" });
            at_key(pty, typed);
            typed += 1;
        }
        is_done
    });
    let shown = pty.lines();
    let mut missing = vec![];
    for number in 0..lines {
        let mark = format!("line-{number:04} ");
        let found = shown.iter().filter(|line| line.starts_with(&mark) && line.contains(" end")).count();
        if found == 0 {
            missing.push(number);
        }
    }
    assert!(missing.is_empty(), "{} of {lines} lines lost: {missing:?}", missing.len());
}

#[test]
fn no_line_is_lost_while_chinese_is_edited() {
    let mut pty = demo::start("5000 675");
    lines_survive(&mut pty, 675, |_, _| {});
    let shown = pty.lines();
    let numbered: Vec<_> = shown.iter().filter(|line| line.starts_with("line-")).collect();
    assert_eq!(numbered.len(), 675, "each line once");
    assert!(numbered.is_sorted());
}

#[test]
fn no_line_is_lost_while_the_window_changes() {
    let mut pty = demo::start("5000 675");
    lines_survive(&mut pty, 675, |pty, key| match key {
        40 => pty.resize(60, 24),
        90 => pty.resize(100, 30),
        _ => {}
    });
}

/// The kernel does not know the new width yet, and a rewrapped paragraph is higher than the window.
#[test]
fn no_old_row_remains_where_rows_are_wrapped_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer");
    let words: Vec<String> = (0..600).map(|word| format!("w{word:04}")).collect();
    let paragraphs: Vec<String> = words.chunks(100).map(|words| words.join(" ")).collect();
    std::fs::write(&path, paragraphs.join("\n\n")).unwrap();
    let reflows = format!("exec env -u XTERM_VERSION {} 150 0 {}", demo::path().display(), path.display());
    let mut pty = Pty::session(&reflows);
    pty.expect("demo>");
    pty.press("go\r");
    for (word, columns) in [(60, 40), (150, 80), (260, 20), (340, 120), (450, 33)] {
        pty.until(&words[word], |pty| pty.lines().concat().contains(&words[word]));
        pty.reflow_when_asked(columns);
    }
    pty.expect("\nDone\n");
    let lines = pty.lines();
    let shown: String = lines.concat().replace(' ', "");
    let wanted = format!("go{}Done", words.concat());
    assert!(shown.contains(&wanted), "{}", lines.join("\n"));
    assert!(!shown.contains("streaming"), "{}", lines.join("\n"));
}

#[test]
fn no_line_is_lost_on_a_slow_line() {
    let mut pty = demo::start("5000 120");
    pty.throttle(30_000.0);
    lines_survive(&mut pty, 120, |_, _| {});
}

#[test]
fn a_terminal_that_never_answers_gets_everything() {
    let mut pty = demo::start("5000 60");
    pty.answers = false;
    lines_survive(&mut pty, 60, |_, _| {});
}

#[test]
fn long_lines_of_code_are_one_line_of_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer");
    let words = |word: &str| (0..400).map(|at| format!("{word}{at}")).collect::<Vec<_>>().join(" ");
    let (narrow, wide) = (words("word"), words("你好"));
    std::fs::write(&path, format!("```\n{narrow}\n{wide}\n```\n")).unwrap();
    let mut pty = demo::start(&format!("2000 0 {}", path.display()));
    pty.throttle(40_000.0);
    pty.press("go\r");
    pty.expect("\nDone\n");
    let lines = pty.lines();
    assert!(lines.contains(&narrow), "the terminal knows the line as one");
    // A wide character that does not fit leaves a blank at the end of its row, and the model of the screen takes the
    // next row for a new line.
    let squeeze = |text: &str| text.replace(' ', "");
    assert_eq!(squeeze(&lines.concat()).matches(&squeeze(&wide)).count(), 1);
}

#[test]
fn a_hostile_answer_is_shown_and_not_executed() {
    let mut pty = demo::start("1000");
    pty.press("hostile\r");
    pty.expect("\nDone\n");
    let text = pty.text();
    assert!(text.contains("a^[[2Jb^[]0;title^Gc<U+009B>31md<U+202E>e^@f"), "{text}");
    assert!(text.contains("\nsafe\nDone\ndemo>"), "{text}");
    let asked = pty.screen.callbacks();
    assert_eq!((asked.titles, asked.clipboard, asked.bells), (0, 0, 0));
}

#[test]
fn a_megabyte_without_a_newline_keeps_the_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer");
    std::fs::write(&path, "x".repeat(1 << 20)).unwrap();
    let mut pty = demo::start(&format!("100000 0 {}", path.display()));
    pty.press("go\r");
    pty.press("typed");
    pty.expect_row("demo> typed");
    pty.expect("\nDone\n");
    assert_eq!(pty.lines().concat().matches('x').count(), 1 << 20);
}

#[test]
fn markdown_is_rendered() {
    let mut pty = demo::start("1000");
    pty.press("table\r");
    pty.expect("\nDone\n");
    let text = pty.text();
    for shown in ["gemma3    │ 你好 │  41.2", "• one\n  • nested\n☑ done", "│ quoted text", "The end."]
    {
        assert!(text.contains(shown), "{shown:?} in\n{text}");
    }
}

#[test]
fn thinking_is_folded() {
    let mut pty = demo::start("20");
    pty.press("think\r");
    pty.expect("thinking…");
    pty.expect("first thought");
    pty.expect("thought for");
    pty.expect("\nDone\n");
    assert!(!pty.text().contains("first thought"), "{}", pty.text());
    pty.press("\x0f");
    pty.expect("│ first thought\n│ second thought\n");
}

#[test]
fn no_colour_codes_where_none_are_wanted() {
    let script = format!("NO_COLOR=1 exec {} 1000", demo::path().display());
    let mut pty = Pty::session(&script);
    pty.expect("demo>");
    pty.press("table\r");
    pty.expect("\nDone\n");
    for row in 0..24 {
        for column in 0..80 {
            let cell = pty.screen.screen().cell(row, column).unwrap();
            assert_eq!(cell.fgcolor(), vt100::Color::Default);
        }
    }
}

#[test]
fn no_control_codes_without_a_terminal() {
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("printf 'hello\\nlast' | {} 1000", demo::path().display())])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert!(text.contains("said \"hello\"\n") && text.contains("said \"last\"\n"), "{text:?}");
}
