//! How far what is written survives.

use std::time::Duration;

use super::units::length;

/// When what was written is made to survive the end of the machine. The end of the process loses nothing either way.
///
/// Written as `always`, `never`, or a time as `1s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Fsync {
    /// Before readers see it.
    Always,
    /// So often. Default: every second.
    Every(Duration),
    /// When the system likes.
    Never,
}

impl Default for Fsync {
    fn default() -> Self {
        Self::Every(Duration::from_secs(1))
    }
}

/// A text that names no time to sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected always, never, or a time as 1s")]
pub struct NotAFsync;

impl std::str::FromStr for Fsync {
    type Err = NotAFsync;

    fn from_str(text: &str) -> Result<Self, NotAFsync> {
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => match length(text) {
                Some(time) if !time.is_zero() => Ok(Self::Every(time)),
                Some(_) | None => Err(NotAFsync),
            },
        }
    }
}

impl TryFrom<String> for Fsync {
    type Error = NotAFsync;

    fn try_from(text: String) -> Result<Self, NotAFsync> {
        text.parse()
    }
}
