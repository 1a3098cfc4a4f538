//! Little-endian reads that know how much of the file is left and what they are reading.

use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};

use crate::error::LoadError;

/// Longest text in a header, in bytes; chat templates, the longest texts in use, have tens of thousands.
const MAX_STRING_BYTES: u64 = 16 * 1024 * 1024;

pub(super) struct Reader<R> {
    source: BufReader<R>,
    position: u64,
    file_bytes: u64,
}

impl<R: Read + Seek> Reader<R> {
    pub(super) fn new(mut source: R) -> Result<Self, LoadError> {
        let io = |source| LoadError::Io { what: "the file".into(), source };
        let file_bytes = source.seek(SeekFrom::End(0)).map_err(io)?;
        source.seek(SeekFrom::Start(0)).map_err(io)?;
        Ok(Self { source: BufReader::new(source), position: 0, file_bytes })
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    pub(super) fn remaining(&self) -> u64 {
        self.file_bytes.saturating_sub(self.position)
    }

    fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<(), LoadError> {
        self.source.read_exact(buffer).map_err(|error| {
            if error.kind() == ErrorKind::UnexpectedEof {
                LoadError::Truncated { what: what.to_owned() }
            } else {
                LoadError::Io { what: what.to_owned(), source: error }
            }
        })?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    pub(super) fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], LoadError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, LoadError> {
        Ok(u32::from_le_bytes(self.bytes(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, LoadError> {
        Ok(u64::from_le_bytes(self.bytes(what)?))
    }

    /// A text with its length in front. Bytes that are not UTF-8 become U+FFFD, as published files hold some.
    pub(super) fn string(&mut self, what: &str) -> Result<String, LoadError> {
        let length = self.u64(what)?;
        if length > self.remaining() {
            return Err(LoadError::Truncated { what: what.to_owned() });
        }
        if length > MAX_STRING_BYTES {
            return Err(LoadError::malformed(what, format!("a text of {length} bytes")));
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes, what)?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }
}
