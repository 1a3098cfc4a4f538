//! Compares forty answers at four widths with snapshots and with a reference renderer: nothing is left out,
//! nothing is moved, no word that fits is broken.
//!
//! The screens are in `snapshots/`; `cargo insta review` shows and accepts changes.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use super::Markdown;
use crate::term::rows::{Break, wrap};
use crate::term::text::width;

const ANSWERS: &str = include_str!("../../../tests/answers/answers.md");

fn answers() -> impl Iterator<Item = (&'static str, &'static str)> {
    ANSWERS.split("=== ").skip(1).map(|answer| answer.split_once('\n').unwrap())
}

/// The lines of an answer, each as its rows; those that the terminal wraps count as one.
fn screen(text: &str, columns: usize) -> Vec<String> {
    let mut markdown = Markdown::default();
    markdown.columns(columns);
    let mut lines = vec![];
    for piece in text.split_inclusive(' ') {
        markdown.push(piece, &mut lines);
    }
    markdown.finish(&mut lines);
    let mut shown = vec![];
    for line in lines {
        let mut row_continues = false;
        for row in wrap(&line, columns) {
            assert!(row.width <= columns, "{} columns in {columns}: {}", row.width, row.line.text());
            if row_continues {
                let last: &mut String = shown.last_mut().unwrap();
                last.push_str(&row.line.text());
            } else {
                shown.push(row.line.text());
            }
            row_continues = row.end == Break::Cells;
        }
    }
    shown
}

/// The reference's output for an answer, one block per line. It does not know formulas, so they stay as
/// written.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these show text")]
fn reference(name: &str, text: &str) -> String {
    if name.contains("formula") {
        return text.to_owned();
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let (mut shown, mut to) = (String::new(), None);
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                shown.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak | Event::Start(Tag::Item) => shown.push('\n'),
            Event::Start(Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. }) => {
                to = (link_type != LinkType::Autolink).then_some(dest_url);
            }
            // The URL follows the link text.
            Event::End(TagEnd::Link | TagEnd::Image) => {
                shown.extend(to.take().map(|to| format!(" ({to})")));
            }
            Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::CodeBlock | TagEnd::TableCell,
            ) => shown.push('\n'),
            _ => {}
        }
    }
    shown
}

fn without_blanks(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn every_word_of_the_reference_is_seen_in_order_and_whole() {
    for columns in [20, 40, 80, 120] {
        for (name, text) in answers() {
            let shown = screen(text, columns);
            let (mut seen, mut expected) =
                (without_blanks(&shown.concat()), without_blanks(&reference(name, text)));
            if name.contains("table") {
                // Adjacent cells are read one after the other.
                seen.sort_unstable();
                expected.sort_unstable();
            }
            let mut rest = seen.iter();
            for (at, c) in expected.iter().enumerate() {
                let left: String = expected[at..].iter().take(30).collect();
                assert!(
                    rest.any(|seen| seen == c),
                    "{name} at {columns}, from {left:?}:\n{}",
                    shown.join("\n")
                );
            }
            let is_wide = |word: &str| word.chars().any(|c| ('\u{2e80}'..'\u{ac00}').contains(&c));
            for word in reference(name, text).split_whitespace().filter(|word| !is_wide(word)) {
                let fits = width(word) + 8 <= columns;
                assert!(
                    !fits || shown.iter().any(|row| row.contains(word)),
                    "{word} of {name} at {columns}:\n{}",
                    shown.join("\n")
                );
            }
        }
    }
}

#[test]
fn screens_are_as_they_were_reviewed() {
    for columns in [20, 40, 80, 120] {
        let shown = answers().map(|(name, text)| {
            let rows = screen(text, columns);
            let rows = rows.iter().map(|row| row.trim_end()).collect::<Vec<_>>().join("\n");
            format!("=== {name}\n{rows}\n")
        });
        insta::assert_snapshot!(columns.to_string(), shown.collect::<String>());
    }
}
