//! Decodes bytes on the wire into bytes of the body.

use super::BodyFraming;

/// Maximum length of a chunk size line, including extensions, in bytes. Extensions are skipped.
pub const CHUNK_LINE_BYTES: usize = 16 * 1024;

/// Maximum size of the trailer fields after the last chunk, in bytes. Trailers are skipped.
pub const TRAILER_BYTES: usize = 16 * 1024;

/// The result of one [`BodyDecoder::push`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that belong to this body, framing included. Less than the input only if `complete`;
    /// the rest then belongs to no request, and the connection must not be reused.
    pub consumed: usize,
    /// Whether the body has come to its end.
    pub complete: bool,
}

/// The reason why a body was rejected. Bytes that were decoded before stay valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk does not start with a hexadecimal size.
    #[error("malformed chunk: no size")]
    ChunkSize,
    /// A chunk size of more than 64 bits.
    #[error("malformed chunk: the size overflows")]
    ChunkSizeOverflow,
    /// CR and LF are missing at the end of a line or a chunk.
    #[error("malformed chunk: CR LF expected")]
    LineEnd,
    /// A line with a chunk size is longer than [`CHUNK_LINE_BYTES`].
    #[error("a chunk line exceeds the limit CHUNK_LINE_BYTES = {CHUNK_LINE_BYTES}")]
    ChunkLine,
    /// The trailers are longer than [`TRAILER_BYTES`].
    #[error("the trailers exceed the limit TRAILER_BYTES = {TRAILER_BYTES}")]
    Trailer,
    /// The peer closed before the body's framing ended.
    #[error("the body ended early")]
    Incomplete,
}

/// Decodes the bytes after a response head and appends the body to a buffer.
///
/// It holds no bytes itself. Every split of the input gives the same body.
#[derive(Debug, Clone)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// This many bytes to go; not 0.
    Length(u64),
    Chunked(Chunked),
    UntilEof,
    Complete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunked {
    /// At the first digit of a chunk size.
    Size,
    /// Behind a digit of a chunk size.
    SizeDigits {
        size: u64,
        line_bytes: usize,
    },
    /// In the spaces behind a chunk size.
    SizeSpace {
        size: u64,
        line_bytes: usize,
    },
    /// In a chunk extension.
    Extension {
        size: u64,
        line_bytes: usize,
    },
    /// At the line feed that ends a chunk size.
    SizeLineFeed {
        size: u64,
    },
    /// This many bytes of the chunk to go; not 0.
    Data {
        remaining: u64,
    },
    DataReturn,
    DataLineFeed,
    /// At the start of a trailer line or the empty line that ends the body.
    TrailerStart {
        bytes: usize,
    },
    Trailer {
        bytes: usize,
    },
    TrailerLineFeed {
        bytes: usize,
    },
    EndLineFeed,
}

impl BodyDecoder {
    /// A decoder for a body with this framing.
    pub fn new(framing: BodyFraming) -> Self {
        let state = match framing {
            BodyFraming::Empty | BodyFraming::Length(0) => State::Complete,
            BodyFraming::Length(length) => State::Length(length),
            BodyFraming::Chunked => State::Chunked(Chunked::Size),
            BodyFraming::UntilEof => State::UntilEof,
        };
        Self { state }
    }

    /// Whether the body has come to its end.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Appends the bytes of the body in `input` to `out`. `out` grows by at most `input.len()`.
    ///
    /// # Errors
    ///
    /// [`BodyError`]; the decoder is unusable afterwards. Bytes that were appended before the error are part
    /// of the body.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Decoded, BodyError> {
        let consumed = match self.state {
            State::Complete => 0,
            State::UntilEof => {
                out.extend_from_slice(input);
                input.len()
            }
            State::Length(remaining) => {
                let taken = at_most(input, remaining);
                out.extend_from_slice(taken);
                let remaining = remaining - taken.len() as u64;
                self.state = if remaining == 0 { State::Complete } else { State::Length(remaining) };
                taken.len()
            }
            State::Chunked(state) => {
                let mut cursor = Cursor { input, at: 0, out };
                let next = cursor.run(state)?;
                self.state = next.map_or(State::Complete, State::Chunked);
                cursor.at
            }
        };
        Ok(Decoded { consumed, complete: self.is_complete() })
    }

    /// The peer has closed.
    ///
    /// # Errors
    ///
    /// [`BodyError::Incomplete`], unless the body was complete, or the close of the connection ends it.
    pub fn finish(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Complete => Ok(()),
            State::UntilEof => {
                self.state = State::Complete;
                Ok(())
            }
            State::Length(_) | State::Chunked(_) => Err(BodyError::Incomplete),
        }
    }
}

fn at_most(input: &[u8], bytes: u64) -> &[u8] {
    let end = usize::try_from(bytes).map_or(input.len(), |bytes| bytes.min(input.len()));
    &input[..end]
}

struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
    out: &'a mut Vec<u8>,
}

impl Cursor<'_> {
    /// Runs until the input is used up (the state to continue from) or the body is complete (`None`).
    fn run(&mut self, mut state: Chunked) -> Result<Option<Chunked>, BodyError> {
        self.out.reserve(self.input.len());
        loop {
            if state == Chunked::Size {
                self.whole_chunks();
            }
            if let Chunked::Data { remaining } = state {
                let taken = at_most(&self.input[self.at..], remaining);
                self.out.extend_from_slice(taken);
                self.at += taken.len();
                let remaining = remaining - taken.len() as u64;
                if remaining > 0 {
                    return Ok(Some(Chunked::Data { remaining }));
                }
                state = Chunked::DataReturn;
            }
            let Some(&byte) = self.input.get(self.at) else {
                return Ok(Some(state));
            };
            self.at += 1;
            state = match state.step(byte)? {
                Some(next) => next,
                None => return Ok(None),
            };
        }
    }

    /// The fast path: chunks that are in the input from the first digit of their size to the CR LF after
    /// their data. Stops before the first chunk that is split, is the last, has an extension, or is
    /// malformed.
    #[inline]
    fn whole_chunks(&mut self) {
        let mut rest = &self.input[self.at..];
        while let Some((size, digits)) = short_size(rest) {
            let data = digits + 2;
            let Some(chunk) = rest.get(..data + size + 2) else {
                break;
            };
            if size == 0 || chunk[digits..data] != *b"\r\n" || chunk[data + size..] != *b"\r\n" {
                break;
            }
            self.out.extend_from_slice(&chunk[data..data + size]);
            rest = &rest[chunk.len()..];
        }
        self.at = self.input.len() - rest.len();
    }
}

/// A size of one to seven digits, and how many digits.
#[inline]
fn short_size(input: &[u8]) -> Option<(usize, usize)> {
    let mut size = 0;
    for (at, &byte) in input.iter().take(8).enumerate() {
        let digit = DIGITS[byte as usize];
        if digit == NO_DIGIT {
            return (at > 0).then_some((size, at));
        }
        size = size << 4 | digit as usize;
    }
    None
}

const NO_DIGIT: u8 = 0xff;

/// The value of each hexadecimal digit.
static DIGITS: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        table[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};

impl Chunked {
    /// One byte of framing; `None` when it was the last of the body.
    fn step(self, byte: u8) -> Result<Option<Self>, BodyError> {
        Ok(Some(match self {
            Self::Size => match DIGITS[byte as usize] {
                NO_DIGIT => return Err(BodyError::ChunkSize),
                digit => Self::SizeDigits { size: digit.into(), line_bytes: 1 },
            },
            Self::SizeDigits { size, line_bytes } => match (byte, DIGITS[byte as usize]) {
                (b'\r', _) => Self::SizeLineFeed { size },
                (b';', _) => Self::Extension { size, line_bytes: longer(line_bytes)? },
                (b' ' | b'\t', _) => Self::SizeSpace { size, line_bytes: longer(line_bytes)? },
                (_, NO_DIGIT) => return Err(BodyError::ChunkSize),
                (_, digit) => {
                    let size = size.checked_mul(16).ok_or(BodyError::ChunkSizeOverflow)? | u64::from(digit);
                    Self::SizeDigits { size, line_bytes: longer(line_bytes)? }
                }
            },
            Self::SizeSpace { size, line_bytes } => match byte {
                b'\r' => Self::SizeLineFeed { size },
                b';' => Self::Extension { size, line_bytes: longer(line_bytes)? },
                b' ' | b'\t' => Self::SizeSpace { size, line_bytes: longer(line_bytes)? },
                _ => return Err(BodyError::ChunkSize),
            },
            Self::Extension { size, line_bytes } => match byte {
                b'\r' => Self::SizeLineFeed { size },
                b'\n' => return Err(BodyError::LineEnd),
                _ => Self::Extension { size, line_bytes: longer(line_bytes)? },
            },
            Self::SizeLineFeed { size } => match (byte, size) {
                (b'\n', 0) => Self::TrailerStart { bytes: 0 },
                (b'\n', _) => Self::Data { remaining: size },
                _ => return Err(BodyError::LineEnd),
            },
            // `run` takes data in bulk; a byte that reaches this point belongs to the chunk.
            Self::Data { .. } => unreachable!("data is copied before the framing is stepped"),
            Self::DataReturn => match byte {
                b'\r' => Self::DataLineFeed,
                _ => return Err(BodyError::LineEnd),
            },
            Self::DataLineFeed => match byte {
                b'\n' => Self::Size,
                _ => return Err(BodyError::LineEnd),
            },
            Self::TrailerStart { bytes } => match byte {
                b'\r' => Self::EndLineFeed,
                b'\n' => return Err(BodyError::LineEnd),
                _ => Self::Trailer { bytes: longer_trailer(bytes)? },
            },
            Self::Trailer { bytes } => match byte {
                b'\r' => Self::TrailerLineFeed { bytes: longer_trailer(bytes)? },
                b'\n' => return Err(BodyError::LineEnd),
                _ => Self::Trailer { bytes: longer_trailer(bytes)? },
            },
            Self::TrailerLineFeed { bytes } => match byte {
                b'\n' => Self::TrailerStart { bytes: longer_trailer(bytes)? },
                _ => return Err(BodyError::LineEnd),
            },
            Self::EndLineFeed => match byte {
                b'\n' => return Ok(None),
                _ => return Err(BodyError::LineEnd),
            },
        }))
    }
}

fn longer(line_bytes: usize) -> Result<usize, BodyError> {
    if line_bytes < CHUNK_LINE_BYTES { Ok(line_bytes + 1) } else { Err(BodyError::ChunkLine) }
}

fn longer_trailer(bytes: usize) -> Result<usize, BodyError> {
    if bytes < TRAILER_BYTES { Ok(bytes + 1) } else { Err(BodyError::Trailer) }
}

#[cfg(test)]
mod tests;
