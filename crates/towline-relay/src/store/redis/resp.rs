//! RESP2, the protocol of Redis and Valkey: encodes commands and parses replies.

use bytes::{Buf, Bytes, BytesMut};

/// Maximum nesting of arrays; no command used here has a deeper reply.
const DEEPEST: usize = 8;
/// Maximum length of a text in a reply, in bytes: the server's own limit.
const LONGEST: usize = 512 << 20;
/// Maximum number of replies in one array.
const MOST: usize = 1 << 24;

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status text, such as `OK`.
    Said(String),
    /// The command failed. The text begins with a word in capitals.
    Failed(String),
    Number(i64),
    Bytes(Bytes),
    None,
    Many(Vec<Reply>),
}

/// The error for bytes that violate the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not speak the Redis protocol")]
pub(crate) struct NotResp;

/// Commands that are sent together.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    bytes: Vec<u8>,
    count: usize,
}

impl Commands {
    pub(crate) fn one(parts: &[&[u8]]) -> Self {
        let mut commands = Self::default();
        commands.push(parts);
        commands
    }

    pub(crate) fn push<T: AsRef<[u8]>>(&mut self, parts: &[T]) {
        self.head(b'*', parts.len());
        for part in parts {
            self.head(b'$', part.as_ref().len());
            self.bytes.extend_from_slice(part.as_ref());
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.count += 1;
    }

    fn head(&mut self, kind: u8, count: usize) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(count.to_string().as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// The number of replies that they get.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Reply {
    /// Takes one reply from the beginning of `bytes`; `None` until it is complete.
    ///
    /// # Errors
    /// Bytes that are not a reply.
    pub(crate) fn take(bytes: &mut BytesMut) -> Result<Option<Self>, NotResp> {
        let Some(length) = length(bytes, DEEPEST)? else { return Ok(None) };
        let mut whole = bytes.split_to(length).freeze();
        Self::read(&mut whole).map(Some)
    }

    /// Reads a complete reply.
    fn read(bytes: &mut Bytes) -> Result<Self, NotResp> {
        let (kind, line) = take_line(bytes)?;
        let text = || String::from_utf8_lossy(&line).into_owned();
        Ok(match kind {
            b'+' => Self::Said(text()),
            b'-' => Self::Failed(text()),
            b':' => Self::Number(number(&line)?),
            b'$' => match usize::try_from(number(&line)?) {
                Err(_) => Self::None,
                Ok(count) => {
                    let found = bytes.split_to(count.min(bytes.len()));
                    bytes.advance(2.min(bytes.len()));
                    Self::Bytes(found)
                }
            },
            b'*' => match usize::try_from(number(&line)?) {
                Err(_) => Self::None,
                Ok(count) => Self::Many((0..count).map(|_| Self::read(bytes)).collect::<Result<_, _>>()?),
            },
            _ => return Err(NotResp),
        })
    }

    /// The error of a failed command.
    pub(crate) fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(why) => Some(why),
            Self::Said(_) | Self::Number(_) | Self::Bytes(_) | Self::None | Self::Many(_) => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Said(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Failed(_) | Self::Number(_) | Self::None | Self::Many(_) => None,
        }
    }

    /// A number, also one that is sent as text.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Said(_) | Self::Bytes(_) => self.text()?.parse().ok(),
            Self::Failed(_) | Self::None | Self::Many(_) => None,
        }
    }

    pub(crate) fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Said(_) | Self::Failed(_) | Self::Number(_) | Self::None | Self::Many(_) => None,
        }
    }

    pub(crate) fn many(&self) -> &[Self] {
        match self {
            Self::Many(many) => many,
            Self::Said(_) | Self::Failed(_) | Self::Number(_) | Self::Bytes(_) | Self::None => &[],
        }
    }
}

fn take_line(bytes: &mut Bytes) -> Result<(u8, Bytes), NotResp> {
    let end = line_end(bytes).ok_or(NotResp)?;
    let mut line = bytes.split_to(end);
    bytes.advance(2);
    if line.is_empty() {
        return Err(NotResp);
    }
    let kind = line.split_to(1);
    Ok((kind[0], line))
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n")
}

fn number(line: &[u8]) -> Result<i64, NotResp> {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(NotResp)
}

/// The length of the first reply, in bytes; `None` until it is complete.
fn length(bytes: &[u8], depth: usize) -> Result<Option<usize>, NotResp> {
    const LONGEST_HEAD: usize = 64 << 10;
    let Some(end) = line_end(&bytes[..bytes.len().min(LONGEST_HEAD)]) else {
        return if bytes.len() < LONGEST_HEAD { Ok(None) } else { Err(NotResp) };
    };
    let head = end + 2;
    let Some((kind, line)) = bytes[..end].split_first() else { return Err(NotResp) };
    let whole = match kind {
        b'+' | b'-' | b':' => head,
        b'$' => match usize::try_from(number(line)?) {
            Err(_) => head,
            Ok(count) if count <= LONGEST => head + count + 2,
            Ok(_) => return Err(NotResp),
        },
        b'*' => {
            let count = usize::try_from(number(line)?).unwrap_or(0);
            if count > MOST || depth == 0 {
                return Err(NotResp);
            }
            let mut at = head;
            for _ in 0..count {
                match length(&bytes[at.min(bytes.len())..], depth - 1)? {
                    Some(length) => at += length,
                    None => return Ok(None),
                }
            }
            at
        }
        _ => return Err(NotResp),
    };
    Ok((whole <= bytes.len()).then_some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &[u8] = b"*3\r\n$7\r\nmessage\r\n$-1\r\n*2\r\n:12\r\n+OK\r\n-ERR no\r\n";

    fn replies() -> Vec<Reply> {
        let inner = Reply::Many(vec![Reply::Number(12), Reply::Said("OK".into())]);
        let first = Reply::Many(vec![Reply::Bytes("message".into()), Reply::None, inner]);
        vec![first, Reply::Failed("ERR no".into())]
    }

    #[test]
    fn replies_are_the_same_however_they_are_cut() {
        for cut in 0..MESSAGES.len() {
            let mut bytes = BytesMut::from(&MESSAGES[..cut]);
            let mut replies = Vec::new();
            while let Some(reply) = Reply::take(&mut bytes).unwrap() {
                replies.push(reply);
            }
            bytes.extend_from_slice(&MESSAGES[cut..]);
            while let Some(reply) = Reply::take(&mut bytes).unwrap() {
                replies.push(reply);
            }
            assert_eq!(replies, self::replies(), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_and_never_panics() {
        for wrong in ["HTTP/1.1 400\r\n", "\r\n", "$x\r\n", "*99999999999\r\n", "$99999999999\r\n", ":\r\n"] {
            assert_eq!(Reply::take(&mut BytesMut::from(wrong)), Err(NotResp), "{wrong:?}");
        }
        let deep = "*1\r\n".repeat(100);
        assert_eq!(Reply::take(&mut BytesMut::from(deep.as_str())), Err(NotResp));
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let alphabet = b"*$+-:0123\r\nab";
            let bytes: Vec<u8> = (0..40).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let mut bytes = BytesMut::from(bytes.as_slice());
            while let Ok(Some(_)) = Reply::take(&mut bytes) {}
        }
    }

    #[test]
    fn commands_are_arrays_of_texts() {
        let mut commands = Commands::one(&[b"GET", b"a"]);
        commands.push(&["SET", "b", ""]);
        assert_eq!(
            std::str::from_utf8(commands.bytes()).unwrap(),
            "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$0\r\n\r\n"
        );
        assert_eq!(commands.count(), 2);
    }
}
