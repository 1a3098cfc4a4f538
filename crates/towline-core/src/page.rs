//! Summarises a web page that arrived in place of an answer, as one line.

use crate::quote::quote;

/// How much of a page is read, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// Whether the bytes begin like a page, and not like JSON or plain text.
pub(crate) fn is_page(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start(), [b'<', b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z', ..])
}

/// The page's title, or else its first heading, or else its text; without markup, on one line.
pub(crate) fn line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_BYTES)]);
    let titled = ["title", "h1", "h2", "Message", "message"].iter().find_map(|name| element(&text, name));
    quote(unescaped(&titled.unwrap_or_else(|| without_markup(&text))).as_bytes())
}

/// The content of the first element of this name, unless it is empty.
fn element(page: &str, name: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let start = from + lower[from..].find(&format!("<{name}"))?;
        from = start + 1 + name.len();
        // `<h1` and not `<h1x`.
        if lower[from..].starts_with(['>', ' ', '\t', '\r', '\n']) {
            let start = from + lower[from..].find('>')? + 1;
            let end = start + lower[start..].find(&format!("</{name}"))?;
            return Some(without_markup(&page[start..end])).filter(|text| !text.trim().is_empty());
        }
    }
}

/// The text between tags, without scripts and styles.
fn without_markup(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        let tag = &rest[start..];
        let is_named = |name: &str| tag[1..].get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name));
        let end = match ["script", "style"].into_iter().find(|name| is_named(name)) {
            Some(name) => tag.to_ascii_lowercase().find(&format!("</{name}")).map(|at| at + 2 + name.len()),
            None => Some(0),
        };
        let end = end.and_then(|from| Some(from + tag[from..].find('>')? + 1));
        rest = end.map_or("", |end| &tag[end..]);
    }
    text + rest
}

fn unescaped(text: &str) -> String {
    let named =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (name, written)| text.replace(name, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_one_line_without_markup() {
        for (page, wanted) in [
            (
                "<html><head><title>502 Bad\n Gateway</title></head><body>nginx</body></html>",
                "502 Bad Gateway",
            ),
            ("<!DOCTYPE html><TITLE lang=en>A &amp; B</TITLE>", "A & B"),
            ("<html><title></title><h1 class=x>Sign <b>in</b></h1>", "Sign in"),
            (
                "<html><header>x</header><h1x>no</h1x><script>if (a<b) x()</script>Not here<br>today",
                "x no Not here today",
            ),
            ("<?xml version=\"1.0\"?><Error><Code>7</Code><Message>Denied</Message></Error>", "Denied"),
            ("<html><style>p{}</style", ""),
            ("<title>cut", "cut"),
        ] {
            assert_eq!(line(page.as_bytes()), wanted, "{page}");
            assert!(is_page(page.as_bytes()));
        }
        assert!(!is_page(b"{}") && !is_page(b"< 5") && !is_page(b"") && is_page(b" \n<html>"));
    }

    #[test]
    fn any_bytes_are_a_line() {
        for page in ["<", "<\u{e9}", "<script", "<title", "<title>\u{fffd}", "<\u{130}title>\u{130}</title>"]
        {
            assert!(!line(page.as_bytes()).contains('\n'));
        }
    }
}
