//! The tokenizer that a GGUF file describes: byte-level BPE, built on the `tokenizers` crate.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior};

use crate::error::LoadError;
use crate::gguf::{Header, Value};

const LETTERS_AND_SIGNS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
const EACH_DIGIT: &str = r"\p{N}";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Names of tokens that end an answer, whatever the keys say; llama.cpp knows the same.
const END_NAMES: [&str; 8] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<EOT>",
];

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenRole {
    Normal,
    /// Never shown.
    Control,
    /// Found in text as a whole, before anything is split.
    UserDefined,
    Unused,
}

impl TokenRole {
    fn from_value(value: &Value) -> Option<Self> {
        Some(match value.as_u64()? {
            1 | 6 => Self::Normal,
            2 | 3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            _ => return None,
        })
    }
}

/// From text to token ids and back.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// What each token adds to the answer, as bytes; nothing for control tokens.
    shown: Vec<Box<[u8]>>,
    /// Each token's own text, control tokens included.
    texts: Vec<Box<[u8]>>,
    ends: Vec<u32>,
    begin: Option<u32>,
    end: Option<u32>,
    adds_begin: bool,
    adds_end: bool,
}

impl Tokenizer {
    /// Builds the tokenizer from the keys `tokenizer.ggml.*`.
    ///
    /// # Errors
    /// A tokenizer model other than byte-level BPE, a way of splitting text (`tokenizer.ggml.pre`) that is not known
    /// here, or tables that contradict themselves.
    pub(crate) fn load(header: &Header) -> Result<Self, LoadError> {
        let model = header.text("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(LoadError::unsupported(format!(
                "the tokenizer model {model:?} (byte-level BPE, \"gpt2\", is)"
            )));
        }
        let splitting = Splitting::from_name(header.text("tokenizer.ggml.pre")?)?;
        let tokens = texts(header, "tokenizer.ggml.tokens")?;
        let roles = roles(header, tokens.len())?;
        let merges = merges(header)?;

        let vocabulary: Vocab = tokens.iter().map(|token| (*token).to_owned()).zip(0..).collect();
        if vocabulary.len() != tokens.len() {
            return Err(LoadError::malformed("the key tokenizer.ggml.tokens", "a token occurs twice"));
        }
        let bpe = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .ignore_merges(splitting.takes_whole_words())
            .build()
            .map_err(|error| LoadError::malformed("the key tokenizer.ggml.merges", error.to_string()))?;
        let mut inner = tokenizers::Tokenizer::new(bpe);
        inner.with_pre_tokenizer(Some(splitting.pre_tokenizer()?));
        let added = tokens.iter().zip(&roles).filter_map(|(token, role)| match role {
            TokenRole::Control => Some(AddedToken::from((*token).to_owned(), true)),
            TokenRole::UserDefined => Some(AddedToken::from((*token).to_owned(), false).normalized(false)),
            TokenRole::Normal | TokenRole::Unused => None,
        });
        inner
            .add_tokens(added.collect::<Vec<_>>())
            .map_err(|error| LoadError::malformed("the key tokenizer.ggml.tokens", error.to_string()))?;

        let texts: Vec<Box<[u8]>> = tokens
            .iter()
            .zip(&roles)
            .map(|(token, role)| match role {
                TokenRole::Normal | TokenRole::Unused => byte_level_bytes(token),
                TokenRole::Control | TokenRole::UserDefined => token.as_bytes().into(),
            })
            .collect();
        let shown = texts
            .iter()
            .zip(&roles)
            .map(|(text, role)| if *role == TokenRole::Control { Box::default() } else { text.clone() })
            .collect();
        let id = |key: &str| special(header, key, tokens.len());
        let end = id("tokenizer.ggml.eos_token_id")?;
        let mut ends: Vec<u32> =
            [end, id("tokenizer.ggml.eot_token_id")?, id("tokenizer.ggml.eom_token_id")?]
                .into_iter()
                .flatten()
                .collect();
        ends.extend(
            END_NAMES
                .iter()
                .filter_map(|name| tokens.iter().position(|token| token == name))
                .map(|at| at as u32),
        );
        ends.sort_unstable();
        ends.dedup();
        let begin = id("tokenizer.ggml.bos_token_id")?;
        let adds_begin = header.optional_bool("tokenizer.ggml.add_bos_token")?;
        Ok(Self {
            inner,
            shown,
            texts,
            ends,
            begin,
            end,
            adds_begin: adds_begin.unwrap_or_else(|| splitting.begins_by_default()),
            adds_end: header.optional_bool("tokenizer.ggml.add_eos_token")?.unwrap_or(false),
        })
    }

    pub(crate) fn vocabulary(&self) -> usize {
        self.texts.len()
    }

    /// The ids of `text`, special tokens written in it included, nothing added around it.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoding = self.inner.encode_fast(text, false).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of a prompt: as [`Self::encode`], with the tokens that the file asks for around it. A beginning that
    /// the text already has is not added again.
    pub(crate) fn encode_prompt(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut ids = self.encode(text)?;
        if let Some(begin) = self.begin
            && self.adds_begin
            && ids.first() != Some(&begin)
        {
            ids.insert(0, begin);
        }
        if let Some(end) = self.end
            && self.adds_end
        {
            ids.push(end);
        }
        Ok(ids)
    }

    /// Whether this token ends an answer.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.binary_search(&token).is_ok()
    }

    /// What the token adds to an answer; nothing for control tokens.
    pub(crate) fn shown(&self, token: u32) -> &[u8] {
        self.shown.get(token as usize).map_or(&[], |bytes| bytes)
    }

    /// The token's own text, control tokens included.
    pub(crate) fn text(&self, token: u32) -> &[u8] {
        self.texts.get(token as usize).map_or(&[], |bytes| bytes)
    }

    /// The text of the token that begins a prompt, for chat templates.
    pub(crate) fn begin_text(&self) -> String {
        self.begin.map(|id| String::from_utf8_lossy(self.text(id)).into_owned()).unwrap_or_default()
    }

    /// The text of the token that ends an answer, for chat templates.
    pub(crate) fn end_text(&self) -> String {
        self.end.map(|id| String::from_utf8_lossy(self.text(id)).into_owned()).unwrap_or_default()
    }
}

/// How text is split before merging. Closed: an unknown name is refused, as a wrong guess gives wrong ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Splitting {
    Gpt2,
    Smollm,
    Qwen2,
    Llama3,
}

impl Splitting {
    fn from_name(name: &str) -> Result<Self, LoadError> {
        match name {
            "gpt-2" => Ok(Self::Gpt2),
            "smollm" => Ok(Self::Smollm),
            "qwen2" | "deepseek-r1-qwen" => Ok(Self::Qwen2),
            "llama-bpe" | "llama3" | "llama-v3" => Ok(Self::Llama3),
            other => Err(LoadError::unsupported(format!(
                "the tokenizer.ggml.pre {other:?} (qwen2, llama-bpe, gpt-2 and smollm are)"
            ))),
        }
    }

    fn patterns(self) -> &'static [&'static str] {
        match self {
            Self::Gpt2 => &[LETTERS_AND_SIGNS],
            Self::Smollm => &[EACH_DIGIT, LETTERS_AND_SIGNS],
            Self::Qwen2 => &[QWEN2],
            Self::Llama3 => &[LLAMA3],
        }
    }

    /// Whether a word that is in the vocabulary is taken as it is, whatever the merges say.
    fn takes_whole_words(self) -> bool {
        match self {
            Self::Llama3 => true,
            Self::Gpt2 | Self::Smollm | Self::Qwen2 => false,
        }
    }

    /// Whether a prompt begins with the beginning token where the file does not say.
    fn begins_by_default(self) -> bool {
        match self {
            Self::Llama3 => true,
            Self::Gpt2 | Self::Smollm | Self::Qwen2 => false,
        }
    }

    fn pre_tokenizer(self) -> Result<PreTokenizerWrapper, LoadError> {
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        for pattern in self.patterns() {
            let pattern = SplitPattern::Regex((*pattern).to_owned());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                .map_err(|error| LoadError::malformed("the tokenizer's pattern", error.to_string()))?;
            steps.push(split.into());
        }
        steps.push(ByteLevel::new(false, false, false).into());
        Ok(Sequence::new(steps).into())
    }
}

fn texts<'a>(header: &'a Header, key: &str) -> Result<Vec<&'a str>, LoadError> {
    let values = header.get(key).ok_or_else(|| LoadError::MissingKey(key.to_owned()))?;
    let values =
        values.as_array().and_then(|values| values.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    values
        .filter(|values| !values.is_empty())
        .ok_or_else(|| LoadError::malformed(format!("the key {key}"), "not a list of texts"))
}

fn roles(header: &Header, tokens: usize) -> Result<Vec<TokenRole>, LoadError> {
    let key = "tokenizer.ggml.token_type";
    let Some(values) = header.get(key) else { return Ok(vec![TokenRole::Normal; tokens]) };
    values
        .as_array()
        .and_then(|values| values.iter().map(TokenRole::from_value).collect::<Option<Vec<_>>>())
        .filter(|roles| roles.len() == tokens)
        .ok_or_else(|| LoadError::malformed(format!("the key {key}"), "not one type for each token"))
}

fn merges(header: &Header) -> Result<Vec<(String, String)>, LoadError> {
    let key = "tokenizer.ggml.merges";
    let pairs = texts(header, key)?.into_iter().map(|merge| {
        let (left, right) = merge.split_once(' ')?;
        Some((left.to_owned(), right.to_owned()))
    });
    pairs
        .collect::<Option<_>>()
        .ok_or_else(|| LoadError::malformed(format!("the key {key}"), "a merge is not two parts"))
}

fn special(header: &Header, key: &str, tokens: usize) -> Result<Option<u32>, LoadError> {
    match header.optional_u64(key)? {
        None => Ok(None),
        Some(id) if id < tokens as u64 => Ok(Some(id as u32)),
        Some(id) => Err(LoadError::malformed(format!("the key {key}"), format!("there is no token {id}"))),
    }
}

/// The bytes that a byte-level token stands for: printable bytes stand for themselves, the others for characters from
/// U+0100 on, in order.
fn byte_level_bytes(token: &str) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(token.len());
    for character in token.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            // Not a byte-level character: the token means itself.
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes.into()
}

fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => u8::try_from(code).ok(),
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_character() {
        let mut found: Vec<u8> = (0x21..=0x143).filter_map(char::from_u32).filter_map(byte_of).collect();
        assert_eq!(found.len(), 256);
        found.sort_unstable();
        assert!((0..=255).eq(found));
        assert_eq!(*byte_level_bytes("Ġriver"), *b" river");
        assert_eq!(*byte_level_bytes("Ċ"), *b"\n");
        assert_eq!(*byte_level_bytes("cÃ©"), *"cé".as_bytes());
    }
}
