//! The durability of written data.

use std::time::Duration;

use super::units::length;

/// When written data is synced to the disk. The end of the process loses nothing in any case.
///
/// Written as `always`, `never`, or a time such as `1s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Fsync {
    /// Before readers see it.
    Always,
    /// At this interval. Default: every second.
    Every(Duration),
    /// When the operating system decides.
    Never,
}

impl Default for Fsync {
    fn default() -> Self {
        Self::Every(Duration::from_secs(1))
    }
}

/// The error for an invalid text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected always, never, or a time such as 1s")]
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
