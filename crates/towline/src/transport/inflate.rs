//! Decodes compressed bodies as they arrive.

use std::fmt;
use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The number of decoded bytes after which a poll stops and leaves the rest of its input for the next one, so
/// that a decompression bomb is harmless. The decoder's last step and its window may add to it: 128 KiB at
/// most in total.
pub(super) const INFLATED_BYTES_PER_POLL: usize = 32 * 1024;

/// A body that is being decompressed.
pub(super) struct Inflate {
    /// Chosen when the first bytes arrive: `deflate` means zlib in the standard, but raw deflate for some
    /// servers.
    decoder: Option<Decoder>,
    input: Vec<u8>,
    /// Bytes of `input` already decoded.
    at: usize,
    begun: bool,
}

enum Decoder {
    /// Of any number of members (RFC 1952, section 2.2).
    Gzip(MultiGzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Bare(DeflateDecoder<Vec<u8>>),
}

impl Decoder {
    fn gzip() -> Self {
        Self::Gzip(MultiGzDecoder::new(Vec::new()))
    }

    fn deflate(first: u8, second: u8) -> Self {
        let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31);
        if is_zlib {
            Self::Zlib(ZlibDecoder::new(Vec::new()))
        } else {
            Self::Bare(DeflateDecoder::new(Vec::new()))
        }
    }

    /// Number of bytes used; 0 when the compressed body has ended.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.write(bytes),
            Self::Zlib(decoder) => decoder.write(bytes),
            Self::Bare(decoder) => decoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.flush(),
            Self::Zlib(decoder) => decoder.flush(),
            Self::Bare(decoder) => decoder.flush(),
        }
    }

    fn decoded(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut(),
            Self::Bare(decoder) => decoder.get_mut(),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            // These decoders do not distinguish an end from a cut, but take no byte after the end.
            Self::Zlib(_) | Self::Bare(_) => match self.write(&[0])? {
                0 => Ok(()),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}

/// The coding of a `Content-Encoding`.
pub(super) enum Coding {
    Identity,
    Compressed(Box<Inflate>),
    Unknown,
}

impl Coding {
    pub(super) fn of(content_encoding: Option<&str>) -> Self {
        let coding = content_encoding.unwrap_or_default().trim();
        let is = |name: &str| coding.eq_ignore_ascii_case(name);
        if coding.is_empty() || is("identity") {
            Self::Identity
        } else if is("gzip") || is("x-gzip") {
            Self::Compressed(Box::new(Inflate::new(Some(Decoder::gzip()))))
        } else if is("deflate") {
            Self::Compressed(Box::new(Inflate::new(None)))
        } else {
            Self::Unknown
        }
    }
}

impl Inflate {
    fn new(decoder: Option<Decoder>) -> Self {
        Self { decoder, input: Vec::new(), at: 0, begun: false }
    }

    /// The buffer to which compressed bytes are appended. It is empty except for bytes that the limit left
    /// undecoded.
    pub(super) fn input(&mut self) -> &mut Vec<u8> {
        &mut self.input
    }

    /// Decodes the input into `out`, up to the limit, and returns whether it appended anything.
    ///
    /// # Errors
    ///
    /// The bytes are not valid for the encoding.
    pub(super) fn run(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let before = out.len();
        let decoder = match (&mut self.decoder, &self.input[self.at..]) {
            (Some(decoder), _) => decoder,
            (empty @ None, &[first, second, ..]) => empty.insert(Decoder::deflate(first, second)),
            (None, _) => return Ok(false),
        };
        while self.at < self.input.len() && out.len() - before < INFLATED_BYTES_PER_POLL {
            let used = decoder.write(&self.input[self.at..])?;
            if used == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "bytes after the end of the compressed body",
                ));
            }
            self.begun = true;
            self.at += used;
            out.append(decoder.decoded());
        }
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        }
        // The decoder holds at most its window.
        decoder.flush()?;
        out.append(decoder.decoded());
        Ok(out.len() > before)
    }

    /// The compressed bytes have ended.
    ///
    /// # Errors
    ///
    /// The compressed body is incomplete, or its checksum is wrong.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match &mut self.decoder {
            // Some servers announce gzip and send an empty body.
            _ if !self.begun && self.input.is_empty() => Ok(()),
            Some(decoder) => decoder.finish(),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflate").finish_non_exhaustive()
    }
}
