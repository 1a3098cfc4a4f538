//! What one line of Markdown begins or continues.

/// A line that begins or ends a fenced code block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// `` ` `` or `~`.
    pub mark: u8,
    /// How many of them.
    pub length: usize,
    /// Columns before it, which are taken from the lines inside too.
    pub indent: usize,
}

impl Fence {
    /// The fence that a line opens, and the words behind it.
    pub fn opening(line: &str) -> Option<(Self, &str)> {
        let rest = line.trim_start_matches(' ');
        let indent = line.len() - rest.len();
        let mark = *rest.as_bytes().first().filter(|mark| matches!(mark, b'`' | b'~'))?;
        let length = rest.bytes().take_while(|byte| *byte == mark).count();
        let info = rest[length..].trim();
        let is_fence = length >= 3 && !(mark == b'`' && info.contains('`'));
        is_fence.then_some((Self { mark, length, indent }, info))
    }

    /// Whether the line closes this fence.
    pub fn is_closed_by(self, line: &str) -> bool {
        let rest = line.trim();
        rest.len() >= self.length && rest.bytes().all(|byte| byte == self.mark)
    }
}

/// Whether the line begins an item of a list.
pub fn is_list_item(line: &str) -> bool {
    let rest = line.trim_start();
    let bytes = rest.as_bytes();
    let after = match bytes.first() {
        Some(b'-' | b'*' | b'+') => 1,
        Some(b'0'..=b'9') => {
            let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            match bytes.get(digits) {
                Some(b'.' | b')') if digits <= 9 => digits + 1,
                Some(_) | None => return false,
            }
        }
        Some(_) | None => return false,
    };
    matches!(bytes.get(after), Some(b' ' | b'\t'))
}

/// Whether the line is a heading of the kind `# words`.
pub fn is_heading(line: &str) -> bool {
    let rest = line.trim_start_matches(' ');
    let marks = rest.bytes().take_while(|byte| *byte == b'#').count();
    (1..=6).contains(&marks) && matches!(rest.as_bytes().get(marks), Some(b' ' | b'\t') | None)
}

/// Whether the line can be a row of a table.
pub fn is_table_row(line: &str) -> bool {
    line.trim_start().starts_with('|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences() {
        let (fence, info) = Fence::opening("  ```rust x").unwrap();
        assert_eq!((fence.indent, fence.length, info), (2, 3, "rust x"));
        assert!(fence.is_closed_by("````") && !fence.is_closed_by("``") && !fence.is_closed_by("``` a"));
        assert_eq!(Fence::opening("``` a ` b"), None);
        assert_eq!(Fence::opening("``"), None);
        assert!(Fence::opening("~~~").is_some());
    }

    #[test]
    fn items_and_headings() {
        for line in ["- a", "  * b", "1. c", "23) d"] {
            assert!(is_list_item(line), "{line}");
        }
        for line in ["-a", "1.c", "**bold**", "", "a - b"] {
            assert!(!is_list_item(line), "{line}");
        }
        assert!(is_heading("## a") && !is_heading("#a") && !is_heading("####### a"));
    }
}
