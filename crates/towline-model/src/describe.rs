//! What is known of a model without loading its weights: for the listings, and to refuse a bad file at once.

use std::io::{Read, Seek};

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use crate::engine::hyper::Hyper;
use crate::engine::load::check_tensors;
use crate::error::LoadError;
use crate::gguf::{Header, Value};
use crate::text::template::ChatTemplate;
use crate::text::tokenizer::Tokenizer;

/// Longest array that `/api/show` spells out where it is not asked to be verbose.
const SHORT_ARRAY: usize = 5;

/// A model's description.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) header: Header,
    pub(crate) family: &'static str,
    pub(crate) context: usize,
    /// Hexadecimal SHA-256: of the whole file for the built-in model, of header and size for a user's.
    pub(crate) digest: String,
    pub(crate) template: ChatTemplate,
}

/// The plainest template, for files without one: ChatML.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

impl Description {
    /// Reads the header and checks everything that can be checked without the weights. The tokenizer comes with it
    /// because it had to be built to be checked; only who runs the model keeps it.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub(crate) fn read<R: Read + Seek>(source: &mut R) -> Result<(Self, Tokenizer), LoadError> {
        let header = Header::read(&mut *source)?;
        let hyper = Hyper::read(&header)?;
        check_tensors(&header, &hyper)?;
        let tokenizer = Tokenizer::load(&header)?;
        let text = match header.get("tokenizer.chat_template") {
            Some(_) => header.text("tokenizer.chat_template")?,
            None => CHATML,
        };
        let template = ChatTemplate::new(text, tokenizer.begin_text(), tokenizer.end_text())
            .map_err(|error| LoadError::malformed("the key tokenizer.chat_template", error))?;
        let digest = digest_of_header(source, &header)?;
        let family = hyper.architecture.name();
        Ok((Self { family, context: hyper.context, digest, template, header }, tokenizer))
    }

    /// As Ollama writes it: `2.76M`, `7.6B`.
    pub(crate) fn parameter_size(&self) -> String {
        let count = self.header.parameters() as f64;
        if count >= 1e9 {
            format!("{:.1}B", count / 1e9)
        } else if count >= 1e6 {
            format!("{:.2}M", count / 1e6)
        } else {
            format!("{:.0}K", count / 1e3)
        }
    }

    /// The file's own name for its mix of tensor types.
    pub(crate) fn quantization(&self) -> &'static str {
        match self.header.get("general.file_type").and_then(Value::as_u64) {
            Some(0) => "F32",
            Some(1) => "F16",
            Some(2) => "Q4_0",
            Some(3) => "Q4_1",
            Some(7) => "Q8_0",
            Some(8) => "Q5_0",
            Some(9) => "Q5_1",
            Some(10) => "Q2_K",
            Some(11) => "Q3_K_S",
            Some(12) => "Q3_K_M",
            Some(13) => "Q3_K_L",
            Some(14) => "Q4_K_S",
            Some(15) => "Q4_K_M",
            Some(16) => "Q5_K_S",
            Some(17) => "Q5_K_M",
            Some(18) => "Q6_K",
            Some(32) => "BF16",
            Some(_) | None => "unknown",
        }
    }

    /// The header's keys; long arrays are left empty unless `verbose`.
    pub(crate) fn keys(&self, verbose: bool) -> Map<String, Json> {
        let mut keys: Map<String, Json> = self
            .header
            .keys
            .iter()
            .filter(|(key, _)| key != "general.name" && key != "tokenizer.chat_template")
            .map(|(key, value)| (key.clone(), to_json(value, verbose)))
            .collect();
        keys.insert("general.parameter_count".into(), json!(self.header.parameters()));
        keys
    }

    pub(crate) fn tensors(&self) -> Vec<Json> {
        let tensor = |tensor: &crate::gguf::TensorInfo| {
            let shape: Vec<u64> = tensor.shape.iter().rev().copied().collect();
            json!({"name": tensor.name, "type": tensor.kind.name(), "shape": shape})
        };
        self.header.tensors.iter().map(tensor).collect()
    }

    pub(crate) fn license(&self) -> &str {
        self.header.get("general.license").and_then(Value::as_str).unwrap_or_default()
    }
}

fn to_json(value: &Value, verbose: bool) -> Json {
    match value {
        Value::Unsigned(number) => json!(number),
        Value::Signed(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Bool(truth) => json!(truth),
        Value::Text(text) => json!(text),
        Value::Array(elements) if verbose || elements.len() <= SHORT_ARRAY => {
            elements.iter().map(|element| to_json(element, verbose)).collect()
        }
        Value::Array(_) => json!([]),
    }
}

/// A whole file of many gigabytes would take too long; its header and its size identify it well enough to show.
fn digest_of_header<R: Read + Seek>(source: &mut R, header: &Header) -> Result<String, LoadError> {
    let io = |source| LoadError::Io { what: "the header".into(), source };
    source.rewind().map_err(io)?;
    let mut bytes = Vec::new();
    source.take(header.header_bytes).read_to_end(&mut bytes).map_err(io)?;
    let mut hash = Sha256::new();
    hash.update(&bytes);
    hash.update(header.file_bytes.to_le_bytes());
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
