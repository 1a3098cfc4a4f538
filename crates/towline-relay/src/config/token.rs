//! Tokens: their owners, roles and limits.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::units;
use crate::error::Error;
use crate::id::Owner;
use crate::secret;

/// The minimum length of a token's secret, in bytes.
pub const MIN_SECRET_BYTES: usize = 16;

/// A bearer token and its owner. Exactly one of `secret`, `secret_file` and `secret_sha256` must be set.
#[derive(Clone, Deserialize)]
#[serde(expecting = "a table [[token]]")]
pub struct Token {
    /// The owner of the token. Each owner sees only the owner's streams.
    pub owner: Owner,
    /// The secret, 16 bytes or more.
    pub secret: Option<String>,
    /// A file that contains only the secret, read at the start.
    pub secret_file: Option<PathBuf>,
    /// The SHA-256 of the secret, in hexadecimal: the configuration then contains no secret.
    pub secret_sha256: Option<String>,
    /// The time from which it is refused: a date (UTC), or a time such as 2027-01-31T12:00:00Z. Default:
    /// never.
    #[serde(default, deserialize_with = "units::written_moment")]
    pub expires: Option<Timestamp>,
    /// Its roles. Default: all except `admin`.
    pub roles: Option<Vec<Role>>,
    /// The maximum number of requests for answers per minute, for all tokens of the owner. Default: no limit.
    pub requests_per_minute: Option<u32>,
    /// The maximum number of answer tokens per day (UTC), for all tokens of the owner, as model servers count
    /// them. Default: no limit.
    pub tokens_per_day: Option<u64>,
    /// The maximum number of running answers, for all tokens of the owner, at least 1; further ones are
    /// queued. Default: the owner's share of [`RelayLimits::running`](crate::RelayLimits::running), which
    /// always applies.
    pub running: Option<usize>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, <hidden>)", self.owner.as_str())
    }
}

impl Token {
    /// A token with this secret.
    pub fn new(owner: &str, secret: &str) -> Self {
        Self {
            owner: Owner::named(owner),
            secret: Some(secret.to_owned()),
            secret_file: None,
            secret_sha256: None,
            expires: None,
            roles: None,
            requests_per_minute: None,
            tokens_per_day: None,
            running: None,
        }
    }
}

/// The role of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// List and read the owner's streams; list the models of model servers.
    Read,
    /// Ask for answers and control them; write streams.
    Ask,
    /// Pull, push, create, copy and delete models.
    Models,
    /// Read `/metrics`.
    Metrics,
    /// All of these, and the rights of the relay's own user on this machine: list and revoke the devices of
    /// every owner, and shut the relay down.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Ask => "ask",
            Self::Models => "models",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        })
    }
}

/// The rights of a caller. Default: everything except the operator's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Roles(u8);

impl Default for Roles {
    fn default() -> Self {
        Self::PLAIN
    }
}

impl Roles {
    /// Everything.
    pub(crate) const ALL: Self = Self(31);
    /// Everything except the operator's rights.
    pub(crate) const PLAIN: Self = Self(15);

    /// The same without the operator's rights.
    #[must_use]
    pub(crate) fn plain(self) -> Self {
        Self(self.0 & Self::PLAIN.0)
    }

    pub(crate) fn of(roles: &[Role]) -> Self {
        Self(roles.iter().fold(0, |all, role| all | Self::bit(*role)))
    }

    fn bit(role: Role) -> u8 {
        match role {
            Role::Read => 1,
            Role::Ask => 2,
            Role::Models => 4,
            Role::Metrics => 8,
            Role::Admin => Self::ALL.0,
        }
    }

    /// Whether they include `role`.
    pub(crate) fn allow(self, role: Role) -> bool {
        self.0 & Self::bit(role) == Self::bit(role)
    }
}

/// A new secret, and its digest for a configuration.
#[derive(Clone)]
pub struct NewSecret {
    /// For the owner: 43 letters, digits, `-` and `_`.
    pub secret: String,
    /// For [`Token::secret_sha256`].
    pub sha256: String,
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewSecret(<hidden>)")
    }
}

impl NewSecret {
    /// A secret of 256 random bits.
    ///
    /// # Panics
    /// If the operating system provides no randomness.
    pub fn random() -> Self {
        let secret = secret::random();
        let sha256 = secret::hex(&Sha256::digest(&secret));
        Self { secret, sha256 }
    }
}

/// The content of a file with only a secret.
pub(crate) fn secret_in(path: &Path) -> Result<String, Error> {
    let text =
        std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(text.trim().to_owned())
}
