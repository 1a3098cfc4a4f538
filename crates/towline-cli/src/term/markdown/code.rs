//! Highlights code, line by line.

use towline_app::document::code::{Kind, Language, LineState};

use crate::term::text::{Color, Line, Style};

/// Highlights the lines of one fence.
#[derive(Debug)]
pub struct Code {
    language: Language,
    inside: LineState,
}

impl Code {
    /// For the language in the info string of the fence.
    pub fn new(info: &str) -> Self {
        Self { language: Language::of(info), inside: LineState::default() }
    }

    pub fn line(&mut self, text: &str) -> Line {
        let mut line = Line::default();
        self.language.scan(&mut self.inside, text, |part, kind| line.push(part, style(kind)));
        line
    }
}

fn style(kind: Kind) -> Style {
    match kind {
        Kind::Plain => Style::PLAIN,
        Kind::Comment => Style { italic: true, ..Style::color(Color::Grey) },
        Kind::Text | Kind::Added => Style::color(Color::Green),
        Kind::Number => Style::color(Color::Yellow),
        Kind::Keyword => Style::color(Color::Magenta),
        Kind::Call => Style::color(Color::Blue),
        Kind::Removed => Style::color(Color::Red),
        Kind::Place => Style::color(Color::Cyan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_leaves_open_colours_the_next() {
        let mut code = Code::new("rust");
        let colors = |line: &Line| line.spans().iter().map(|span| span.style().color).collect::<Vec<_>>();
        assert_eq!(colors(&code.line("let x; /* a")), [Color::Magenta, Color::Default, Color::Grey]);
        assert_eq!(colors(&code.line("b */ 1")), [Color::Grey, Color::Default, Color::Yellow]);
        assert!(code.line("").spans().is_empty());
    }
}
