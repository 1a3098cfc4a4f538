//! Model options as people type them.

use towline::Options;

/// How alike names must be to be named in a hint, 0 to 1.
const ALIKE: f64 = 0.8;

/// The known option that a name may be meant for.
pub fn alike(name: &str) -> Option<&'static str> {
    let likeness = |known: &&'static str| strsim::jaro_winkler(known, name);
    Options::names()
        .filter(|known| likeness(known) >= ALIKE)
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}

/// What to say about an option that Ollama does not know. `None` for one that it knows.
pub fn unknown(name: &str) -> Option<String> {
    if Options::is_known(name) {
        return None;
    }
    let meant = alike(name).map(|known| format!(" (is {known} meant?)"));
    Some(format!("Ollama has no option {name:?}{}", meant.unwrap_or_default()))
}
