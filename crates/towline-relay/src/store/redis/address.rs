//! The address of the store that several relays share.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// A Redis or Valkey server. Written as `redis://[user[:password]@]host[:port][/database]`, or with `rediss://` for TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: u32,
    pub(crate) is_encrypted: bool,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// A file that contains the password; it is read again for each connection.
    pub(crate) password_file: Option<PathBuf>,
    /// Certificate authorities (PEM) for the server, instead of the usual public ones.
    pub(crate) ca: Option<PathBuf>,
}

/// The error for an invalid Redis address. The address may contain a password, so it is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected redis://host:6379 or rediss://user@host:6379/0")]
pub struct NotRedis;

impl RedisAddress {
    /// Whether a text looks like a Redis address.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("redis:") || text.starts_with("rediss:")
    }

    /// Sets the password, if the address has none.
    pub fn set_password(&mut self, password: &str) {
        self.password.get_or_insert_with(|| password.to_owned());
    }
}

impl std::str::FromStr for RedisAddress {
    type Err = NotRedis;

    fn from_str(text: &str) -> Result<Self, NotRedis> {
        let (is_encrypted, rest) = match (text.strip_prefix("redis://"), text.strip_prefix("rediss://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(NotRedis),
        };
        let decoded =
            |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| NotRedis);
        let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (user, password) = match user {
            None | Some("") => (None, None),
            Some(user) => match user.split_once(':') {
                None => (Some(decoded(user)?), None),
                Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
            },
        };
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = if database.is_empty() { 0 } else { database.parse().map_err(|_| NotRedis)? };
        // An IPv6 address is in brackets.
        let (host, port) =
            match place.rsplit_once(':').filter(|(host, _)| !host.starts_with('[') || host.ends_with(']')) {
                Some((host, port)) => (host, port.parse().map_err(|_| NotRedis)?),
                None => (place, 6379),
            };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(['?', '#']) {
            return Err(NotRedis);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            database,
            is_encrypted,
            user: user.filter(|user| !user.is_empty()),
            password: password.filter(|password| !password.is_empty()),
            password_file: None,
            ca: None,
        })
    }
}

/// Without user and password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "rediss" } else { "redis" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}/{}", self.host, self.port, self.database)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_without_its_password() {
        for (text, shown) in [
            ("redis://cache", "redis://cache:6379/0"),
            ("redis://127.0.0.1:7000/2", "redis://127.0.0.1:7000/2"),
            ("rediss://ann:hush%40@cache.example:6380", "rediss://cache.example:6380/0"),
            ("redis://:hush@[::1]:1", "redis://[::1]:1/0"),
            ("redis://[::1]", "redis://[::1]:6379/0"),
        ] {
            let address: RedisAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert!(!format!("{address:?}").contains("hush"));
        }
        let address: RedisAddress = "rediss://ann:hush%40@cache".parse().unwrap();
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("ann"), Some("hush@")));
        for wrong in
            ["redis:", "redis://", "redis://a:b", "redis://a/b", "http://a", "redis://a@:1", "redis://a?b=c"]
        {
            assert_eq!(wrong.parse::<RedisAddress>(), Err(NotRedis), "{wrong}");
        }
    }
}
