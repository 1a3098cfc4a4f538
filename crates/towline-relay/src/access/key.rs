//! Token checks: owners and roles. Only digests of secrets are stored.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::{MIN_SECRET_BYTES, Roles, Token, secret_in};
use crate::error::Error;
use crate::id::Owner;
use crate::quota::Quota;

/// A token, with the digest of its secret.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) owner: Owner,
    pub(crate) roles: Roles,
    pub(crate) quota: Quota,
    digest: [u8; 32],
    expires: Option<Timestamp>,
}

/// The reason why a secret is unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoKey {
    Unknown,
    Expired,
}

impl Key {
    /// # Errors
    /// No secret or several, a weak secret, an unreadable file, or an invalid digest.
    pub(crate) fn of(token: &Token) -> Result<Self, Error> {
        let owner = token.owner.as_str();
        let refused = |what: String| Err(Error::Config(format!("the token of {owner} {what}")));
        if token.running == Some(0) {
            return refused("has running = 0, so no answer could ever run: set it to 1 or more".into());
        }
        let secret = match (&token.secret, &token.secret_file, &token.secret_sha256) {
            (Some(secret), None, None) => secret.clone(),
            (None, Some(path), None) => secret_in(path)?,
            (None, None, Some(digest)) => {
                return match digest_of_hex(digest) {
                    Some(digest) => Ok(Self::with(token, digest)),
                    None => refused("has a secret_sha256 that is not 64 hexadecimal digits".into()),
                };
            }
            _ => return refused("needs one of secret, secret_file and secret_sha256".into()),
        };
        if secret.len() < MIN_SECRET_BYTES || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused(format!(
                "is too weak: it needs {MIN_SECRET_BYTES} printable characters or more, for example from \
                 openssl rand -hex 24"
            ));
        }
        Ok(Self::with(token, digest(&secret)))
    }

    fn with(token: &Token, digest: [u8; 32]) -> Self {
        Self {
            owner: token.owner.clone(),
            roles: token.roles.as_deref().map_or(Roles::PLAIN, Roles::of),
            quota: Quota {
                requests_per_minute: token.requests_per_minute,
                tokens_per_day: token.tokens_per_day,
                running: token.running,
            },
            digest,
            expires: token.expires,
        }
    }

    /// The key of a secret. Compares every key completely, so that the time reveals nothing.
    pub(crate) fn find<'a>(keys: &'a [Self], secret: &str) -> Result<&'a Self, NoKey> {
        let digest = digest(secret);
        let same = |key: &Self| bool::from(key.digest.ct_eq(&digest));
        let found = keys.iter().fold(None, |found, key| if same(key) { Some(key) } else { found });
        let key = found.ok_or(NoKey::Unknown)?;
        match key.expires {
            Some(expires) if expires <= Timestamp::now() => Err(NoKey::Expired),
            Some(_) | None => Ok(key),
        }
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn digest_of_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 2 * digest.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    const SECRET: &str = "0123456789abcdef";
    /// Of that secret, by `printf %s 0123456789abcdef | sha256sum`.
    const DIGEST: &str = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";

    #[test]
    fn a_secret_is_known_by_its_digest() {
        let plain = Token::new("ann", SECRET);
        let hashed = Token { secret: None, secret_sha256: Some(DIGEST.into()), ..Token::new("bob", "") };
        for (token, owner) in [(plain, "ann"), (hashed, "bob")] {
            let keys = [Key::of(&token).unwrap()];
            assert_eq!(Key::find(&keys, SECRET).unwrap().owner.as_str(), owner);
            assert_eq!(Key::find(&keys, "0123456789abcdeg").unwrap_err(), NoKey::Unknown);
        }
        let both = Token { secret_sha256: Some(DIGEST.into()), ..Token::new("ann", SECRET) };
        let odd = Token { secret: None, secret_sha256: Some("9f".into()), ..Token::new("ann", "") };
        let signed = Token { secret: None, secret_sha256: Some("+f".repeat(32)), ..Token::new("ann", "") };
        let digits = "64 hexadecimal digits";
        for (token, expected) in [(both, "needs one of"), (odd, digits), (signed, digits)] {
            let error = Key::of(&token).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains(SECRET), "{error}");
        }
    }

    #[test]
    fn a_token_expires() {
        let at = |expires: &str| {
            [Key::of(&Token { expires: Some(expires.parse().unwrap()), ..Token::new("ann", SECRET) })
                .unwrap()]
        };
        assert_eq!(Key::find(&at("2020-01-01T00:00:00Z"), SECRET).unwrap_err(), NoKey::Expired);
        assert!(Key::find(&at("9999-01-01T00:00:00Z"), SECRET).is_ok());
    }

    #[test]
    fn roles_allow_what_they_name() {
        let roles = |roles: &[Role]| {
            Key::of(&Token { roles: Some(roles.to_vec()), ..Token::new("a", SECRET) }).unwrap().roles
        };
        let reads = roles(&[Role::Read]);
        assert!(reads.allow(Role::Read) && !reads.allow(Role::Ask) && !reads.allow(Role::Admin));
        let all = roles(&[Role::Admin]);
        assert!(
            [Role::Read, Role::Ask, Role::Models, Role::Metrics, Role::Admin]
                .iter()
                .all(|role| all.allow(*role))
        );
        let by_default = Key::of(&Token::new("a", SECRET)).unwrap().roles;
        assert!(
            by_default.allow(Role::Models)
                && by_default.allow(Role::Metrics)
                && !by_default.allow(Role::Admin)
        );
    }
}
