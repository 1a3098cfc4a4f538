//! The address of a server.
//!
//! Plain data: nothing here resolves, connects or reads the environment. `Display` shows only the origin,
//! because a base path can contain a gateway's secret.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How the bytes travel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS over TCP.
    Https,
    /// A Unix socket at this path; plain HTTP on it.
    Unix(PathBuf),
}

/// A user and a password, which are never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// A user, whose name must not contain a colon, and a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The value of an `Authorization` header (RFC 7617, in UTF-8).
    pub fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(<hidden>)")
    }
}

/// The address of a server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// How the bytes travel.
    pub scheme: Scheme,
    /// Host name or IP address; IPv6 without brackets, with its zone behind a `%` if it has one. With [`Scheme::Unix`] only the `Host` header uses it
    /// (empty means `localhost`).
    pub host: String,
    /// TCP port; not used with [`Scheme::Unix`].
    pub port: u16,
    /// Prefix of every request path: empty, or `/some/prefix` (a trailing slash is ignored).
    pub base_path: String,
    /// Credentials that are sent with each request to this scheme, host and port, and to no other
    /// (`Authorization: Basic`).
    pub credentials: Option<Credentials>,
}

impl Endpoint {
    /// Plain HTTP to `host:port`, no base path.
    pub fn http(host: impl Into<String>, port: u16) -> Self {
        Self { scheme: Scheme::Http, host: host.into(), port, base_path: String::new(), credentials: None }
    }

    /// TLS to `host:port`, no base path.
    pub fn https(host: impl Into<String>, port: u16) -> Self {
        Self { scheme: Scheme::Https, host: host.into(), port, base_path: String::new(), credentials: None }
    }

    /// A Unix socket, no base path.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self {
            scheme: Scheme::Unix(path.into()),
            host: "localhost".into(),
            port: 0,
            base_path: String::new(),
            credentials: None,
        }
    }

    /// The request target of `path`, which starts with `/`: base path and path joined with one slash.
    pub fn target(&self, path: &str) -> String {
        let base = self.base_path.trim_end_matches('/');
        let mut target = String::with_capacity(base.len() + path.len() + 2);
        if !base.is_empty() && !base.starts_with('/') {
            target.push('/');
        }
        target.push_str(base);
        if !path.starts_with('/') {
            target.push('/');
        }
        target.push_str(path);
        target
    }

    /// `host` or `host:port` for the `Host` header: brackets around IPv6, no default port.
    pub fn authority(&self) -> String {
        let default_port = match &self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Unix(_) => {
                return if self.host.is_empty() { "localhost".into() } else { bracketed(self.address()) };
            }
        };
        let host = bracketed(self.address());
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }

    /// The host without its zone, which has a meaning only on this machine.
    pub fn address(&self) -> &str {
        self.host.split('%').next().unwrap_or_default()
    }

    /// `host:port`, always with the port, brackets around IPv6.
    pub fn host_port(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// Whether scheme, host and port are the same, so that both may receive the same credentials.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Whether the server is on this machine, judging by its name: a Unix socket, `localhost` and its
    /// subdomains, a loopback address, or the unspecified address, on which servers listen.
    pub fn is_loopback(&self) -> bool {
        matches!(self.scheme, Scheme::Unix(_)) || names_this_machine(&self.host)
    }
}

/// Whether a host is this machine, judging by its name; see [`Endpoint::is_loopback`].
pub fn names_this_machine(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse::<IpAddr>()
            .map(|address| address.to_canonical())
            .is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// The origin: `http://host:port`, `unix:/path`. No base path.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scheme {
            Scheme::Http => write!(f, "http://{}", self.host_port()),
            Scheme::Https => write!(f, "https://{}", self.host_port()),
            Scheme::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The same as `Display`, so that a secret base path does not reach a log through `{:?}`.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_origin_and_never_the_base_path() {
        let mut endpoint = Endpoint::https("gateway.example", 443);
        endpoint.base_path = "/key-123/ollama".into();
        assert_eq!(endpoint.to_string(), "https://gateway.example:443");
        assert!(!format!("{endpoint:?}").contains("key-123"));
        assert_eq!(Endpoint::unix("/run/towline.sock").to_string(), "unix:/run/towline.sock");
    }

    #[test]
    fn joins_base_path_and_path_with_one_slash() {
        for (base, path, target) in [
            ("", "/api/chat", "/api/chat"),
            ("/", "/api/chat", "/api/chat"),
            ("/v", "/api/chat", "/v/api/chat"),
            ("/v/", "/api/chat", "/v/api/chat"),
            ("v", "api/chat", "/v/api/chat"),
        ] {
            let endpoint = Endpoint { base_path: base.into(), ..Endpoint::http("h", 1) };
            assert_eq!(endpoint.target(path), target, "{base} {path}");
        }
    }

    #[test]
    fn authority_drops_the_default_port_and_brackets_ipv6() {
        assert_eq!(Endpoint::http("h", 80).authority(), "h");
        assert_eq!(Endpoint::http("h", 443).authority(), "h:443");
        assert_eq!(Endpoint::https("::1", 443).authority(), "[::1]");
        assert_eq!(Endpoint::https("::1", 8443).authority(), "[::1]:8443");
        assert_eq!(Endpoint::unix("/s").authority(), "localhost");
        assert_eq!(Endpoint::http("fe80::1%eth0", 1).authority(), "[fe80::1]:1");
    }

    #[test]
    fn loopback_is_recognised_by_name_or_address() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
        ] {
            assert!(Endpoint::http(host, 1).is_loopback(), "{host}");
        }
        for host in ["example.com", "localhost.example", "10.0.0.1"] {
            assert!(!Endpoint::http(host, 1).is_loopback(), "{host}");
        }
    }
}
