//! Brook, the toy inside the binary: its file, its tokenizer, its chat form and its forward pass.

pub(crate) mod chat;
pub(crate) mod forward;
pub(crate) mod gguf;
pub(crate) mod tokenizer;

use forward::Weights;
use gguf::Gguf;
use tokenizer::Tokenizer;

/// The file: 2.8 million parameters, made for this project by `models/train.py`.
pub(crate) const FILE: &[u8] = include_bytes!("../../../../models/brook-q8_0.gguf");
/// The model's name with its tag.
pub(crate) const NAME: &str = "brook:latest";
/// What `/api/show` says about it.
pub(crate) const ABOUT: &str = "Brook, Towline's built-in toy: 2.8 million parameters, made to stream real tokens. It knows \
                                rivers, gardens and small stories, and little else.";
/// Settings that suit so small a model better than Ollama's defaults.
pub(crate) const TEMPERATURE: f32 = 0.6;
/// A toy this small needs its few words; without a penalty it keeps to them.
pub(crate) const REPEAT_PENALTY: f32 = 1.0;

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
