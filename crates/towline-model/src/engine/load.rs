//! From a GGUF file to a model that can run, or to an error that names the missing part.

use std::io::{Read, Seek};
use std::num::NonZeroUsize;

use super::hyper::Hyper;
use super::llama::{Block, Linear, Llama};
use super::matrix::Matrix;
use super::rope::Rope;
use super::threads::Threads;
use crate::error::LoadError;
use crate::gguf::{Header, TensorInfo, TensorKind};

impl Llama {
    /// Loads the weights that `header` describes.
    ///
    /// # Errors
    /// A tensor that is missing, has another shape than the keys promise, or is left over: a tensor that nothing here
    /// uses would change the answers of an engine that knows it.
    pub(crate) fn load<R: Read + Seek>(
        header: &Header,
        source: &mut R,
        threads: Option<NonZeroUsize>,
    ) -> Result<Self, LoadError> {
        let hyper = Hyper::read(header)?;
        check_tensors(header, &hyper)?;
        let mut tensors = Tensors { header, source, hyper: &hyper };
        let columns = hyper.width;
        let embedding = tensors.matrix("token_embd.weight", None, columns)?;
        let factors = tensors.optional_vector("rope_freqs.weight", hyper.rope_width / 2)?;
        if factors
            .as_ref()
            .is_some_and(|factors| factors.iter().any(|factor| factor.is_nan() || *factor <= 0.0))
        {
            return Err(LoadError::malformed("the tensor rope_freqs.weight", "a factor is not above zero"));
        }
        let blocks = (0..hyper.layers).map(|index| tensors.block(index)).collect::<Result<_, _>>()?;
        let output_norm = tensors.vector("output_norm.weight", columns)?;
        let output = match tensors.find("output.weight") {
            None => None,
            Some(_) => Some(tensors.matrix("output.weight", Some(embedding.rows), columns)?),
        };
        let weight_bytes = header.tensors.iter().map(|tensor| tensor.size_bytes).sum();
        let rope = Rope::new(&hyper, factors.as_deref());
        let threads = Threads::for_weights(weight_bytes, threads);
        Ok(Self { rope, embedding, blocks, output_norm, output, threads, hyper })
    }
}

/// Refuses a file with tensors that no part of the forward pass uses, before any data is read.
pub(crate) fn check_tensors(header: &Header, hyper: &Hyper) -> Result<(), LoadError> {
    for tensor in &header.tensors {
        let known = match tensor.name.strip_prefix("blk.") {
            None => matches!(
                tensor.name.as_str(),
                "token_embd.weight" | "output_norm.weight" | "output.weight" | "rope_freqs.weight"
            ),
            Some(rest) => rest.split_once('.').is_some_and(|(index, part)| {
                let index = index.parse::<usize>().is_ok_and(|index| index < hyper.layers);
                let head_norm = matches!(part, "attn_q_norm.weight" | "attn_k_norm.weight");
                index
                    && (matches!(
                        part,
                        "attn_norm.weight"
                            | "attn_q.weight"
                            | "attn_k.weight"
                            | "attn_v.weight"
                            | "attn_output.weight"
                            | "attn_q.bias"
                            | "attn_k.bias"
                            | "attn_v.bias"
                            | "attn_output.bias"
                            | "ffn_norm.weight"
                            | "ffn_gate.weight"
                            | "ffn_up.weight"
                            | "ffn_down.weight"
                    ) || (head_norm && hyper.architecture.has_head_norms()))
            }),
        };
        if !known {
            let architecture = hyper.architecture.name();
            return Err(LoadError::unsupported(format!(
                "the tensor {} in the architecture {architecture:?}",
                tensor.name
            )));
        }
    }
    Ok(())
}

struct Tensors<'a, R> {
    header: &'a Header,
    source: &'a mut R,
    hyper: &'a Hyper,
}

impl<R: Read + Seek> Tensors<'_, R> {
    fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.header.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// A matrix of `rows` (any number where `None`) by `columns`.
    fn matrix(&mut self, name: &str, rows: Option<usize>, columns: usize) -> Result<Matrix, LoadError> {
        let tensor = self.find(name).ok_or_else(|| LoadError::MissingTensor(name.to_owned()))?.clone();
        let found_rows = tensor.shape.first().copied().unwrap_or(0);
        let rows = rows.map_or(found_rows, |rows| rows as u64);
        let expected = vec![rows, columns as u64];
        if tensor.shape != expected {
            return Err(LoadError::Shape { tensor: tensor.name, expected, found: tensor.shape });
        }
        let data = self.header.read_data(self.source, &tensor)?;
        Ok(Matrix::new(tensor.kind, rows as usize, columns, &data))
    }

    fn optional_vector(&mut self, name: &str, length: usize) -> Result<Option<Vec<f32>>, LoadError> {
        let Some(tensor) = self.find(name).cloned() else { return Ok(None) };
        if tensor.shape != [length as u64] {
            let expected = vec![length as u64];
            return Err(LoadError::Shape { tensor: tensor.name, expected, found: tensor.shape });
        }
        match tensor.kind {
            TensorKind::F32 | TensorKind::F16 | TensorKind::Bf16 => {}
            TensorKind::Q4_0
            | TensorKind::Q4_1
            | TensorKind::Q5_0
            | TensorKind::Q5_1
            | TensorKind::Q8_0
            | TensorKind::Q2K
            | TensorKind::Q3K
            | TensorKind::Q4K
            | TensorKind::Q5K
            | TensorKind::Q6K => {
                let kind = tensor.kind.name();
                return Err(LoadError::unsupported(format!("the type {kind} of the tensor {name}")));
            }
        }
        let data = self.header.read_data(self.source, &tensor)?;
        let mut values = vec![0.0; length];
        Matrix::new(tensor.kind, 1, length, &data).row(0, &mut values);
        Ok(Some(values))
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>, LoadError> {
        self.optional_vector(name, length)?.ok_or_else(|| LoadError::MissingTensor(name.to_owned()))
    }

    fn linear(&mut self, stem: &str, rows: usize, columns: usize) -> Result<Linear, LoadError> {
        Ok(Linear {
            weight: self.matrix(&format!("{stem}.weight"), Some(rows), columns)?,
            bias: self.optional_vector(&format!("{stem}.bias"), rows)?,
        })
    }

    fn block(&mut self, index: usize) -> Result<Block, LoadError> {
        let hyper = self.hyper;
        let (width, inner) = (hyper.width, hyper.feed_forward);
        let name = |part: &str| format!("blk.{index}.{part}");
        let (query_norm, key_norm) = if hyper.architecture.has_head_norms() {
            let query_norm = self.vector(&name("attn_q_norm.weight"), hyper.key_width)?;
            (Some(query_norm), Some(self.vector(&name("attn_k_norm.weight"), hyper.key_width)?))
        } else {
            (None, None)
        };
        Ok(Block {
            attention_norm: self.vector(&name("attn_norm.weight"), width)?,
            query: self.linear(&name("attn_q"), hyper.heads * hyper.key_width, width)?,
            key: self.linear(&name("attn_k"), hyper.kv_heads * hyper.key_width, width)?,
            value: self.linear(&name("attn_v"), hyper.kv_heads * hyper.value_width, width)?,
            attention_output: self.linear(&name("attn_output"), width, hyper.heads * hyper.value_width)?,
            query_norm,
            key_norm,
            feed_forward_norm: self.vector(&name("ffn_norm.weight"), width)?,
            gate: self.matrix(&name("ffn_gate.weight"), Some(inner), width)?,
            up: self.matrix(&name("ffn_up.weight"), Some(inner), width)?,
            down: self.matrix(&name("ffn_down.weight"), Some(width), inner)?,
        })
    }
}
