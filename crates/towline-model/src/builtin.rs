//! The weights inside the binary.

/// Brook: 2.8 million parameters, made for this project by `models/train.py`; a toy that chats about rivers and
/// gardens.
pub(crate) const WEIGHTS: &[u8] = include_bytes!("../../../models/brook-q8_0.gguf");

/// The model's name; its tag is `latest`.
pub(crate) const NAME: &str = "brook";

/// Settings that suit so small a model better than Ollama's defaults, as `/api/show` lists them.
pub(crate) const TEMPERATURE: f32 = 0.6;
/// A toy this small needs its few words; without a penalty it keeps to them.
pub(crate) const REPEAT_PENALTY: f32 = 1.0;
