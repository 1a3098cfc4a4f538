//! Inside a line: code, emphasis, links. What does not close stays as it was written.

use crate::repl::term::text::{Color, Line, Style};

/// Emphasis opened and not yet closed; more stays as written.
const OPEN_EMPHASES: usize = 32;
/// A longer link text or address is no link.
const LINK_BYTES: usize = 2 << 10;
/// Links inside the text of links, so deep.
const LINK_DEPTH: usize = 3;

/// A piece of a line.
#[derive(Debug)]
enum Token {
    Text(Line),
    Run(Run),
}

/// A run of marks that may open or close emphasis.
#[derive(Debug)]
struct Run {
    mark: char,
    left: usize,
    may_open: bool,
    may_close: bool,
    opened: Vec<Emphasis>,
    closed: Vec<Emphasis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emphasis {
    Italic,
    Bold,
    Strike,
}

/// Renders a line of text over a base style.
pub fn render(text: &str, base: Style) -> Line {
    render_at(text, base, 0)
}

fn render_at(text: &str, base: Style, depth: usize) -> Line {
    let mut tokens = tokenize(text, base, depth);
    pair(&mut tokens);
    assemble(tokens, base)
}

fn tokenize(text: &str, base: Style, depth: usize) -> Vec<Token> {
    let mut tokens = vec![];
    let mut plain = String::new();
    let mut at = 0;
    let last_link = text.rfind("](").unwrap_or(0);
    // For each length below 16, no run of so many backticks closes after this place.
    let mut unclosed = [false; 16];
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        match c {
            '\\' if rest[1..].starts_with(|c: char| c.is_ascii_punctuation()) => {
                plain.push_str(&rest[1..2]);
                at += 2;
                continue;
            }
            '`' => {
                let count = rest.len() - rest.trim_start_matches('`').len();
                let known = unclosed.get(count).copied().unwrap_or(true);
                match if known { None } else { closing_backticks(&rest[count..], count) } {
                    Some(length) => {
                        flush(&mut plain, base, &mut tokens);
                        let code = trim_code(&rest[count..count + length]);
                        let style = Style { color: Color::Yellow, ..base };
                        tokens.push(Token::Text(Line::styled(code, style)));
                        at += count + length + count;
                    }
                    None => {
                        if let Some(unclosed) = unclosed.get_mut(count) {
                            *unclosed = true;
                        }
                        plain.push_str(&rest[..count]);
                        at += count;
                    }
                }
                continue;
            }
            '!' | '[' if at < last_link && depth < LINK_DEPTH => {
                let is_image = c == '!';
                if let Some(link) = link(&rest[usize::from(is_image)..]) {
                    flush(&mut plain, base, &mut tokens);
                    tokens.push(Token::Text(link_line(&link, is_image, base, depth)));
                    at += usize::from(is_image) + link.length;
                    continue;
                }
            }
            '*' | '_' | '~' => {
                let count = rest.len() - rest.trim_start_matches(c).len();
                let before = text[..at].chars().next_back();
                let after = rest[count..].chars().next();
                let (may_open, may_close) = flanks(c, before, after);
                let may_strike = c != '~' || count == 2;
                if may_strike && (may_open || may_close) {
                    flush(&mut plain, base, &mut tokens);
                    let run =
                        Run { mark: c, left: count, may_open, may_close, opened: vec![], closed: vec![] };
                    tokens.push(Token::Run(run));
                } else {
                    plain.push_str(&rest[..count]);
                }
                at += count;
                continue;
            }
            _ => {}
        }
        plain.push(c);
        at += c.len_utf8();
    }
    flush(&mut plain, base, &mut tokens);
    tokens
}

fn flush(plain: &mut String, style: Style, tokens: &mut Vec<Token>) {
    if !plain.is_empty() {
        tokens.push(Token::Text(Line::styled(plain, style)));
        plain.clear();
    }
}

/// Where a run of exactly so many backticks begins.
fn closing_backticks(text: &str, count: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        if run == count {
            return Some(start);
        }
        at = start + run;
    }
    None
}

fn trim_code(code: &str) -> &str {
    match code.strip_prefix(' ').and_then(|code| code.strip_suffix(' ')) {
        Some(inner) if !inner.trim().is_empty() => inner,
        Some(_) | None => code,
    }
}

struct Link<'a> {
    text: &'a str,
    address: &'a str,
    length: usize,
}

/// A link `[text](address)` at the front.
fn link(text: &str) -> Option<Link<'_>> {
    let inside = text.strip_prefix('[')?;
    let close = balanced(inside, b'[', b']')?;
    let after = inside[close + 1..].strip_prefix('(')?;
    let end = balanced(after, b'(', b')')?;
    let address = after[..end].trim();
    let address = address.strip_prefix('<').and_then(|address| address.strip_suffix('>')).unwrap_or(address);
    Some(Link { text: &inside[..close], address, length: 1 + close + 2 + end + 1 })
}

/// Where what was opened before the text closes.
fn balanced(text: &str, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0usize;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().take(LINK_BYTES) {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            byte if byte == open => depth += 1,
            byte if byte == close && depth == 0 => return Some(at),
            byte if byte == close => depth -= 1,
            _ => {}
        }
    }
    None
}

fn link_line(link: &Link<'_>, is_image: bool, base: Style, depth: usize) -> Line {
    let mut line = Line::default();
    if is_image {
        line.push("image: ", Style { dim: true, ..base });
    }
    let style = Style { underline: true, color: Color::Blue, ..base };
    line.append(render_at(link.text, style, depth + 1));
    if link.address != link.text && !link.address.is_empty() {
        line.push(&format!(" ({})", link.address), Style { dim: true, ..base });
    }
    line
}

/// Whether a run may open and close emphasis, from what stands beside it.
fn flanks(mark: char, before: Option<char>, after: Option<char>) -> (bool, bool) {
    let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let punctuation = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation());
    let left = !blank(after) && (!punctuation(after) || blank(before) || punctuation(before));
    let right = !blank(before) && (!punctuation(before) || blank(after) || punctuation(after));
    if mark == '_' {
        (left && (!right || punctuation(before)), right && (!left || punctuation(after)))
    } else {
        // Beside Chinese or Japanese there are no blanks: `**“你好”**说`.
        let wide = |c: Option<char>| c.is_some_and(|c| u32::from(c) >= 0x2e80);
        let opens = left || (!blank(after) && wide(before));
        let closes = right || (!blank(before) && wide(after));
        (opens, closes)
    }
}

/// Pairs the runs that open with those that close.
fn pair(tokens: &mut [Token]) {
    let mut open: Vec<usize> = vec![];
    for at in 0..tokens.len() {
        let (before, rest) = tokens.split_at_mut(at);
        let Some(Token::Run(run)) = rest.first_mut() else { continue };
        while run.may_close && run.left > 0 {
            let found = open.iter().rposition(|&other| match &before[other] {
                Token::Run(opener) => opener.mark == run.mark,
                Token::Text(_) => false,
            });
            let Some(found) = found else { break };
            let Token::Run(opener) = &mut before[open[found]] else { break };
            let count = if run.left >= 2 && opener.left >= 2 { 2 } else { 1 };
            let emphasis = match (run.mark, count) {
                ('~', _) => Emphasis::Strike,
                (_, 2) => Emphasis::Bold,
                (_, _) => Emphasis::Italic,
            };
            opener.left -= count;
            run.left -= count;
            opener.opened.push(emphasis);
            run.closed.push(emphasis);
            // What was opened between the two stays as written.
            let keep = if opener.left == 0 { found } else { found + 1 };
            open.truncate(keep);
        }
        if run.may_open && run.left > 0 && open.len() < OPEN_EMPHASES {
            open.push(at);
        }
    }
}

fn assemble(tokens: Vec<Token>, base: Style) -> Line {
    let mut line = Line::default();
    let (mut bold, mut italic, mut strike) = (0usize, 0usize, 0usize);
    for token in tokens {
        match token {
            Token::Text(text) => {
                for span in text.spans() {
                    let mut style = span.style();
                    style.bold |= bold > 0;
                    style.italic |= italic > 0;
                    style.strike |= strike > 0;
                    line.push_span(span.clone().restyled(style));
                }
            }
            Token::Run(run) => {
                for closed in run.closed {
                    let count = counter(closed, &mut bold, &mut italic, &mut strike);
                    *count = count.saturating_sub(1);
                }
                let style = Style {
                    bold: base.bold || bold > 0,
                    italic: base.italic || italic > 0,
                    strike: strike > 0,
                    ..base
                };
                line.push(&String::from(run.mark).repeat(run.left), style);
                for opened in run.opened {
                    *counter(opened, &mut bold, &mut italic, &mut strike) += 1;
                }
            }
        }
    }
    line
}

fn counter<'a>(
    emphasis: Emphasis,
    bold: &'a mut usize,
    italic: &'a mut usize,
    strike: &'a mut usize,
) -> &'a mut usize {
    match emphasis {
        Emphasis::Bold => bold,
        Emphasis::Italic => italic,
        Emphasis::Strike => strike,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bold as `<b>`, italic as `<i>`, code as `<c>`, a link as `<l>`.
    fn marked(text: &str) -> String {
        let mut shown = String::new();
        for span in render(text, Style::PLAIN).spans() {
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
    fn inline_marks() {
        for (given, shown) in [
            ("plain", "plain"),
            ("**b** *i* ***bi***", "<b:b> <i:i> <bi:bi>"),
            ("**b *bi* b**", "<b:b ><bi:bi><b: b>"),
            ("snake_case_name", "snake_case_name"),
            ("_i_ __b__", "<i:i> <b:b>"),
            ("2 * 3 * 4", "2 * 3 * 4"),
            ("**open", "**open"),
            ("a ~~gone~~ ~one~", "a <s:gone> ~one~"),
            ("`x*y*` ``a`b``", "<c:x*y*> <c:a`b>"),
            ("`open", "`open"),
            (r"\*no\* \\ \d", r"*no* \ \d"),
            ("[text](http://a/b_(c))!", "<l:text> (http://a/b_(c))!"),
            ("![alt](x.png)", "image: <l:alt> (x.png)"),
            ("[no] (link)", "[no] (link)"),
            ("**“你好”**说", "<b:“你好”>说"),
            ("**a `c` b**", "<b:a ><bc:c><b: b>"),
        ] {
            assert_eq!(marked(given), shown, "{given}");
        }
    }
}
