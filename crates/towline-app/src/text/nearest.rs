//! Suggestions for misspelt names.

/// How similar a name must be to be suggested, from 0 to 1.
const ALIKE: f64 = 0.8;

/// The most similar name to an unknown one, if any is similar enough.
pub fn nearest<'a>(names: impl Iterator<Item = &'a str>, typed: &str) -> Option<&'a str> {
    let rated = names.map(|name| (strsim::jaro_winkler(name, typed), name));
    rated
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}
