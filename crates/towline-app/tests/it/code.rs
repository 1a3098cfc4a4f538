//! The highlighting of lines of code.

use proptest::prelude::*;
use towline_app::document::code::{Kind, Language, LineState};

/// One name of every language, and two unknown names.
const LANGUAGES: [&str; 16] = [
    "rust",
    "python",
    "js",
    "go",
    "c",
    "css",
    "bash",
    "toml",
    "dockerfile",
    "json",
    "sql",
    "lua",
    "haskell",
    "diff",
    "",
    "brainfuck",
];

/// The parts of a text that are not plain.
fn special(info: &str, text: &str) -> Vec<(String, Kind)> {
    let (language, mut inside, mut all) = (Language::of(info), LineState::default(), Vec::new());
    for line in text.split('\n') {
        language.scan(&mut inside, line, |part, kind| all.push((part.to_owned(), kind)));
    }
    all.retain(|(_, kind)| *kind != Kind::Plain);
    all
}

#[track_caller]
fn check(info: &str, text: &str, expected: &[(&str, Kind)]) {
    let expected: Vec<_> = expected.iter().map(|(part, kind)| ((*part).to_owned(), *kind)).collect();
    assert_eq!(special(info, text), expected, "{info}: {text}");
}

#[test]
fn parts_are_distinguished() {
    use Kind::{Added, Call, Comment, Keyword, Number, Place, Removed, Text};
    check(
        "rust,no_run",
        "let x = call(1); // \"c\"",
        &[("let", Keyword), ("call", Call), ("1", Number), ("// \"c\"", Comment)],
    );
    check(
        "Rust",
        "/* a\nb */ \"s\\\"t\" vec![1..2]",
        &[("/* a", Comment), ("b */", Comment), ("\"s\\\"t\"", Text), ("1", Number), ("2", Number)],
    );
    check("python", "x = \"\"\"a\nb\"\"\" # c", &[("\"\"\"a", Text), ("b\"\"\"", Text), ("# c", Comment)]);
    check("ts", "`a ${b}\n'c` + 'd'", &[("`a ${b}", Text), ("'c`", Text), ("'d'", Text)]);
    check("go", "x := 1.5 // 'a", &[("1.5", Number), ("// 'a", Comment)]);
    check("css", "a { b: url(https://c); } /* d */", &[("url", Call), ("/* d */", Comment)]);
    check(
        "sh",
        "if [ $# -gt 1 ]; then # two",
        &[("if", Keyword), ("1", Number), ("then", Keyword), ("# two", Comment)],
    );
    check("SQL", "Select a FROM b -- c", &[("Select", Keyword), ("FROM", Keyword), ("-- c", Comment)]);
    check(
        "lua",
        "--[[ a\nb ]] nil -- c",
        &[("--[[ a", Comment), ("b ]]", Comment), ("nil", Keyword), ("-- c", Comment)],
    );
    check("dockerfile", "FROM a", &[("FROM", Keyword)]);
    check("diff", "+a\n-b\n@@ c\n d", &[("+a", Added), ("-b", Removed), ("@@ c", Place)]);
    check("text", "don't 'a'", &[]);
    check("brainfuck", "let \"x\"", &[]);
}

#[test]
fn an_apostrophe_is_no_string() {
    check("c", "don't", &[]);
    check("c", "x = '\\''; y = 'z", &[("'\\''", Kind::Text)]);
}

/// Lines made of pieces that languages consist of.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let mark = prop::sample::select(vec![
        "\"", "'", "`", "\"\"\"", "'''", "\\", "//", "/*", "*/", "#", "--", "--[[", "]]", "{-", "-}", "let",
        "if", "f(", "m!(", "1", "0.5", "..", "é", "日本", " ", "\t", "_", "+", "@", "\u{301}",
    ]);
    let line = prop::collection::vec(mark, 0..12).prop_map(|marks| marks.concat());
    prop::collection::vec(prop_oneof![line, "[^\n]{0,12}"], 0..6)
}

proptest! {
    /// The parts of a line make up the line, and only the state at its start is needed to scan it.
    #[test]
    fn parts_tile_their_line_wherever_scanning_begins(info in prop::sample::select(&LANGUAGES[..]), lines in lines()) {
        let language = Language::of(info);
        let mut inside = LineState::default();
        let mut begun = Vec::new();
        let mut all = Vec::new();
        for line in &lines {
            begun.push(inside);
            let mut parts = Vec::new();
            language.scan(&mut inside, line, |part, kind| parts.push((part, kind)));
            prop_assert!(parts.iter().all(|(part, _)| !part.is_empty()));
            prop_assert_eq!(begun.last().map(|begun| language.pass(*begun, line)), Some(inside));
            prop_assert_eq!(&parts.iter().map(|(part, _)| *part).collect::<String>(), line);
            all.push(parts);
        }
        for (from, begun) in begun.into_iter().enumerate() {
            let mut inside = begun;
            for (line, expected) in lines.iter().zip(&all).skip(from) {
                let mut parts = Vec::new();
                language.scan(&mut inside, line, |part, kind| parts.push((part, kind)));
                prop_assert_eq!(&parts, expected);
            }
        }
    }
}

/// A scanner that searches for the end of each of these again takes quadratic time.
#[test]
fn hostile_lines_take_linear_time() {
    const BYTES: usize = 1 << 20;
    for mark in ["\\'", "'\\", "\"", "`", "/*", "*/", "/", "#", "# ", "-", "a(", "1.", "日", "{-", "--[["] {
        let line = mark.repeat(BYTES / mark.len());
        for info in ["js", "python", "c", "lua", "haskell"] {
            let mut length = 0;
            Language::of(info).scan(&mut LineState::default(), &line, |part, _| length += part.len());
            assert_eq!(length, line.len(), "{info}: {mark}");
        }
    }
}
