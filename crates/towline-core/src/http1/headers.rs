//! A short list of header fields in two allocations.

use std::fmt;

/// Header fields in the order and the spelling in which they arrived.
///
/// A list, not a map: a response to a model request carries about ten fields, and each stream keeps its own. `Debug`
/// hides the values of fields that carry credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    text: Vec<u8>,
    fields: Vec<Field>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Field {
    start: u32,
    name_bytes: u32,
    value_bytes: u32,
}

impl Headers {
    /// An empty list; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn with_capacity(fields: usize, text_bytes: usize) -> Self {
        Self { text: Vec::with_capacity(text_bytes), fields: Vec::with_capacity(fields) }
    }

    /// Appends a field; an earlier field of the same name stays. Nothing is checked here:
    /// [`encode_request`](super::encode_request) rejects fields that must not be sent.
    ///
    /// # Panics
    ///
    /// If all fields together exceed 4 GiB.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        let length = |n: usize| u32::try_from(n).expect("header fields stay below 4 GiB");
        self.fields.push(Field {
            start: length(self.text.len()),
            name_bytes: length(name.len()),
            value_bytes: length(value.len()),
        });
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(value);
    }

    /// The value of the first field of this name (in any case), if it is UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        let first = self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        first.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The values of all fields of this name (in any case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a field of this name (in any case) is present.
    pub fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Name and value of each field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| {
            let start = field.start as usize;
            let middle = start + field.name_bytes as usize;
            let end = middle + field.value_bytes as usize;
            // Only `push` writes the text, and it takes the name as `str`.
            let name = std::str::from_utf8(&self.text[start..middle]).unwrap_or_default();
            (name, &self.text[middle..end])
        })
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether the comma-separated lists of all fields of this name contain `token`, in any case.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.push(name.as_ref(), value);
        }
        headers
    }
}

/// Fields whose value is a credential, or is often used as one.
const SECRET: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key"];

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| {
                let hidden = SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret));
                let shown = if hidden { "<hidden>".into() } else { String::from_utf8_lossy(value) };
                (name, shown)
            }))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fields_in_any_case_and_keeps_their_order() {
        let headers: Headers = [("A", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(headers.get("a"), Some("1"));
        assert_eq!(headers.all("A").collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!(headers.get("c"), None);
        assert_eq!((headers.len(), headers.contains("B")), (3, true));
    }

    #[test]
    fn a_value_that_is_not_utf8_is_still_listed() {
        let mut headers = Headers::new();
        headers.push("X", b"\xff");
        assert_eq!(headers.get("x"), None);
        assert_eq!(headers.all("x").collect::<Vec<_>>(), [b"\xff"]);
    }

    #[test]
    fn debug_hides_credentials() {
        let headers: Headers = [("Authorization", "Bearer sk-1"), ("Accept", "x")].into_iter().collect();
        let shown = format!("{headers:?}");
        assert!(!shown.contains("sk-1") && shown.contains("Accept"), "{shown}");
    }
}
