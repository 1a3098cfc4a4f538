//! A model's dimensions, read from the header and checked before any tensor is touched.

use crate::error::LoadError;
use crate::gguf::Header;

/// Most layers, heads and so on that are believed; far above every published model.
const MAX_COUNT: u64 = 1024;
/// Widest embedding, feed-forward layer or vocabulary that is believed.
const MAX_WIDTH: u64 = 4_194_304;

/// Which architecture a file holds. Closed: others are refused by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    Llama,
    /// Llama with biases on the attention's inputs and the other order of rotation.
    Qwen2,
    /// Qwen2 without biases and with norms on queries and keys.
    Qwen3,
}

/// Which numbers of a head are rotated together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// Neighbours: 0 with 1, 2 with 3.
    Neighbours,
    /// Halves: 0 with n/2, 1 with n/2 + 1.
    Halves,
}

impl Architecture {
    fn from_name(name: &str) -> Result<Self, LoadError> {
        match name {
            "llama" => Ok(Self::Llama),
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            other => Err(LoadError::unsupported(format!(
                "the architecture {other:?} (llama, qwen2 and qwen3 are supported)"
            ))),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    pub(crate) fn pairing(self) -> Pairing {
        match self {
            Self::Llama => Pairing::Neighbours,
            Self::Qwen2 | Self::Qwen3 => Pairing::Halves,
        }
    }

    pub(crate) fn has_head_norms(self) -> bool {
        match self {
            Self::Llama | Self::Qwen2 => false,
            Self::Qwen3 => true,
        }
    }
}

/// A model's dimensions. All counts are at least one.
#[derive(Debug, Clone)]
pub(crate) struct Hyper {
    pub(crate) architecture: Architecture,
    /// Tokens the model was made for.
    pub(crate) context: usize,
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    /// Heads of keys and values; `heads` is a multiple of it.
    pub(crate) kv_heads: usize,
    pub(crate) key_width: usize,
    pub(crate) value_width: usize,
    pub(crate) feed_forward: usize,
    pub(crate) norm_epsilon: f32,
    /// Numbers of each head that are rotated; even.
    pub(crate) rope_width: usize,
    pub(crate) rope_base: f32,
    /// Positions are divided by this (linear scaling).
    pub(crate) rope_divisor: f32,
}

impl Hyper {
    pub(crate) fn read(header: &Header) -> Result<Self, LoadError> {
        let architecture = Architecture::from_name(header.text("general.architecture")?)?;
        let keys = Keys { header, prefix: architecture.name() };
        keys.refuse_what_is_missing_here()?;

        let width = keys.count("embedding_length", MAX_WIDTH)?;
        let heads = keys.count("attention.head_count", MAX_COUNT)?;
        let kv_heads = keys.optional_count("attention.head_count_kv", MAX_COUNT)?.unwrap_or(heads);
        if heads % kv_heads != 0 {
            return Err(LoadError::malformed(
                keys.what("attention.head_count_kv"),
                format!("{heads} heads cannot share {kv_heads} heads of keys"),
            ));
        }
        let head_width = |name| match keys.optional_count(name, MAX_WIDTH)? {
            Some(width) => Ok(width),
            None if width % heads == 0 => Ok(width / heads),
            None => Err(LoadError::malformed(
                keys.what("attention.head_count"),
                format!("a width of {width} does not divide into {heads} heads"),
            )),
        };
        let key_width = head_width("attention.key_length")?;
        let value_width = head_width("attention.value_length")?;
        let rope_width = keys.optional_count("rope.dimension_count", MAX_WIDTH)?.unwrap_or(key_width);
        if rope_width % 2 != 0 || rope_width > key_width {
            return Err(LoadError::malformed(
                keys.what("rope.dimension_count"),
                format!("{rope_width} does not fit heads of {key_width}"),
            ));
        }
        let norm_epsilon = keys
            .number("attention.layer_norm_rms_epsilon")?
            .ok_or_else(|| LoadError::MissingKey(keys.key("attention.layer_norm_rms_epsilon")))?;
        let rope_base = keys.number("rope.freq_base")?.unwrap_or(10_000.0);
        if norm_epsilon < 0.0 || rope_base <= 0.0 {
            return Err(LoadError::malformed(keys.what("rope.freq_base"), "not above zero"));
        }
        Ok(Self {
            architecture,
            context: keys.count("context_length", 1 << 30)?,
            width,
            layers: keys.count("block_count", MAX_COUNT)?,
            heads,
            kv_heads,
            key_width,
            value_width,
            feed_forward: keys.count("feed_forward_length", MAX_WIDTH)?,
            norm_epsilon,
            rope_width,
            rope_base,
            rope_divisor: keys.rope_divisor()?,
        })
    }

    /// Numbers that the cache keeps for each token: keys and values of all layers.
    pub(crate) fn cached_per_token(&self) -> usize {
        self.layers * self.kv_heads * (self.key_width + self.value_width)
    }
}

struct Keys<'a> {
    header: &'a Header,
    prefix: &'static str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn what(&self, name: &str) -> String {
        format!("the key {}", self.key(name))
    }

    fn optional_count(&self, name: &str, most: u64) -> Result<Option<usize>, LoadError> {
        match self.header.optional_u64(&self.key(name))? {
            None => Ok(None),
            Some(count) if (1..=most).contains(&count) => Ok(Some(count as usize)),
            Some(count) => {
                Err(LoadError::malformed(self.what(name), format!("{count} is not between 1 and {most}")))
            }
        }
    }

    fn count(&self, name: &str, most: u64) -> Result<usize, LoadError> {
        self.optional_count(name, most)?.ok_or_else(|| LoadError::MissingKey(self.key(name)))
    }

    fn number(&self, name: &str) -> Result<Option<f32>, LoadError> {
        self.header.optional_f32(&self.key(name))
    }

    fn rope_divisor(&self) -> Result<f32, LoadError> {
        let scaling = match self.header.get(&self.key("rope.scaling.type")) {
            None => None,
            Some(_) => Some(self.header.text(&self.key("rope.scaling.type"))?),
        };
        let divisor = match scaling {
            Some("none") => None,
            Some("linear") => self.number("rope.scaling.factor")?,
            None => self.number("rope.scaling.factor")?.or(self.number("rope.scale_linear")?),
            Some(other) => {
                return Err(LoadError::unsupported(format!("the rope scaling {other:?} (linear is)")));
            }
        };
        match divisor {
            None => Ok(1.0),
            // Files written without scaling may say 0.
            Some(0.0) => Ok(1.0),
            Some(divisor) if divisor > 0.0 => Ok(divisor),
            Some(_) => Err(LoadError::malformed(self.what("rope.scaling.factor"), "not above zero")),
        }
    }

    /// Variants of these architectures that would load but answer wrongly.
    fn refuse_what_is_missing_here(&self) -> Result<(), LoadError> {
        for (key, part) in [
            ("expert_count", "a mixture of experts"),
            ("attention.sliding_window", "a sliding attention window"),
            ("attention.clamp_kqv", "clamped attention"),
            ("attention.max_alibi_bias", "ALiBi"),
        ] {
            let present = self.header.get(&self.key(key)).and_then(super::super::gguf::Value::as_f32);
            if present.is_some_and(|value| value != 0.0) {
                return Err(LoadError::unsupported(format!("{part} (the key {})", self.key(key))));
            }
        }
        Ok(())
    }
}
