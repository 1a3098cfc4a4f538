//! Model options as people type them.

use towline::api::Options;

use crate::text::nearest::nearest;

/// The known option for which a name may be a typo.
pub fn alike(name: &str) -> Option<&'static str> {
    nearest(Options::names(), name)
}

/// The note about an option that Ollama does not know. `None` for a known option.
pub fn unknown(name: &str) -> Option<String> {
    if Options::is_known(name) {
        return None;
    }
    let meant = alike(name).map(|known| format!(" (did you mean {known}?)"));
    Some(format!("Ollama has no option {name:?}{}", meant.unwrap_or_default()))
}
