//! The name that somebody meant.

/// How alike names must be for one to be taken for the other, 0 to 1.
const ALIKE: f64 = 0.8;

/// The name that one which is not known may be meant for.
pub fn nearest<'a>(names: impl Iterator<Item = &'a str>, typed: &str) -> Option<&'a str> {
    let rated = names.map(|name| (strsim::jaro_winkler(name, typed), name));
    rated
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}
