//! Determines which block a line of Markdown begins or continues.

/// Columns of one indentation in code, and of a tab.
const TAB: usize = 4;

/// The line that opens a code block, which determines the lines in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    /// `` ` `` or `~`.
    mark: u8,
    /// How many of them.
    length: usize,
    /// Number of block quotes around the code.
    pub(super) quotes: usize,
    /// Columns before it, which are also removed from the lines inside.
    indent: usize,
}

/// A line that opens code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opening<'a> {
    pub(super) fence: Fence,
    /// The info string.
    pub(super) info: &'a str,
    /// Bytes before it with the mark of a list.
    pub(super) marked: usize,
}

impl Fence {
    /// The code block that a line opens, possibly in a quote and after the mark of a list.
    pub(super) fn opening(line: &str) -> Option<Opening<'_>> {
        let whole = line.trim_end();
        let mut rest = whole;
        let (mut quotes, mut indent, mut marked) = (0, 0, 0);
        loop {
            let (spaces, after) = indented(rest);
            (rest, indent) = (after, indent + spaces);
            if let Some(quoted) = rest.strip_prefix('>') {
                (rest, quotes, indent) = (quoted.strip_prefix(' ').unwrap_or(quoted), quotes + 1, 0);
            } else if let Some(length) = item_mark(rest) {
                (rest, indent) = (&rest[length..], indent + length);
                marked = whole.len() - rest.len();
            } else {
                break;
            }
        }
        let mark = *rest.as_bytes().first().filter(|mark| matches!(mark, b'`' | b'~'))?;
        let length = rest.bytes().take_while(|byte| *byte == mark).count();
        let info = rest[length..].trim();
        let is_fence = length >= 3 && !(mark == b'`' && info.contains('`'));
        let fence = Self { mark, length, quotes, indent };
        is_fence.then_some(Opening { fence, info, marked })
    }

    /// The code of a line, without the prefixes of its surroundings. `None` if the line is no longer in the
    /// quote.
    pub(super) fn inner(self, line: &str) -> Option<&str> {
        let mut rest = line;
        for _ in 0..self.quotes {
            let quoted = rest.trim_start_matches(' ').strip_prefix('>')?;
            rest = quoted.strip_prefix(' ').unwrap_or(quoted);
        }
        let spaces = rest.bytes().take(self.indent).take_while(|byte| *byte == b' ').count();
        Some(&rest[spaces..])
    }

    /// The line that closes it.
    pub(super) fn closing(self) -> String {
        let marks = char::from(self.mark).to_string().repeat(self.length);
        format!("{}{}{marks}", "> ".repeat(self.quotes), " ".repeat(self.indent))
    }

    /// Whether the line closes it.
    pub(super) fn is_closed_by(self, line: &str) -> bool {
        let rest = self.inner(line).unwrap_or_default().trim();
        rest.len() >= self.length && rest.bytes().all(|byte| byte == self.mark)
    }
}

/// The indentation of a line in columns, and the rest of the line.
pub(super) fn indented(line: &str) -> (usize, &str) {
    let rest = line.trim_start_matches([' ', '\t']);
    let before = &line[..line.len() - rest.len()];
    (before.bytes().map(|byte| if byte == b'\t' { TAB } else { 1 }).sum(), rest)
}

/// The length of the list mark at the beginning of the text, including the space after it: `- `, `12. `.
fn item_mark(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let after = match bytes.first()? {
        b'-' | b'*' | b'+' => 1,
        b'0'..=b'9' => {
            let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (digits <= 9 && matches!(bytes.get(digits), Some(b'.' | b')'))).then_some(digits + 1)?
        }
        _ => return None,
    };
    matches!(bytes.get(after), Some(b' ' | b'\t')).then_some(after + 1)
}

/// Whether the line begins an item of a list.
pub(super) fn is_list_item(line: &str) -> bool {
    item_mark(indented(line).1).is_some()
}

/// Whether the line can begin a list directly after a line of text: any bullet, or the number one.
pub(super) fn begins_list(line: &str) -> bool {
    let (indent, text) = indented(line);
    let Some(length) = item_mark(text) else { return false };
    indent < TAB && (length == 2 || text.starts_with("1.") || text.starts_with("1)"))
}

/// Whether the line is a heading of the form `# words`.
pub(super) fn is_heading(line: &str) -> bool {
    let (indent, rest) = indented(line);
    let marks = rest.bytes().take_while(|byte| *byte == b'#').count();
    let is_title = matches!(rest.as_bytes().get(marks), Some(b' ' | b'\t' | b'\n' | b'\r') | None);
    indent < TAB && (1..=6).contains(&marks) && is_title
}

/// Whether the line can be a row of a table.
pub(super) fn is_table_row(line: &str) -> bool {
    line.trim_start().starts_with('|')
}

/// The closing mark of a formula that a line opens and does not close.
pub(super) fn formula(line: &str) -> Option<&'static str> {
    let text = line.trim();
    [("\\[", "\\]"), ("$$", "$$"), ("\\begin{", "\\end{")]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open).filter(|rest| !rest.contains(close)).map(|_| close))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences() {
        let Opening { fence, info, marked } = Fence::opening("  ```rust x\n").unwrap();
        assert_eq!((fence.indent, fence.length, info, marked), (2, 3, "rust x", 0));
        assert!(fence.is_closed_by("````") && !fence.is_closed_by("``") && !fence.is_closed_by("``` a"));
        assert_eq!(Fence::opening("``` a ` b"), None);
        assert_eq!(Fence::opening("``"), None);
        assert!(Fence::opening("~~~").is_some());
    }

    #[test]
    fn fences_stand_in_quotes_and_lists() {
        let fence = Fence::opening("> > ```").unwrap().fence;
        assert_eq!(fence.inner("> >   x"), Some("  x"));
        assert_eq!(fence.inner("> x"), None);
        assert!(fence.is_closed_by(">> ```"));
        let Opening { fence, marked, .. } = Fence::opening(" 1. ```sh\n").unwrap();
        assert_eq!((marked, fence.inner("      ls"), fence.inner("ls")), (4, Some("  ls"), Some("ls")));
    }

    #[test]
    fn items_and_headings() {
        for line in ["- a", "  * b", "1. c", "23) d"] {
            assert!(is_list_item(line), "{line}");
        }
        for line in ["-a", "1.c", "**bold**", "", "a - b"] {
            assert!(!is_list_item(line), "{line}");
        }
        assert!(
            begins_list("1) a") && begins_list("+ a") && !begins_list("1986. a") && !begins_list("    - a")
        );
        assert!(is_heading("## a\n") && is_heading("##\n") && !is_heading("#a") && !is_heading("####### a"));
    }

    #[test]
    fn formulas() {
        assert_eq!(formula("\\[\n"), Some("\\]"));
        assert_eq!(formula("  $$ a\n"), Some("$$"));
        assert_eq!(formula("\\begin{align}\n"), Some("\\end{"));
        assert_eq!(formula("\\[ x \\]\n"), None);
        assert_eq!(formula("costs $5\n"), None);
    }
}
