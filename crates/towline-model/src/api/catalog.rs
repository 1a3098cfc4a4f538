//! The models on offer, by name.

use std::sync::Arc;

use crate::config::KeepAlive;
use crate::describe::Description;
use crate::engine::sample::Sampling;
use crate::process::ChildModel;
use crate::resident::Resident;

/// A model on offer. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// With its tag: `brook:latest`.
    pub(crate) name: String,
    pub(crate) description: Arc<Description>,
    /// RFC 3339.
    pub(crate) modified_at: String,
    /// What `/api/show` says about it.
    pub(crate) about: Arc<str>,
    /// The model's own settings, as `/api/show` lists them.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    pub(crate) place: Place,
}

/// Where a model runs.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Here(Here),
    Child(Arc<ChildModel>),
}

/// A model in this process, and what its requests get where they do not say.
#[derive(Debug, Clone)]
pub(crate) struct Here {
    pub(crate) resident: Arc<Resident>,
    pub(crate) sampling: Sampling,
    pub(crate) keep_alive: KeepAlive,
    /// Tokens per second at most.
    pub(crate) rate: Option<f32>,
}

/// All models on offer.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) entries: Vec<Entry>,
}

impl Catalog {
    /// Finds a model, whatever its case, with or without `:latest` and the name of Ollama's own registry.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        let name = qualified(name);
        self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(&name))
    }
}

/// A name with its tag, and without what Ollama adds in front.
pub(crate) fn qualified(name: &str) -> String {
    let name = name.strip_prefix("registry.ollama.ai/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    if name.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_tag() {
        for (name, expected) in [
            ("brook", "brook:latest"),
            ("brook:latest", "brook:latest"),
            ("brook:1", "brook:1"),
            ("library/brook", "brook:latest"),
            ("registry.ollama.ai/library/brook", "brook:latest"),
            ("other/brook", "other/brook:latest"),
        ] {
            assert_eq!(qualified(name), expected);
        }
    }
}
