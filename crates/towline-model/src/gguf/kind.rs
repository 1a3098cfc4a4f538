//! Tensor types: which ones are known, and how large they are.

use candle_core::quantized::GgmlDType;

use crate::error::LoadError;

/// How a tensor's numbers are stored. Closed: a type that is not here is refused by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TensorKind {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

impl TensorKind {
    pub(super) fn from_id(id: u32, tensor: &str) -> Result<Self, LoadError> {
        Ok(match id {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            10 => Self::Q2K,
            11 => Self::Q3K,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            other => {
                let name = unsupported_name(other);
                return Err(LoadError::unsupported(format!(
                    "the tensor type {name} (number {other}) of the tensor {tensor}"
                )));
            }
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    fn ggml(self) -> GgmlDType {
        match self {
            Self::F32 => GgmlDType::F32,
            Self::F16 => GgmlDType::F16,
            Self::Bf16 => GgmlDType::BF16,
            Self::Q4_0 => GgmlDType::Q4_0,
            Self::Q4_1 => GgmlDType::Q4_1,
            Self::Q5_0 => GgmlDType::Q5_0,
            Self::Q5_1 => GgmlDType::Q5_1,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q2K => GgmlDType::Q2K,
            Self::Q3K => GgmlDType::Q3K,
            Self::Q4K => GgmlDType::Q4K,
            Self::Q5K => GgmlDType::Q5K,
            Self::Q6K => GgmlDType::Q6K,
        }
    }

    /// Numbers in one block.
    pub(crate) fn block_elements(self) -> usize {
        self.ggml().block_size()
    }

    /// Bytes of one block.
    pub(crate) fn block_bytes(self) -> usize {
        self.ggml().type_size()
    }

    /// The size in bytes of a tensor of this shape (outermost dimension first).
    pub(super) fn size_bytes(self, shape: &[u64], what: &str) -> Result<u64, LoadError> {
        let block = self.block_elements() as u64;
        let columns = shape.last().copied().unwrap_or(0);
        if columns == 0 || columns % block != 0 {
            return Err(LoadError::malformed(
                what,
                format!("rows of {columns} numbers are not whole blocks of {block}"),
            ));
        }
        shape
            .iter()
            .try_fold(1_u64, |product, &dimension| product.checked_mul(dimension))
            .and_then(|elements| (elements / block).checked_mul(self.block_bytes() as u64))
            .filter(|&bytes| bytes > 0)
            .ok_or_else(|| LoadError::malformed(what, format!("the shape {shape:?} is impossible")))
    }
}

/// Names of ggml's other types, for the refusal.
fn unsupported_name(id: u32) -> &'static str {
    match id {
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => "unknown",
    }
}
