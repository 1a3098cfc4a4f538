//! The forward pass of the llama family.

use candle_core::quantized::GgmlType;
use rayon::prelude::*;

use super::cache::{Cache, Layer};
use super::hyper::Hyper;
use super::matrix::Matrix;
use super::rope::{Angles, Rope};
use super::threads::Threads;

/// The weights, shared by every slot.
#[derive(Debug)]
pub(crate) struct Llama {
    pub(crate) hyper: Hyper,
    pub(crate) rope: Rope,
    pub(crate) embedding: Matrix,
    pub(crate) blocks: Vec<Block>,
    pub(crate) output_norm: Vec<f32>,
    /// Absent where the embedding serves as the output too.
    pub(crate) output: Option<Matrix>,
    pub(crate) threads: Threads,
}

/// One layer's weights.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) attention_norm: Vec<f32>,
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) attention_output: Linear,
    /// One weight per number of a head; Qwen3 only.
    pub(crate) query_norm: Option<Vec<f32>>,
    pub(crate) key_norm: Option<Vec<f32>>,
    pub(crate) feed_forward_norm: Vec<f32>,
    pub(crate) gate: Matrix,
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
}

/// A matrix and the bias that is added to its product.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Matrix,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Linear {
    fn apply(&self, input: &[f32], threads: usize) -> Vec<f32> {
        let mut output = product(&self.weight, input, threads);
        if let Some(bias) = &self.bias {
            for token in output.chunks_exact_mut(bias.len()) {
                add(token, bias);
            }
        }
        output
    }
}

impl Llama {
    /// Numbers in one row of logits: the size of the vocabulary.
    pub(crate) fn vocabulary(&self) -> usize {
        self.embedding.rows
    }

    /// Runs `tokens`, which follow what `cache` holds, and leaves their keys and values there. Returns the final
    /// hidden states, normalised, one row of `hyper.width` numbers per token.
    ///
    /// The caller sees to it that the cache has room and that every token is in the vocabulary.
    pub(crate) fn forward(&self, cache: &mut Cache, tokens: &[u32]) -> Vec<f32> {
        self.threads.enter(|| {
            let hidden = self.run_blocks(cache, tokens);
            cache.note(tokens);
            self.normalised(&hidden, &self.output_norm)
        })
    }

    /// The logits of one final hidden state.
    pub(crate) fn logits(&self, hidden: &[f32]) -> Vec<f32> {
        let matrix = self.output.as_ref().unwrap_or(&self.embedding);
        self.threads.enter(|| product(matrix, hidden, self.threads.count()))
    }

    fn run_blocks(&self, cache: &mut Cache, tokens: &[u32]) -> Vec<f32> {
        let width = self.hyper.width;
        let threads = self.threads.count();
        let first = cache.len();
        let mut angles = Angles::default();
        self.rope.angles(first, tokens.len(), &mut angles);

        let mut hidden = vec![0.0; tokens.len() * width];
        for (token, row) in tokens.iter().zip(hidden.chunks_exact_mut(width)) {
            self.embedding.row(*token as usize, row);
        }
        for (index, block) in self.blocks.iter().enumerate() {
            let normed = self.normalised(&hidden, &block.attention_norm);
            let mixed = self.attend(block, cache.layer(index), &normed, first, &angles);
            add(&mut hidden, &block.attention_output.apply(&mixed, threads));

            let normed = self.normalised(&hidden, &block.feed_forward_norm);
            let mut gated = product(&block.gate, &normed, threads);
            let up = product(&block.up, &normed, threads);
            for (gate, up) in gated.iter_mut().zip(&up) {
                *gate = *gate / (1.0 + (-*gate).exp()) * up;
            }
            add(&mut hidden, &product(&block.down, &gated, threads));
        }
        hidden
    }

    /// Attention of the new tokens over the whole sequence, before the output projection.
    fn attend(
        &self,
        block: &Block,
        layer: &mut Layer,
        normed: &[f32],
        first: usize,
        angles: &Angles,
    ) -> Vec<f32> {
        let hyper = &self.hyper;
        let threads = self.threads.count();
        let mut queries = block.query.apply(normed, threads);
        let mut keys = block.key.apply(normed, threads);
        let values = block.value.apply(normed, threads);
        self.place(&mut queries, hyper.heads, block.query_norm.as_deref(), angles);
        self.place(&mut keys, hyper.kv_heads, block.key_norm.as_deref(), angles);

        let all_keys = keys.chunks_exact(hyper.kv_heads * hyper.key_width);
        let all_values = values.chunks_exact(hyper.kv_heads * hyper.value_width);
        for (index, (keys, values)) in all_keys.zip(all_values).enumerate() {
            let heads = keys.chunks_exact(hyper.key_width).zip(values.chunks_exact(hyper.value_width));
            for (head, (key, value)) in heads.enumerate() {
                layer.store(head, first + index, key, value);
            }
        }

        let layer = &*layer;
        let sharing = hyper.heads / hyper.kv_heads;
        let count = normed.len() / hyper.width;
        let mut mixed = vec![0.0; count * hyper.heads * hyper.value_width];
        let mix = |(index, (query, output)): (usize, (&[f32], &mut [f32]))| {
            let (token, head) = (index / hyper.heads, index % hyper.heads);
            mix_head(layer, head / sharing, first + token + 1, query, output);
        };
        if threads <= 1 {
            let queries = queries.chunks_exact(hyper.key_width);
            queries.zip(mixed.chunks_exact_mut(hyper.value_width)).enumerate().for_each(mix);
        } else {
            let queries = queries.par_chunks_exact(hyper.key_width);
            queries.zip(mixed.par_chunks_exact_mut(hyper.value_width)).enumerate().for_each(mix);
        }
        mixed
    }

    /// Norms (where the architecture has them) and rotates every head of every token.
    fn place(&self, rows: &mut [f32], heads: usize, norm: Option<&[f32]>, angles: &Angles) {
        for (index, head) in rows.chunks_exact_mut(self.hyper.key_width).enumerate() {
            if let Some(weights) = norm {
                normalise(head, weights, self.hyper.norm_epsilon);
            }
            self.rope.rotate(&mut head[..self.hyper.rope_width], angles, index / heads);
        }
    }

    fn normalised(&self, rows: &[f32], weights: &[f32]) -> Vec<f32> {
        let mut output = rows.to_vec();
        for row in output.chunks_exact_mut(weights.len()) {
            normalise(row, weights, self.hyper.norm_epsilon);
        }
        output
    }
}

/// One head's attention for one token: the values of all positions, weighed by how well their keys fit the query.
fn mix_head(layer: &Layer, head: usize, positions: usize, query: &[f32], output: &mut [f32]) {
    let scale = 1.0 / (query.len() as f32).sqrt();
    let mut weights: Vec<f32> =
        layer.keys(head, positions).map(|key| f32::vec_dot(query.len(), key, query) * scale).collect();
    softmax(&mut weights);
    for (value, weight) in layer.values(head, positions).zip(weights) {
        for (output, value) in output.iter_mut().zip(value) {
            *output += weight * value;
        }
    }
}

fn product(matrix: &Matrix, input: &[f32], threads: usize) -> Vec<f32> {
    let mut output = vec![0.0; input.len() / matrix.columns * matrix.rows];
    matrix.multiply(input, &mut output, threads);
    output
}

fn add(into: &mut [f32], other: &[f32]) {
    for (into, other) in into.iter_mut().zip(other) {
        *into += other;
    }
}

/// Root-mean-square norm.
fn normalise(row: &mut [f32], weights: &[f32], epsilon: f32) {
    let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let scale = 1.0 / ((squares / row.len() as f64) as f32 + epsilon).sqrt();
    for (x, weight) in row.iter_mut().zip(weights) {
        *x = *x * scale * weight;
    }
}

/// Turns numbers into weights that add up to one.
pub(crate) fn softmax(numbers: &mut [f32]) {
    let largest = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for number in numbers.iter_mut() {
        *number = (*number - largest).exp();
        sum += *number;
    }
    for number in numbers.iter_mut() {
        *number /= sum;
    }
}
