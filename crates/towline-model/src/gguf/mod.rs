//! Reading GGUF: the header here, its values in [`value`], tensor types in [`kind`].
//!
//! Invariant: no bytes make this module panic or allocate more than a small multiple of the file's size. Every length
//! is checked against what is left of the file before anything is reserved for it.

mod kind;
mod read;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom};

use crate::error::LoadError;

pub(crate) use kind::TensorKind;
use read::Reader;
pub(crate) use value::Value;

/// Most keys, and most tensors, that a header may announce.
const MAX_ENTRIES: u64 = 65_536;
/// Most dimensions of a tensor, as in ggml.
const MAX_DIMENSIONS: u32 = 4;
/// Where tensor data is aligned when `general.alignment` is absent, in bytes.
const DEFAULT_ALIGNMENT: u64 = 32;

/// One tensor's entry in the header.
#[derive(Debug, Clone)]
pub(crate) struct TensorInfo {
    pub(crate) name: String,
    pub(crate) kind: TensorKind,
    /// Outermost dimension first: rows, then columns (GGUF itself stores them the other way round).
    pub(crate) shape: Vec<u64>,
    /// From the start of the file, in bytes.
    start: u64,
    /// Size of the data, in bytes.
    pub(crate) size_bytes: u64,
}

/// A GGUF header: keys and the table of tensors. The data itself stays in the file.
#[derive(Debug)]
pub(crate) struct Header {
    /// In the order of the file.
    pub(crate) keys: Vec<(String, Value)>,
    index: HashMap<String, usize>,
    pub(crate) tensors: Vec<TensorInfo>,
    /// Size of everything before the tensors' data, in bytes.
    pub(crate) header_bytes: u64,
    /// Size of the whole file, in bytes.
    pub(crate) file_bytes: u64,
}

impl Header {
    /// Reads and checks a header.
    ///
    /// # Errors
    /// Anything that is not a complete GGUF file of version 2 or 3 whose tensors lie inside the file.
    pub(crate) fn read<R: Read + Seek>(source: R) -> Result<Self, LoadError> {
        let mut reader = Reader::new(source)?;
        if reader.bytes::<4>("the first four bytes")? != *b"GGUF" {
            return Err(LoadError::NotGguf);
        }
        let version = reader.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(LoadError::Version(version));
        }
        let tensor_count = reader.u64("the number of tensors")?;
        let key_count = reader.u64("the number of keys")?;
        for (what, count) in [("the number of tensors", tensor_count), ("the number of keys", key_count)] {
            if count > MAX_ENTRIES {
                return Err(LoadError::malformed(what, format!("{count} is more than {MAX_ENTRIES}")));
            }
        }

        let mut keys = Vec::new();
        let mut index = HashMap::new();
        for number in 0..key_count {
            let key = reader.string(&format!("the name of key {number}"))?;
            let value = Value::read(&mut reader, &key)?;
            if index.insert(key.clone(), keys.len()).is_some() {
                return Err(LoadError::malformed(format!("the key {key}"), "it occurs twice"));
            }
            keys.push((key, value));
        }
        let mut header =
            Self { keys, index, tensors: Vec::new(), header_bytes: 0, file_bytes: reader.file_bytes() };
        header.read_tensors(&mut reader, tensor_count)?;
        Ok(header)
    }

    fn read_tensors<R: Read + Seek>(&mut self, reader: &mut Reader<R>, count: u64) -> Result<(), LoadError> {
        let alignment = self.alignment()?;
        let mut names = HashSet::new();
        for number in 0..count {
            let name = reader.string(&format!("the name of tensor {number}"))?;
            let what = format!("the tensor {name}");
            if !names.insert(name.clone()) {
                return Err(LoadError::malformed(what, "it occurs twice"));
            }
            let dimensions = reader.u32(&what)?;
            if dimensions == 0 || dimensions > MAX_DIMENSIONS {
                return Err(LoadError::malformed(what, format!("it has {dimensions} dimensions")));
            }
            let mut shape = Vec::new();
            for _ in 0..dimensions {
                shape.push(reader.u64(&what)?);
            }
            shape.reverse();
            let kind = TensorKind::from_id(reader.u32(&what)?, &name)?;
            let size_bytes = kind.size_bytes(&shape, &what)?;
            let offset = reader.u64(&what)?;
            if offset % alignment != 0 {
                return Err(LoadError::malformed(what, format!("its offset {offset} is not aligned")));
            }
            self.tensors.push(TensorInfo { name, kind, shape, start: offset, size_bytes });
        }
        self.header_bytes = reader.position();
        let data_start = reader.position().next_multiple_of(alignment);
        for tensor in &mut self.tensors {
            let end = tensor
                .start
                .checked_add(data_start)
                .and_then(|start| start.checked_add(tensor.size_bytes).map(|end| (start, end)));
            match end {
                Some((start, end)) if end <= self.file_bytes => tensor.start = start,
                _ => {
                    return Err(LoadError::Truncated { what: format!("the tensor {}", tensor.name) });
                }
            }
        }
        Ok(())
    }

    fn alignment(&self) -> Result<u64, LoadError> {
        let Some(value) = self.get("general.alignment") else { return Ok(DEFAULT_ALIGNMENT) };
        match value.as_u64() {
            Some(alignment) if alignment.is_power_of_two() && alignment <= 65_536 => Ok(alignment),
            _ => Err(LoadError::malformed("the key general.alignment", "not a power of two")),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.index.get(key).map(|&at| &self.keys[at].1)
    }

    /// A key that must be there and be text.
    pub(crate) fn text(&self, key: &str) -> Result<&str, LoadError> {
        let value = self.get(key).ok_or_else(|| LoadError::MissingKey(key.to_owned()))?;
        value.as_str().ok_or_else(|| LoadError::malformed(format!("the key {key}"), "not a text"))
    }

    /// A key that may be absent, and is a whole number not below zero where it is there.
    pub(crate) fn optional_u64(&self, key: &str) -> Result<Option<u64>, LoadError> {
        self.get(key)
            .map(|value| {
                value.as_u64().ok_or_else(|| {
                    LoadError::malformed(format!("the key {key}"), "not a whole number from zero up")
                })
            })
            .transpose()
    }

    /// A key that may be absent, and is a finite number where it is there.
    pub(crate) fn optional_f32(&self, key: &str) -> Result<Option<f32>, LoadError> {
        self.get(key)
            .map(|value| {
                value
                    .as_f32()
                    .filter(|number| number.is_finite())
                    .ok_or_else(|| LoadError::malformed(format!("the key {key}"), "not a number"))
            })
            .transpose()
    }

    /// A key that may be absent, and is true or false where it is there.
    pub(crate) fn optional_bool(&self, key: &str) -> Result<Option<bool>, LoadError> {
        self.get(key)
            .map(|value| {
                value
                    .as_bool()
                    .ok_or_else(|| LoadError::malformed(format!("the key {key}"), "not true or false"))
            })
            .transpose()
    }

    /// Reads one tensor's data.
    ///
    /// # Errors
    /// When the file cannot be read, or became shorter since its header was read.
    pub(crate) fn read_data<R: Read + Seek>(
        &self,
        source: &mut R,
        tensor: &TensorInfo,
    ) -> Result<Vec<u8>, LoadError> {
        let io = |source| LoadError::Io { what: format!("the tensor {}", tensor.name), source };
        source.seek(SeekFrom::Start(tensor.start)).map_err(io)?;
        let mut data = Vec::new();
        source.take(tensor.size_bytes).read_to_end(&mut data).map_err(io)?;
        if data.len() as u64 != tensor.size_bytes {
            return Err(LoadError::Truncated { what: format!("the tensor {}", tensor.name) });
        }
        Ok(data)
    }

    /// How many numbers all tensors hold together.
    pub(crate) fn parameters(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.shape.iter().product::<u64>()).sum()
    }
}
