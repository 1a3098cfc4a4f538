//! The forward pass: a llama of six layers, one token after the other, on the thread of the caller.
//!
//! Matrices stay in the file's format, q8_0: blocks of 32 integers with one scale. Activations are quantised
//! into the same format before a multiplication, as in llama.cpp, so products are sums of integers, which the
//! compiler turns into vector instructions, and tokens equal llama.cpp's.

use super::gguf::Gguf;

/// Size of the state of one token.
pub(crate) const WIDTH: usize = 192;
/// Size of the context in tokens: prompt and answer together.
pub(crate) const CONTEXT: usize = 512;
/// Size of the vocabulary.
pub(crate) const VOCABULARY: usize = 2048;
const LAYERS: usize = 6;
const HEADS: usize = 6;
/// Number of heads of keys and values, each shared by three query heads.
const KEY_HEADS: usize = 2;
/// Size of a head.
const HEAD: usize = 32;
const KEYS: usize = KEY_HEADS * HEAD;
const FEED_FORWARD: usize = 512;
const NORM_EPSILON: f32 = 1e-5;
const ROPE_BASE: f32 = 10_000.0;

/// Size of a block.
const BLOCK: usize = 32;
/// Number of blocks in a row of `WIDTH` numbers, and in one of `FEED_FORWARD`.
const WIDE: usize = WIDTH / BLOCK;
const FORWARD: usize = FEED_FORWARD / BLOCK;

/// A block: numbers and their common scale.
#[derive(Debug)]
struct Block<T> {
    numbers: [T; BLOCK],
    scale: f32,
}

/// Quantises numbers into blocks, with ggml's rounding: signed 8-bit numbers, 16-bit scales.
fn in_blocks<const BLOCKS: usize>(numbers: &[f32]) -> [Block<i16>; BLOCKS] {
    std::array::from_fn(|at| {
        let numbers = &numbers.as_chunks::<BLOCK>().0[at];
        let largest = numbers.iter().fold(0.0, |largest: f32, number| largest.max(number.abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        let numbers = numbers.map(|number| (number * inverse).round_ties_even() as i16);
        Block { numbers, scale: as_half(largest / 127.0) }
    })
}

/// The nearest 16-bit number, for numbers from zero to 65,504.
fn as_half(number: f32) -> f32 {
    const SMALLEST_STEP: f32 = 1.0 / (1 << 24) as f32;
    if number < SMALLEST_STEP * 1024.0 {
        return (number / SMALLEST_STEP).round_ties_even() * SMALLEST_STEP;
    }
    let bits = number.to_bits();
    f32::from_bits((bits + 0xFFF + (bits >> 13 & 1)) & !0x1FFF)
}

/// Widens a 16-bit number.
fn widened(half: u16) -> f32 {
    let (exponent, fraction) = (u32::from(half >> 10 & 0x1F), u32::from(half & 0x3FF));
    let size = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if half >> 15 == 0 { size } else { -size }
}

/// A matrix, row by row.
#[derive(Debug)]
struct Matrix<const BLOCKS: usize>(Vec<[Block<i8>; BLOCKS]>);

impl<const BLOCKS: usize> Matrix<BLOCKS> {
    fn load(gguf: &Gguf, name: &str, rows: usize) -> Self {
        let data = gguf.tensor(name, "Q8_0", &[BLOCKS * BLOCK, rows]);
        let block = |[low, high, numbers @ ..]: &[u8; BLOCK + 2]| Block {
            numbers: numbers.map(u8::cast_signed),
            scale: widened(u16::from_le_bytes([*low, *high])),
        };
        let rows = data.as_chunks().0.chunks_exact(BLOCKS).take(rows);
        Self(rows.map(|row| std::array::from_fn(|at| block(&row[at]))).collect())
    }

    fn times<const ROWS: usize>(&self, column: &[Block<i16>; BLOCKS]) -> [f32; ROWS] {
        let mut product = [0.0; ROWS];
        for (product, row) in product.iter_mut().zip(&self.0) {
            for (a, b) in row.iter().zip(column) {
                let pairs = a.numbers.iter().zip(&b.numbers);
                let whole: i32 = pairs.map(|(&a, &b)| i32::from(i16::from(a)) * i32::from(b)).sum();
                *product += whole as f32 * (a.scale * b.scale);
            }
        }
        product
    }

    fn row(&self, index: usize) -> [f32; WIDTH] {
        let blocks = &self.0[index];
        std::array::from_fn(|at| {
            let block = &blocks[at / BLOCK];
            f32::from(block.numbers[at % BLOCK]) * block.scale
        })
    }
}

#[derive(Debug)]
struct Layer {
    attention_norm: [f32; WIDTH],
    query: Matrix<WIDE>,
    key: Matrix<WIDE>,
    value: Matrix<WIDE>,
    output: Matrix<WIDE>,
    forward_norm: [f32; WIDTH],
    gate: Matrix<WIDE>,
    up: Matrix<WIDE>,
    down: Matrix<FORWARD>,
}

/// The weights; 3 MB.
#[derive(Debug)]
pub(crate) struct Weights {
    /// Also the output layer: its rows are compared with the last state.
    embedding: Matrix<WIDE>,
    layers: Vec<Layer>,
    output_norm: [f32; WIDTH],
    /// Cosine and sine of every pair of a head's numbers, for every position.
    turns: Vec<[(f32, f32); HEAD / 2]>,
}

impl Weights {
    pub(crate) fn load(gguf: &Gguf) -> Self {
        let norm = |name: &str| {
            let data = gguf.tensor(name, "F32", &[WIDTH]).as_chunks().0;
            std::array::from_fn(|at| f32::from_le_bytes(data[at]))
        };
        let layer = |index: usize| {
            let wide = |name, rows| Matrix::load(gguf, &format!("blk.{index}.{name}.weight"), rows);
            Layer {
                attention_norm: norm(&format!("blk.{index}.attn_norm.weight")),
                query: wide("attn_q", WIDTH),
                key: wide("attn_k", KEYS),
                value: wide("attn_v", KEYS),
                output: wide("attn_output", WIDTH),
                forward_norm: norm(&format!("blk.{index}.ffn_norm.weight")),
                gate: wide("ffn_gate", FEED_FORWARD),
                up: wide("ffn_up", FEED_FORWARD),
                down: Matrix::load(gguf, &format!("blk.{index}.ffn_down.weight"), WIDTH),
            }
        };
        let turn = |position: usize, pair: usize| {
            let step = ROPE_BASE.powf(-2.0 * pair as f32 / HEAD as f32);
            let (sine, cosine) = (position as f32 * step).sin_cos();
            (cosine, sine)
        };
        Self {
            embedding: Matrix::load(gguf, "token_embd.weight", VOCABULARY),
            layers: (0..LAYERS).map(layer).collect(),
            output_norm: norm("output_norm.weight"),
            turns: (0..CONTEXT).map(|position| std::array::from_fn(|pair| turn(position, pair))).collect(),
        }
    }

    /// Runs the token after those in `cache`, stores its keys and values there, and returns its state after
    /// the last layer. The cache must have room, and the token must be in the vocabulary.
    pub(crate) fn forward(&self, cache: &mut Cache, token: u32) -> [f32; WIDTH] {
        let position = cache.length;
        let turns = &self.turns[position];
        let mut state = self.embedding.row(token as usize);
        for (layer, cached) in self.layers.iter().zip(&mut cache.layers) {
            let input = in_blocks(&normalised(&state, &layer.attention_norm));
            let mut query: [f32; WIDTH] = layer.query.times(&input);
            let mut key: [f32; KEYS] = layer.key.times(&input);
            let value: [f32; KEYS] = layer.value.times(&input);
            query.as_chunks_mut().0.iter_mut().for_each(|head| turn(head, turns));
            key.as_chunks_mut().0.iter_mut().for_each(|head| turn(head, turns));
            for (head, cached) in cached.iter_mut().enumerate() {
                cached.keys[position] = key.as_chunks().0[head];
                cached.values[position] = value.as_chunks().0[head];
            }
            let mut mixed = [0.0; WIDTH];
            for (head, mixed) in mixed.as_chunks_mut().0.iter_mut().enumerate() {
                let query = &query.as_chunks().0[head];
                *mixed = cached[head / (HEADS / KEY_HEADS)].attend(query, position + 1);
            }
            add(&mut state, &layer.output.times(&in_blocks(&mixed)));

            let input = in_blocks(&normalised(&state, &layer.forward_norm));
            let mut gate: [f32; FEED_FORWARD] = layer.gate.times(&input);
            let up: [f32; FEED_FORWARD] = layer.up.times(&input);
            for (gate, up) in gate.iter_mut().zip(up) {
                *gate = *gate / (1.0 + (-*gate).exp()) * up;
            }
            add(&mut state, &layer.down.times(&in_blocks(&gate)));
        }
        cache.length += 1;
        normalised(&state, &self.output_norm)
    }

    /// The logits of the next token.
    pub(crate) fn logits(&self, state: &[f32; WIDTH]) -> [f32; VOCABULARY] {
        self.embedding.times(&in_blocks(state))
    }
}

/// The keys and values of the tokens of one answer; 1.6 MB.
pub(crate) struct Cache {
    layers: Vec<[CachedHead; KEY_HEADS]>,
    /// The number of tokens.
    length: usize,
}

struct CachedHead {
    keys: Vec<[f32; HEAD]>,
    values: Vec<[f32; HEAD]>,
}

impl Cache {
    pub(crate) fn new() -> Self {
        let room = || vec![[0.0; HEAD]; CONTEXT];
        let head = |_| CachedHead { keys: room(), values: room() };
        let layers = (0..LAYERS).map(|_| std::array::from_fn(head)).collect();
        Self { layers, length: 0 }
    }
}

impl CachedHead {
    /// Attention: the values of all positions, weighted by the match of their keys with the query.
    fn attend(&self, query: &[f32; HEAD], positions: usize) -> [f32; HEAD] {
        let scale = 1.0 / (HEAD as f32).sqrt();
        let mut weights = [0.0; CONTEXT];
        let weights = &mut weights[..positions];
        for (weight, key) in weights.iter_mut().zip(&self.keys) {
            *weight = dot(query, key) * scale;
        }
        softmax(weights);
        let mut mixed = [0.0; HEAD];
        for (weight, value) in weights.iter().zip(&self.values) {
            for (mixed, value) in mixed.iter_mut().zip(value) {
                *mixed += weight * value;
            }
        }
        mixed
    }
}

/// Rotates neighbouring numbers of a head.
fn turn(head: &mut [f32; HEAD], turns: &[(f32, f32); HEAD / 2]) {
    for ([x, y], (cosine, sine)) in head.as_chunks_mut().0.iter_mut().zip(turns) {
        (*x, *y) = (*x * cosine - *y * sine, *x * sine + *y * cosine);
    }
}

/// A sum in eight lanes, because the compiler does not reorder floating-point sums.
fn dot(a: &[f32; HEAD], b: &[f32; HEAD]) -> f32 {
    let mut lanes = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

fn add(into: &mut [f32; WIDTH], other: &[f32; WIDTH]) {
    for (into, other) in into.iter_mut().zip(other) {
        *into += other;
    }
}

/// Root-mean-square norm.
fn normalised(state: &[f32; WIDTH], weights: &[f32; WIDTH]) -> [f32; WIDTH] {
    let squares: f64 = state.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let scale = 1.0 / ((squares / WIDTH as f64) as f32 + NORM_EPSILON).sqrt();
    std::array::from_fn(|at| state[at] * scale * weights[at])
}

/// Turns numbers into weights with a sum of one.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits_are_rounded_and_widened_as_in_ggml() {
        for (bits, number) in [
            (0x3C00, 1.0),
            (0x3C01, 1.0 + 1.0 / 1024.0),
            (0x7BFF, 65_504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x0000, 0.0),
        ] {
            assert_eq!((widened(bits), as_half(number)), (number, number));
        }
        assert_eq!(widened(0xC000), -2.0);
        // Ties round to even.
        assert_eq!(as_half(1.0 + 1.0 / 2048.0), 1.0);
        assert_eq!(as_half(1.0 + 3.0 / 2048.0), 1.0 + 2.0 / 1024.0);
        assert_eq!(as_half(8.9e-8), 5.960_464_5e-8);
    }

    #[test]
    fn a_row_in_blocks_is_the_row_within_half_a_step() {
        let numbers: Vec<f32> = (0..WIDTH).map(|at| (at as f32 * 0.37).sin() * (at as f32)).collect();
        let row: [Block<i16>; WIDE] = in_blocks(&numbers);
        for (at, number) in numbers.iter().enumerate() {
            let scale = row[at / BLOCK].scale;
            let found = f32::from(row[at / BLOCK].numbers[at % BLOCK]) * scale;
            assert!((found - number).abs() <= scale * 0.6, "{found} for {number}");
        }
        assert!(in_blocks::<WIDE>(&[0.0; WIDTH]).iter().all(|block| block.scale == 0.0));
    }
}
