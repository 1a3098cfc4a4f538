//! A weight matrix in its file's own quantised form, and its product with activations.

use candle_core::quantized::GgmlType;
use candle_core::quantized::k_quants::{
    BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K, BlockQ8_0,
};
use half::{bf16, f16};
use rayon::prelude::*;

use crate::gguf::TensorKind;

/// Rows that one kernel call handles together.
const ROWS_PER_CALL: usize = 4;
/// Pieces of work per thread, so that a thread which was delayed does not hold up the others.
const PIECES_PER_THREAD: usize = 4;

/// A matrix of `rows` outputs by `columns` inputs.
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    blocks: Box<dyn Product>,
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Matrix({} x {})", self.rows, self.columns)
    }
}

impl Matrix {
    /// A matrix from a tensor's bytes. `data` must have exactly the size that kind and shape demand; the GGUF header
    /// has checked that.
    pub(crate) fn new(kind: TensorKind, rows: usize, columns: usize, data: &[u8]) -> Self {
        debug_assert_eq!(data.len(), rows * columns / kind.block_elements() * kind.block_bytes());
        let blocks: Box<dyn Product> = match kind {
            TensorKind::F32 => Box::new(blocks::<f32>(data)),
            TensorKind::F16 => Box::new(blocks::<f16>(data)),
            TensorKind::Bf16 => Box::new(blocks::<bf16>(data)),
            TensorKind::Q4_0 => Box::new(blocks::<BlockQ4_0>(data)),
            TensorKind::Q4_1 => Box::new(blocks::<BlockQ4_1>(data)),
            TensorKind::Q5_0 => Box::new(blocks::<BlockQ5_0>(data)),
            TensorKind::Q5_1 => Box::new(blocks::<BlockQ5_1>(data)),
            TensorKind::Q8_0 => Box::new(blocks::<BlockQ8_0>(data)),
            TensorKind::Q2K => Box::new(blocks::<BlockQ2K>(data)),
            TensorKind::Q3K => Box::new(blocks::<BlockQ3K>(data)),
            TensorKind::Q4K => Box::new(blocks::<BlockQ4K>(data)),
            TensorKind::Q5K => Box::new(blocks::<BlockQ5K>(data)),
            TensorKind::Q6K => Box::new(blocks::<BlockQ6K>(data)),
        };
        Self { rows, columns, blocks }
    }

    /// `output[t] = self × input[t]` for each of the tokens in `input`, on `threads` threads of the current pool.
    ///
    /// Each output number is computed the same way whatever the number of tokens and threads, so results do not
    /// depend on how a prompt was cut.
    pub(crate) fn multiply(&self, input: &[f32], output: &mut [f32], threads: usize) {
        debug_assert_eq!(input.len() / self.columns * self.rows, output.len());
        self.blocks.multiply(self.columns, self.rows, input, output, threads);
    }

    /// Writes one row as plain numbers.
    pub(crate) fn row(&self, index: usize, output: &mut [f32]) {
        self.blocks.row(index, output);
    }
}

trait Product: Send + Sync {
    fn multiply(&self, columns: usize, rows: usize, input: &[f32], output: &mut [f32], threads: usize);
    fn row(&self, index: usize, output: &mut [f32]);
}

impl<T: GgmlType> Product for Vec<T> {
    fn multiply(&self, columns: usize, rows: usize, input: &[f32], output: &mut [f32], threads: usize) {
        let per_row = columns / T::BLCK_SIZE;
        let mut lhs = vec![T::VecDotType::zeros(); input.len() / T::VecDotType::BLCK_SIZE];
        for (tokens, blocks) in input.chunks_exact(columns).zip(lhs.chunks_exact_mut(per_row)) {
            T::VecDotType::from_float(tokens, blocks);
        }
        let tokens = input.len() / columns;
        if threads <= 1 {
            dot_rows(self, &lhs, columns, per_row, rows, output);
        } else if tokens >= threads {
            let group = tokens.div_ceil(threads);
            output
                .par_chunks_mut(group * rows)
                .zip(lhs.par_chunks(group * per_row))
                .for_each(|(output, lhs)| dot_rows(self, lhs, columns, per_row, rows, output));
        } else {
            let piece = rows.div_ceil(threads * PIECES_PER_THREAD).next_multiple_of(ROWS_PER_CALL);
            for (output, lhs) in output.chunks_exact_mut(rows).zip(lhs.chunks_exact(per_row)) {
                output.par_chunks_mut(piece).enumerate().for_each(|(index, output)| {
                    let first = index * piece * per_row;
                    let weights = &self[first..first + output.len() * per_row];
                    dot_rows(weights, lhs, columns, per_row, output.len(), output);
                });
            }
        }
    }

    fn row(&self, index: usize, output: &mut [f32]) {
        let per_row = output.len() / T::BLCK_SIZE;
        T::to_float(&self[index * per_row..(index + 1) * per_row], output);
    }
}

/// Every row of `weights` with every token of `lhs`; the weights are read once for all tokens.
fn dot_rows<T: GgmlType>(
    weights: &[T],
    lhs: &[T::VecDotType],
    columns: usize,
    per_row: usize,
    rows: usize,
    output: &mut [f32],
) {
    let row = |index: usize| &weights[index * per_row..(index + 1) * per_row];
    let mut first = 0;
    while first + ROWS_PER_CALL <= rows {
        let quad = (row(first), row(first + 1), row(first + 2), row(first + 3));
        for (lhs, output) in lhs.chunks_exact(per_row).zip(output.chunks_exact_mut(rows)) {
            let (a, b, c, d) = T::vec_dot_4(columns, quad.0, quad.1, quad.2, quad.3, lhs);
            output[first..first + ROWS_PER_CALL].copy_from_slice(&[a, b, c, d]);
        }
        first += ROWS_PER_CALL;
    }
    for index in first..rows {
        for (lhs, output) in lhs.chunks_exact(per_row).zip(output.chunks_exact_mut(rows)) {
            output[index] = T::vec_dot(columns, row(index), lhs);
        }
    }
}

#[cfg(target_endian = "big")]
compile_error!("GGUF data is little-endian, and its blocks are used as they stand in the file");

/// The bytes of a file as the blocks they are.
///
/// candle keeps the fields of its blocks private and offers no safe way to make them from bytes without its tensors.
#[expect(unsafe_code, reason = "the one place where file bytes become candle's plain-old-data blocks")]
fn blocks<T: GgmlType>(data: &[u8]) -> Vec<T> {
    let size = size_of::<T>();
    assert_eq!(data.len() % size, 0, "the header's size check makes data whole blocks");
    let count = data.len() / size;
    let mut blocks: Vec<T> = Vec::with_capacity(count);
    // SAFETY: `T` is f32, f16, bf16 or one of candle's `repr(C)` blocks of f16 and byte arrays (the closed match in
    // `Matrix::new` is the only caller), for which every bit pattern is a value and whose size has no padding; the
    // vector has room for `count` of them, `data` holds exactly as many bytes, and the two do not overlap.
    unsafe {
        std::ptr::copy_nonoverlapping(data.as_ptr(), blocks.as_mut_ptr().cast::<u8>(), data.len());
        blocks.set_len(count);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random blocks with small scales: any bytes are a tensor, but not any are of a size that sums stay exact.
    fn random_blocks(kind: TensorKind, count: usize) -> Vec<u8> {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        let size = kind.block_bytes();
        let scales: &[usize] = match kind {
            TensorKind::F32 | TensorKind::F16 | TensorKind::Bf16 => &[],
            TensorKind::Q4_0 | TensorKind::Q5_0 | TensorKind::Q8_0 => &[0],
            TensorKind::Q4_1 | TensorKind::Q5_1 | TensorKind::Q4K | TensorKind::Q5K => &[0, 2],
            TensorKind::Q2K => &[80, 82],
            TensorKind::Q3K => &[108],
            TensorKind::Q6K => &[208],
        };
        let mut data = Vec::new();
        for _ in 0..count {
            let number = random() as f32 / u32::MAX as f32 - 0.25;
            match kind {
                TensorKind::F32 => data.extend(number.to_le_bytes()),
                TensorKind::F16 => data.extend(f16::from_f32(number).to_le_bytes()),
                TensorKind::Bf16 => data.extend(bf16::from_f32(number).to_le_bytes()),
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
                    let start = data.len();
                    data.extend((0..size).map(|_| random() as u8));
                    for at in scales {
                        data[start + at..start + at + 2].copy_from_slice(&f16::from_f32(0.001).to_le_bytes());
                    }
                }
            }
        }
        data
    }

    fn check(kind: TensorKind, rows: usize, tokens: usize) {
        let columns = 512;
        let data = random_blocks(kind, rows * columns / kind.block_elements());
        let matrix = Matrix::new(kind, rows, columns, &data);
        let input: Vec<f32> =
            (0..tokens * columns).map(|at| ((at * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let mut expected = Vec::new();
        let mut row = vec![0.0; columns];
        for token in input.chunks_exact(columns) {
            for index in 0..rows {
                matrix.row(index, &mut row);
                let size = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                expected.push((row.iter().zip(token).map(|(a, b)| a * b).sum::<f32>(), size));
            }
        }
        let mut outputs = Vec::new();
        for threads in [1, 2, 3] {
            let mut output = vec![0.0; tokens * rows];
            matrix.multiply(&input, &mut output, threads);
            for (at, (found, (exact, size))) in output.iter().zip(&expected).enumerate() {
                // Activations have 8 bits; the error of a row grows with its length, not with the product.
                assert!(
                    (found - exact).abs() < 0.15 * size,
                    "{kind:?} {at}: {found}, exactly {exact} of {size}"
                );
            }
            outputs.push(output);
        }
        assert_eq!(outputs[0], outputs[1], "{kind:?}");
        assert_eq!(outputs[0], outputs[2], "{kind:?}");
    }

    #[test]
    fn products_are_right_for_every_type_on_any_number_of_threads() {
        for kind in [
            TensorKind::F32,
            TensorKind::F16,
            TensorKind::Bf16,
            TensorKind::Q4_0,
            TensorKind::Q4_1,
            TensorKind::Q5_0,
            TensorKind::Q5_1,
            TensorKind::Q8_0,
            TensorKind::Q2K,
            TensorKind::Q3K,
            TensorKind::Q4K,
            TensorKind::Q5K,
            TensorKind::Q6K,
        ] {
            for rows in [1, 6, 32] {
                check(kind, rows, 1);
                check(kind, rows, 5);
            }
        }
    }
}
