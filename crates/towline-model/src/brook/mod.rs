//! Brook, the toy inside the binary: its file, its tokenizer, its chat format and its forward pass.

pub(crate) mod chat;
pub(crate) mod forward;
pub(crate) mod gguf;
pub(crate) mod tokenizer;

use forward::Weights;
use gguf::Gguf;
use tokenizer::Tokenizer;

/// The file: 2.8 million parameters, made for this project by `models/train.py`.
pub(crate) static FILE: &[u8] = include_bytes!("../../../../models/brook-q8_0.gguf");
/// The model's name with its tag.
pub(crate) const NAME: &str = "brook:latest";
/// Its description in `/api/show`.
pub(crate) const ABOUT: &str = "Brook, Towline's built-in toy: 2.8 million parameters, made to stream real tokens. It knows \
                                rivers, gardens and small stories, and little else.";
/// Settings that suit so small a model better than Ollama's defaults.
pub(crate) const TEMPERATURE: f32 = 0.6;
/// A toy this small has few words and needs to repeat them, so there is no penalty.
pub(crate) const REPEAT_PENALTY: f32 = 1.0;

/// Whether a name means Brook: in any case, with or without `:latest` and the prefix that Ollama adds.
pub(crate) fn is_name(name: &str) -> bool {
    let name = name.strip_prefix("registry.ollama.ai/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    ["brook", NAME].iter().any(|brook| name.eq_ignore_ascii_case(brook))
}

/// A loaded model, shared by all its slots.
#[derive(Debug)]
pub(crate) struct Brook {
    pub(crate) weights: Weights,
    pub(crate) tokenizer: Tokenizer,
}

impl Brook {
    /// Reads the file; this takes a few milliseconds.
    pub(crate) fn load() -> Self {
        let gguf = Gguf::read(FILE);
        Self { weights: Weights::load(&gguf), tokenizer: Tokenizer::load(&gguf) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_form() {
        for name in ["brook", "Brook:latest", "library/brook", "registry.ollama.ai/library/brook:latest"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "brook:1", "other/brook", "brook2", ":latest"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
