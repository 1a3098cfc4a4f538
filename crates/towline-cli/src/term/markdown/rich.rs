//! Turns styled text into lines, with URLs after links.

use towline_app::document::{self, Rich};

use crate::term::text::{Color, Line, Style};

/// The lines of a text over a base style.
pub fn lines(rich: &Rich, base: Style) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    let mut links: Vec<_> = rich
        .links
        .iter()
        .filter(|(range, to)| !to.is_empty() && rich.text.get(range.clone()) != Some(to))
        .map(|(range, to)| (range.end, to))
        .collect();
    links.sort_by_key(|(end, _)| *end);
    let mut links = links.into_iter().peekable();
    for (range, style) in &rich.runs {
        let style = over(base, *style);
        let mut at = range.start;
        while at < range.end {
            let end = links.peek().map_or(range.end, |(end, _)| (*end).clamp(at, range.end));
            push(&mut lines, &rich.text[at..end], style);
            at = end;
            while let Some((_, to)) = links.next_if(|(end, _)| *end == at) {
                push(&mut lines, &format!(" ({to})"), Style { dim: true, ..base });
            }
        }
    }
    lines
}

fn push(lines: &mut Vec<Line>, text: &str, style: Style) {
    for (number, part) in text.split('\n').enumerate() {
        if number > 0 {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            line.push(part, style);
        }
    }
}

fn over(base: Style, style: document::Style) -> Style {
    let color = match (style.is_code, style.is_link) {
        (true, _) => Color::Yellow,
        (false, true) => Color::Blue,
        (false, false) => base.color,
    };
    Style {
        color,
        bold: base.bold || style.is_bold,
        italic: base.italic || style.is_italic,
        underline: base.underline || style.is_link,
        strike: style.is_struck,
        ..base
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline_app::document::{Document, Piece};

    /// Bold as `<b>`, italic as `<i>`, code as `<c>`, a link as `<l>`.
    fn marked(text: &str) -> String {
        let document = Document::of(text);
        let block = document.open().unwrap();
        let Some(Piece::Text { rich, .. }) = document.pieces(&block).pop() else { panic!("no text") };
        let mut shown = String::new();
        for span in lines(&rich, Style::PLAIN).iter().flat_map(Line::spans) {
            let style = span.style();
            let marks = [
                (style.bold, 'b'),
                (style.italic, 'i'),
                (style.strike, 's'),
                (style.color == Color::Yellow, 'c'),
                (style.underline, 'l'),
            ];
            let marks: String = marks.iter().filter(|(on, _)| *on).map(|(_, mark)| mark).collect();
            if marks.is_empty() {
                shown.push_str(span.text());
            } else {
                shown.push_str(&format!("<{marks}:{}>", span.text()));
            }
        }
        shown
    }

    #[test]
    fn styles_are_shown() {
        for (given, shown) in [
            ("plain", "plain"),
            ("**b** *i* ***bi***", "<b:b> <i:i> <bi:bi>"),
            ("**b *bi* b**", "<b:b ><bi:bi><b: b>"),
            ("snake_case_name 2 * 3 * 4", "snake_case_name 2 * 3 * 4"),
            ("**open a ~~gone~~", "**open a <s:gone>"),
            ("`x*y*` ``a`b``", "<c:x*y*> <c:a`b>"),
            ("[text](http://a/b_(c))!", "<l:text> (http://a/b_(c))!"),
            ("<http://a> [b](c) [d](e)", "<l:http://a> <l:b> (c) <l:d> (e)"),
            ("![alt](x.png)", "image: <l:alt> (x.png)"),
            ("**“你好”**说", "<b:“你好”>说"),
            ("**a `c` b**", "<b:a ><bc:c><b: b>"),
        ] {
            assert_eq!(marked(given), shown, "{given}");
        }
    }
}
