//! The values of GGUF keys.

use std::io::{Read, Seek};

use super::read::Reader;
use crate::error::LoadError;

/// Most elements of one array; the largest in use (merges) have under a million.
const MAX_ARRAY_ELEMENTS: u64 = 4_194_304;
/// How deep arrays may lie in arrays; nothing in use goes beyond one.
const MAX_ARRAY_DEPTH: u32 = 2;

/// A key's value. Numbers are widened; the file's own width is not kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Array(Vec<Value>),
}

impl Value {
    pub(super) fn read<R: Read + Seek>(reader: &mut Reader<R>, key: &str) -> Result<Self, LoadError> {
        let what = format!("the key {key}");
        let type_id = reader.u32(&what)?;
        Self::read_typed(reader, type_id, &what, 0)
    }

    fn read_typed<R: Read + Seek>(
        reader: &mut Reader<R>,
        type_id: u32,
        what: &str,
        depth: u32,
    ) -> Result<Self, LoadError> {
        Ok(match type_id {
            0 => Self::Unsigned(u8::from_le_bytes(reader.bytes(what)?).into()),
            1 => Self::Signed(i8::from_le_bytes(reader.bytes(what)?).into()),
            2 => Self::Unsigned(u16::from_le_bytes(reader.bytes(what)?).into()),
            3 => Self::Signed(i16::from_le_bytes(reader.bytes(what)?).into()),
            4 => Self::Unsigned(reader.u32(what)?.into()),
            5 => Self::Signed(i32::from_le_bytes(reader.bytes(what)?).into()),
            6 => Self::Float(f32::from_le_bytes(reader.bytes(what)?).into()),
            7 => match reader.bytes::<1>(what)? {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                [other] => {
                    return Err(LoadError::malformed(what, format!("{other} is not true or false")));
                }
            },
            8 => Self::Text(reader.string(what)?),
            9 => Self::read_array(reader, what, depth + 1)?,
            10 => Self::Unsigned(reader.u64(what)?),
            11 => Self::Signed(i64::from_le_bytes(reader.bytes(what)?)),
            12 => Self::Float(f64::from_le_bytes(reader.bytes(what)?)),
            other => return Err(LoadError::malformed(what, format!("it has the unknown type {other}"))),
        })
    }

    fn read_array<R: Read + Seek>(reader: &mut Reader<R>, what: &str, depth: u32) -> Result<Self, LoadError> {
        if depth > MAX_ARRAY_DEPTH {
            return Err(LoadError::malformed(what, "its arrays are nested too deep"));
        }
        let type_id = reader.u32(what)?;
        let length = reader.u64(what)?;
        if length > reader.remaining() {
            return Err(LoadError::Truncated { what: what.to_owned() });
        }
        if length > MAX_ARRAY_ELEMENTS {
            return Err(LoadError::malformed(what, format!("an array of {length} elements")));
        }
        let mut elements = Vec::new();
        for _ in 0..length {
            elements.push(Self::read_typed(reader, type_id, what, depth)?);
        }
        Ok(Self::Array(elements))
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Signed(number) => u64::try_from(*number).ok(),
            Self::Float(_) | Self::Bool(_) | Self::Text(_) | Self::Array(_) => None,
        }
    }

    pub(crate) fn as_f32(&self) -> Option<f32> {
        match self {
            Self::Float(number) => Some(*number as f32),
            Self::Unsigned(number) => Some(*number as f32),
            Self::Signed(number) => Some(*number as f32),
            Self::Bool(_) | Self::Text(_) | Self::Array(_) => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) | Self::Text(_) | Self::Array(_) => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) | Self::Bool(_) | Self::Array(_) => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) => Some(elements),
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) | Self::Bool(_) | Self::Text(_) => None,
        }
    }
}
