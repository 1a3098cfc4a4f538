//! The names, ids and offsets of the relay's interface.

use towline_core::error::{Error, ErrorKind, Fault};

/// Asks for a job that outlives its connection.
pub(super) const DETACH: &str = "Towline-Detach";
/// Identifies a request, so that it can be sent again without running twice.
pub(super) const REQUEST_ID: &str = "Towline-Request-Id";
/// The name for the job.
pub(super) const NAME: &str = "Towline-Name";
/// The conversation of the job, and its turn there.
pub(super) const CONVERSATION: &str = "Towline-Conversation";
pub(super) const TURN: &str = "Towline-Turn";
/// The client that asks.
pub(super) const ASKED_BY: &str = "Towline-Asked-By";
/// The group of the job, and how many jobs of the group run at once.
pub(super) const GROUP: &str = "Towline-Group";
pub(super) const GROUP_RUNNING: &str = "Towline-Group-Running";
/// `answer`: the relay keeps only the answer, not the request.
pub(super) const KEEP: &str = "Towline-Keep";
/// Seconds from the request to the job's end.
pub(super) const DEADLINE: &str = "Towline-Deadline";
/// The id of the stream that a response belongs to.
pub(super) const STREAM: &str = "towline-stream";
/// The offset at which the body begins, or where the next one would.
pub(super) const NEXT_OFFSET: &str = "stream-next-offset";
/// Nothing will follow.
pub(super) const CLOSED: &str = "stream-closed";
/// The body reaches the current end of the log.
pub(super) const UP_TO_DATE: &str = "stream-up-to-date";
/// The relay no longer waits for this reader.
pub(super) const LAGGED: &str = "towline-lagged";

/// The longest id.
const ID_BYTES: usize = 128;

/// The id of a stream, or a handle of a job: its name, its number (`%3`), or a unique prefix of its id. It is
/// validated, so that it cannot change the rest of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamId(String);

impl StreamId {
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for a text that cannot be an id or a name.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let is_named = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let is_handle = text.strip_prefix('%').map_or_else(
            || !text.is_empty() && text.chars().all(is_named) && !text.starts_with('.'),
            is_number,
        );
        if text.len() <= ID_BYTES && is_handle {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
        let message = format!(
            "{shown:?} is neither the id nor the name of an answer: these have only letters, digits, -, _ and .; a number is written %3"
        );
        Err(Error::new(ErrorKind::InvalidRequest, Fault::Caller, message))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A position in a log: the number of bytes before it, and the incarnation of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Position {
    pub(super) byte: u64,
    /// As the relay wrote it; `None` before its first response.
    incarnation: Option<String>,
}

impl Position {
    /// Reads `<incarnation>_<byte>`.
    pub(super) fn parse(offset: &str) -> Option<Self> {
        let (incarnation, byte) = offset.split_once('_')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(incarnation) || !digits(byte) {
            return None;
        }
        Some(Self { byte: byte.parse().ok()?, incarnation: Some(incarnation.to_owned()) })
    }

    /// The same log, at another byte.
    pub(super) fn at(&self, byte: u64) -> Self {
        Self { byte, incarnation: self.incarnation.clone() }
    }

    /// The form in which it is requested.
    pub(super) fn offset(&self) -> String {
        match &self.incarnation {
            None => "-1".to_owned(),
            Some(incarnation) => format!("{incarnation}_{:016}", self.byte),
        }
    }
}

/// A unique id for a request.
pub(super) fn request_id() -> String {
    // Not a secret: it only has to differ from the owner's other ids.
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

/// An error for a response that no relay sends.
pub(super) fn odd(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Protocol, Fault::Protocol, message).with_effect(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_and_written() {
        let position = Position::parse("0000000000000003_0000000000000018").unwrap();
        assert_eq!(position.byte, 18);
        assert_eq!(position.at(20).offset(), "0000000000000003_0000000000000020");
        assert_eq!(Position::default().offset(), "-1");
        for text in ["", "_", "1_", "_1", "1_x", "-1_2", "1_99999999999999999999999", "12"] {
            assert_eq!(Position::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        for text in ["", "a/b", "..", ".a", "a?x", "a b", "a%2fb", "%", "%x", "%2f", &"a".repeat(129)] {
            assert_eq!(StreamId::parse(text).unwrap_err().kind, ErrorKind::InvalidRequest, "{text:?}");
        }
        for text in ["Az_-09", "a.b-2", "été-3", "%12"] {
            assert_eq!(StreamId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn request_ids_differ() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
