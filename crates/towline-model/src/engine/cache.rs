//! The keys and values of the tokens that a slot has already seen.

use super::hyper::Hyper;

/// Keys and values of one sequence, reserved in full before it starts.
#[derive(Debug)]
pub(crate) struct Cache {
    layers: Vec<Layer>,
    /// Tokens there is room for.
    capacity: usize,
    /// The tokens whose keys and values are here, in order.
    tokens: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct Layer {
    /// For each head, for each position: the key.
    keys: Vec<f32>,
    /// For each head, for each position: the value.
    values: Vec<f32>,
    capacity: usize,
    key_width: usize,
    value_width: usize,
}

impl Cache {
    /// Room for `capacity` tokens. Memory is touched only as tokens come.
    pub(crate) fn new(hyper: &Hyper, capacity: usize) -> Self {
        let layer = || Layer {
            keys: vec![0.0; capacity * hyper.kv_heads * hyper.key_width],
            values: vec![0.0; capacity * hyper.kv_heads * hyper.value_width],
            capacity,
            key_width: hyper.key_width,
            value_width: hyper.value_width,
        };
        Self { layers: (0..hyper.layers).map(|_| layer()).collect(), capacity, tokens: Vec::new() }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Keeps what the cache and `prompt` have in common from the start, and returns how many tokens that is. The last
    /// token of the prompt is never kept, as its result is what the next token is made from.
    pub(crate) fn keep_common(&mut self, prompt: &[u32]) -> usize {
        let common = self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let kept = common.min(prompt.len().saturating_sub(1));
        self.tokens.truncate(kept);
        kept
    }

    /// Notes tokens whose keys and values have been stored.
    pub(crate) fn note(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }

    pub(crate) fn layer(&mut self, index: usize) -> &mut Layer {
        &mut self.layers[index]
    }
}

impl Layer {
    pub(crate) fn store(&mut self, head: usize, position: usize, key: &[f32], value: &[f32]) {
        let at = (head * self.capacity + position) * self.key_width;
        self.keys[at..at + self.key_width].copy_from_slice(key);
        let at = (head * self.capacity + position) * self.value_width;
        self.values[at..at + self.value_width].copy_from_slice(value);
    }

    /// The keys of one head, position by position.
    pub(crate) fn keys(&self, head: usize, positions: usize) -> std::slice::ChunksExact<'_, f32> {
        let at = head * self.capacity * self.key_width;
        self.keys[at..at + positions * self.key_width].chunks_exact(self.key_width)
    }

    /// The values of one head, position by position.
    pub(crate) fn values(&self, head: usize, positions: usize) -> std::slice::ChunksExact<'_, f32> {
        let at = head * self.capacity * self.value_width;
        self.values[at..at + positions * self.value_width].chunks_exact(self.value_width)
    }
}
