//! A reader for one GGUF file: Brook's.
//!
//! The file is a constant of this crate, and a test checks its checksum. A file of another form is therefore
//! a bug of this crate, and reading it panics with the mismatch.

use serde_json::{Map, Value, json};

/// The alignment of tensor data, in bytes; GGUF's default, which Brook's file uses.
const ALIGNMENT: usize = 32;

/// The file: its keys, and the positions of its tensors.
pub(crate) struct Gguf {
    /// In the order of the file.
    pub(crate) keys: Map<String, Value>,
    pub(crate) tensors: Vec<Tensor>,
    /// The numbers of all tensors.
    data: &'static [u8],
}

/// A tensor in the file.
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// The innermost dimension first, as in the file.
    pub(crate) shape: Vec<usize>,
    /// `F32`, or `Q8_0`: blocks with a 16-bit scale and then 32 8-bit integers.
    pub(crate) kind: &'static str,
    /// From the start of the data, in bytes.
    start: usize,
}

impl Gguf {
    pub(crate) fn read(bytes: &'static [u8]) -> Self {
        let mut reader = Reader { bytes, at: 0 };
        assert_eq!(reader.array(), *b"GGUF", "the first four bytes");
        assert_eq!(reader.u32(), 3, "the version");
        let (tensors, keys) = (reader.length(), reader.length());
        let keys = (0..keys).map(|_| reader.key()).collect();
        let tensors = (0..tensors).map(|_| reader.tensor()).collect();
        Self { keys, tensors, data: &bytes[reader.at.next_multiple_of(ALIGNMENT)..] }
    }

    /// The data from the tensor of this name on, which must have this type and shape.
    pub(crate) fn tensor(&self, name: &str, kind: &str, shape: &[usize]) -> &'static [u8] {
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        let tensor = found.unwrap_or_else(|| panic!("the tensor {name} is missing"));
        assert_eq!((tensor.kind, tensor.shape.as_slice()), (kind, shape), "the tensor {name}");
        &self.data[tensor.start..]
    }

    /// The list of texts under `key`.
    pub(crate) fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        let list = self.keys.get(key).and_then(Value::as_array);
        list.unwrap_or_else(|| panic!("the key {key} is missing")).iter().filter_map(Value::as_str)
    }
}

/// Little-endian reads, one after the other.
struct Reader {
    bytes: &'static [u8],
    at: usize,
}

impl Reader {
    fn take(&mut self, count: usize) -> &'static [u8] {
        self.at += count;
        &self.bytes[self.at - count..self.at]
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N));
        array
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn length(&mut self) -> usize {
        u64::from_le_bytes(self.array()) as usize
    }

    fn text(&mut self) -> String {
        let length = self.length();
        String::from_utf8_lossy(self.take(length)).into_owned()
    }

    fn key(&mut self) -> (String, Value) {
        let (name, kind) = (self.text(), self.u32());
        (name, self.value(kind))
    }

    fn value(&mut self, kind: u32) -> Value {
        match kind {
            4 => json!(self.u32()),
            5 => json!(i32::from_le_bytes(self.array())),
            // Through text, so that 0.00001 is not 0.000009999999747.
            6 => {
                f32::from_le_bytes(self.array()).to_string().parse::<f64>().map_or(Value::Null, |n| json!(n))
            }
            7 => json!(self.array() == [1]),
            8 => json!(self.text()),
            9 => {
                let (kind, length) = (self.u32(), self.length());
                (0..length).map(|_| self.value(kind)).collect()
            }
            other => panic!("a key has the type {other}"),
        }
    }

    fn tensor(&mut self) -> Tensor {
        let (name, dimensions) = (self.text(), self.u32());
        let shape = (0..dimensions).map(|_| self.length()).collect();
        let kind = match self.u32() {
            0 => "F32",
            8 => "Q8_0",
            other => panic!("the tensor {name} has the type {other}"),
        };
        Tensor { name, shape, kind, start: self.length() }
    }
}
