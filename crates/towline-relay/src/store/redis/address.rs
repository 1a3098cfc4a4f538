//! The address of the store that several relays share.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// A Redis or Valkey server. Written as `redis://[user[:password]@]host[:port][,host[:port]]…[/database]`, or with
/// `rediss://` for TLS.
///
/// Several servers are tried in turn until one is the primary, or a member of a cluster, which leads to the primary that
/// has the relay's keys. All of them take the same user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    pub(crate) first: ServerAddress,
    pub(crate) others: Vec<ServerAddress>,
    pub(crate) database: u32,
    pub(crate) is_encrypted: bool,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// A file that contains the password; it is read again for each connection.
    pub(crate) password_file: Option<PathBuf>,
    /// Certificate authorities (PEM) for the server, instead of the usual public ones.
    pub(crate) ca: Option<PathBuf>,
}

/// The place of one server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
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

    /// The address of one of the servers, without user and password.
    pub(crate) fn shown(&self, server: &ServerAddress) -> String {
        format!("{}://{server}/{}", self.scheme(), self.database)
    }

    /// The number of servers.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(1 + self.others.len()).unwrap_or(u32::MAX)
    }

    fn scheme(&self) -> &'static str {
        if self.is_encrypted { "rediss" } else { "redis" }
    }
}

impl ServerAddress {
    /// The server to which this one refers with `MOVED <slot> <host>:<port>`. Without a host it is the same one.
    pub(super) fn moved(&self, reply: &str) -> Option<Self> {
        let (host, port) = reply.strip_prefix("MOVED ")?.split_once(' ')?.1.rsplit_once(':')?;
        let host = if host.is_empty() { &self.host } else { host };
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

impl std::str::FromStr for ServerAddress {
    type Err = NotRedis;

    fn from_str(text: &str) -> Result<Self, NotRedis> {
        // An IPv6 address is in brackets.
        let (host, port) =
            match text.rsplit_once(':').filter(|(host, _)| !host.starts_with('[') || host.ends_with(']')) {
                Some((host, port)) => (host, port.parse().map_err(|_| NotRedis)?),
                None => (text, 6379),
            };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(['?', '#']) {
            return Err(NotRedis);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{}", self.host, self.port)
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
        let (servers, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = if database.is_empty() { 0 } else { database.parse().map_err(|_| NotRedis)? };
        let mut servers = servers.split(',').map(str::parse);
        Ok(Self {
            first: servers.next().ok_or(NotRedis)??,
            others: servers.collect::<Result<_, _>>()?,
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
        write!(f, "{}://{}", self.scheme(), self.first)?;
        self.others.iter().try_for_each(|other| write!(f, ",{other}"))?;
        write!(f, "/{}", self.database)
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
            ("redis://:hush@a,[::1]:7,c:8/1", "redis://a:6379,[::1]:7,c:8/1"),
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
        for wrong in ["redis://a,", "redis://,a", "redis://a,b:c", "redis://a/1,b/2"] {
            assert_eq!(wrong.parse::<RedisAddress>(), Err(NotRedis), "{wrong}");
        }
    }

    #[test]
    fn a_server_refers_to_another_one() {
        let server: ServerAddress = "cache:7000".parse().unwrap();
        for (reply, other) in [
            ("MOVED 8914 10.0.0.2:7001", Some("10.0.0.2:7001")),
            ("MOVED 8914 :7001", Some("cache:7001")),
            ("MOVED 8914 fd00::2:7001", Some("[fd00::2]:7001")),
            ("MOVED 8914", None),
            ("MOVED 8914 10.0.0.2", None),
            ("MOVED 8914 10.0.0.2:x", None),
            ("ASK 8914 10.0.0.2:7001", None),
        ] {
            assert_eq!(server.moved(reply).map(|to| to.to_string()).as_deref(), other, "{reply}");
        }
    }
}
