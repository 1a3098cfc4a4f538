//! Bad files: each is refused with an error that names the part, and none makes anything panic.

use std::io::Cursor;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::Header;
use crate::builtin::WEIGHTS;
use crate::describe::Description;
use crate::engine::generate::{Cancelled, Model, Piece, Settings, Sink, Slot};
use crate::engine::sample::Sampling;
use crate::error::LoadError;
use crate::text::tokenizer::Tokenizer;

fn describe(bytes: &[u8]) -> Result<(Description, Tokenizer), LoadError> {
    Description::read(&mut Cursor::new(bytes))
}

/// Everything that is done with a file before it answers.
fn load(bytes: &[u8]) -> Result<Model, LoadError> {
    let (description, tokenizer) = describe(bytes)?;
    Model::load(&description.header, Arc::new(tokenizer), &mut Cursor::new(bytes), None)
}

/// A file with these keys and tensors; the data of all tensors are zeros.
#[derive(Clone, Default)]
struct File {
    keys: Vec<(&'static str, u32, Vec<u8>)>,
    /// Name, dimensions innermost first, type, offset.
    tensors: Vec<(String, Vec<u64>, u32, u64)>,
    data_bytes: usize,
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

impl File {
    /// A complete tiny llama: width 32, one layer, two tokens.
    fn llama() -> Self {
        let mut file = Self::default().text("general.architecture", "llama");
        for (key, value) in [
            ("llama.context_length", 64),
            ("llama.embedding_length", 32),
            ("llama.block_count", 1),
            ("llama.feed_forward_length", 32),
            ("llama.attention.head_count", 1),
        ] {
            file = file.number(key, value);
        }
        let epsilon = 1e-5_f32.to_le_bytes().to_vec();
        file.keys.push(("llama.attention.layer_norm_rms_epsilon", 6, epsilon));
        file = file
            .text("tokenizer.ggml.model", "gpt2")
            .text("tokenizer.ggml.pre", "qwen2")
            .texts("tokenizer.ggml.tokens", &["a", "b", "ab"])
            .texts("tokenizer.ggml.merges", &["a b"]);
        for (name, shape) in [
            ("token_embd.weight", vec![32, 3]),
            ("output_norm.weight", vec![32]),
            ("blk.0.attn_norm.weight", vec![32]),
            ("blk.0.attn_q.weight", vec![32, 32]),
            ("blk.0.attn_k.weight", vec![32, 32]),
            ("blk.0.attn_v.weight", vec![32, 32]),
            ("blk.0.attn_output.weight", vec![32, 32]),
            ("blk.0.ffn_norm.weight", vec![32]),
            ("blk.0.ffn_gate.weight", vec![32, 32]),
            ("blk.0.ffn_up.weight", vec![32, 32]),
            ("blk.0.ffn_down.weight", vec![32, 32]),
        ] {
            file = file.tensor(name, &shape, 0);
        }
        file
    }

    fn text(self, key: &'static str, text: &str) -> Self {
        self.key(key, 8, string(text))
    }

    fn number(self, key: &'static str, number: u32) -> Self {
        self.key(key, 4, number.to_le_bytes().to_vec())
    }

    fn texts(self, key: &'static str, texts: &[&str]) -> Self {
        let mut bytes = 8_u32.to_le_bytes().to_vec();
        bytes.extend((texts.len() as u64).to_le_bytes());
        bytes.extend(texts.iter().flat_map(|text| string(text)));
        self.key(key, 9, bytes)
    }

    /// Adds a key, or replaces it.
    fn key(mut self, key: &'static str, kind: u32, bytes: Vec<u8>) -> Self {
        self.keys.retain(|(name, _, _)| *name != key);
        self.keys.push((key, kind, bytes));
        self
    }

    fn without_key(mut self, key: &str) -> Self {
        self.keys.retain(|(name, _, _)| *name != key);
        self
    }

    /// Adds a tensor, or replaces it.
    fn tensor(mut self, name: &str, shape: &[u64], kind: u32) -> Self {
        self = self.without_tensor(name);
        self.tensors.push((name.to_owned(), shape.to_vec(), kind, self.data_bytes as u64));
        self.data_bytes += 4 * 32 * 32;
        self
    }

    fn without_tensor(mut self, name: &str) -> Self {
        self.tensors.retain(|(found, ..)| found != name);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.keys.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.keys {
            bytes.extend(string(key));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        for (name, shape, kind, offset) in &self.tensors {
            bytes.extend(string(name));
            bytes.extend((shape.len() as u32).to_le_bytes());
            bytes.extend(shape.iter().flat_map(|dimension| dimension.to_le_bytes()));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(32) + self.data_bytes, 0);
        bytes
    }
}

/// A few tokens from a model that was accepted.
fn answer(model: Model) {
    struct Ignore;
    impl Sink for Ignore {
        fn piece(&mut self, _: Piece) -> Result<(), Cancelled> {
            Ok(())
        }
        fn wanted(&mut self) -> Result<(), Cancelled> {
            Ok(())
        }
        fn wait_until(&mut self, _: Instant) -> Result<(), Cancelled> {
            Ok(())
        }
    }
    let settings = Settings {
        sampling: Sampling::default(),
        stop: Vec::new(),
        max_tokens: 2,
        context: model.max_context().min(8),
        top_logprobs: Some(1),
        rate: None,
    };
    if settings.context > 1 {
        assert!(Slot::new(Arc::new(model)).answer(&[0], &settings, &mut Ignore).is_ok());
    }
}

fn refused(bytes: &[u8], part: &str) {
    match load(bytes) {
        Ok(_) => panic!("accepted, though {part}"),
        Err(error) => assert!(error.to_string().contains(part), "{error}, expected {part}"),
    }
}

#[test]
fn a_refusal_names_the_missing_part() {
    let file = File::llama;
    assert!(load(&file().bytes()).is_ok());
    refused(b"", "the first four bytes");
    refused(b"PK\x03\x04 something else", "not a GGUF file");
    refused(b"GGUF\x01\0\0\0", "GGUF version 1");
    refused(&file().text("general.architecture", "gemma2").bytes(), "the architecture \"gemma2\"");
    refused(&file().text("tokenizer.ggml.model", "llama").bytes(), "the tokenizer model \"llama\"");
    refused(&file().text("tokenizer.ggml.pre", "tekken").bytes(), "tokenizer.ggml.pre \"tekken\"");
    refused(&file().number("llama.expert_count", 8).bytes(), "a mixture of experts");
    refused(&file().text("llama.rope.scaling.type", "yarn").bytes(), "the rope scaling \"yarn\"");
    refused(
        &file().tensor("blk.0.attn_q.weight", &[32, 32], 20).bytes(),
        "IQ4_NL (number 20) of the tensor blk.0.attn_q",
    );
    refused(&file().tensor("blk.0.attn_q.weight", &[32, 32], 99).bytes(), "unknown (number 99)");
    refused(
        &file().tensor("blk.0.attn_sinks.weight", &[32], 0).bytes(),
        "the tensor blk.0.attn_sinks.weight",
    );
    refused(&file().tensor("blk.1.attn_norm.weight", &[32], 0).bytes(), "the tensor blk.1.attn_norm.weight");
}

#[test]
fn a_broken_file_is_refused_by_the_name_of_the_broken_part() {
    let file = File::llama;
    for key in file().keys.iter().map(|(key, ..)| *key) {
        if key != "llama.attention.head_count_kv" {
            refused(&file().without_key(key).bytes(), &format!("the key {key} is missing"));
            refused(&file().key(key, 7, vec![1]).bytes(), key);
            refused(&file().key(key, 77, vec![1]).bytes(), key);
        }
    }
    for (name, shape, ..) in file().tensors {
        refused(&file().without_tensor(&name).bytes(), &format!("the tensor {name} is missing"));
        if shape.len() == 2 && name != "token_embd.weight" {
            refused(
                &file().tensor(&name, &[32, 31], 0).bytes(),
                &format!("the tensor {name} has the shape [31, 32]"),
            );
        }
        refused(&file().tensor(&name, &[31], 8).bytes(), &name);
        refused(&file().tensor(&name, &[u64::MAX, u64::MAX], 0).bytes(), &name);
        refused(&file().tensor(&name, &[], 0).bytes(), &format!("the tensor {name} is malformed"));
        let mut far = file();
        far.tensors.iter_mut().filter(|tensor| tensor.0 == name).for_each(|tensor| tensor.3 = 1 << 40);
        refused(&far.bytes(), &format!("ends inside the tensor {name}"));
    }
    refused(&file().number("llama.attention.head_count", 0).bytes(), "llama.attention.head_count");
    refused(&file().number("llama.attention.head_count", 5).bytes(), "llama.attention.head_count");
    refused(&file().number("llama.attention.head_count_kv", 3).bytes(), "head_count_kv");
    refused(&file().number("general.alignment", 0).bytes(), "general.alignment");
    refused(&file().texts("tokenizer.ggml.tokens", &["a", "a", "ab"]).bytes(), "a token occurs twice");
    refused(&file().texts("tokenizer.ggml.merges", &["x y"]).bytes(), "tokenizer.ggml.merges");
    refused(&file().number("tokenizer.ggml.eos_token_id", 3).bytes(), "there is no token 3");
    refused(&file().text("tokenizer.chat_template", "{% if %}").bytes(), "tokenizer.chat_template");
    let mut huge_text = 8_u32.to_le_bytes().to_vec();
    huge_text.extend(u64::MAX.to_le_bytes());
    refused(&file().key("tokenizer.ggml.tokens", 9, huge_text).bytes(), "tokenizer.ggml.tokens");
    let mut twice = file();
    twice.keys.push(("general.architecture", 8, string("llama")));
    refused(&twice.bytes(), "general.architecture");
}

/// Runs `check` for every number below `count`, spread over a few threads.
fn for_all(count: usize, check: impl Fn(usize) + Sync) {
    let threads = 4;
    thread::scope(|scope| {
        for first in 0..threads {
            let check = &check;
            scope.spawn(move || (first..count).step_by(threads).for_each(check));
        }
    });
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let tiny = File::llama().bytes();
    for_all(tiny.len(), |length| {
        assert!(load(&tiny[..length]).is_err(), "cut to {length}");
    });
    let brook = Header::read(Cursor::new(WEIGHTS)).unwrap();
    for_all(brook.header_bytes as usize / 97, |at| {
        assert!(Header::read(Cursor::new(&WEIGHTS[..at * 97])).is_err(), "cut to {}", at * 97);
    });
    refused(&WEIGHTS[..WEIGHTS.len() - 1], "the file is cut short: it ends inside the tensor ");
}

#[test]
fn a_flipped_bit_never_makes_anything_panic() {
    let tiny = File::llama();
    let header = tiny.bytes().len() - tiny.data_bytes;
    for_all(header * 8, |at| {
        let mut bytes = tiny.bytes();
        bytes[at / 8] ^= 1 << (at % 8);
        if let Ok(model) = load(&bytes) {
            answer(model);
        }
    });
    let brook = Header::read(Cursor::new(WEIGHTS)).unwrap();
    for_all(brook.header_bytes as usize / 41, |at| {
        let mut bytes = WEIGHTS.to_vec();
        bytes[at * 41] ^= 1 << (at % 8);
        drop(describe(&bytes));
    });
}
