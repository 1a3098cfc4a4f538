//! Reads the text of a host the way Ollama reads `OLLAMA_HOST`.
//!
//! The rules are those of `envconfig.Host` and `ConnectableHost` in Ollama's source: blanks and quotes around the text
//! are dropped; without a scheme it is plain HTTP on port 11434, with one the scheme's own port; a bare `ollama.com`
//! is HTTPS; an empty host is 127.0.0.1; IPv6 stands with or without brackets; a port that is none gives the default;
//! a path is kept; 0.0.0.0 and `::`, where servers listen, become the loopback address. Ours in addition: `unix:/path`
//! names a Unix socket, and credentials in the text are refused.

use std::fmt;
use std::net::IpAddr;

use crate::endpoint::{Endpoint, Scheme};

/// Where Ollama listens when nothing else is said.
pub const DEFAULT_PORT: u16 = 11434;

/// What a host text means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The server.
    pub endpoint: Endpoint,
    /// What in the text was not understood and was replaced by a default, for people.
    pub warning: Option<String>,
}

/// A host text that names no server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostError(String);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HostError {}

/// The server on this machine: 127.0.0.1, port 11434.
pub fn local() -> Endpoint {
    Endpoint::http("127.0.0.1", DEFAULT_PORT)
}

/// Reads a host text. An empty one is the server on this machine.
///
/// # Errors
/// A scheme that is not `http`, `https` or `unix`, credentials in the text, or characters no host name has. The message
/// repeats no credentials.
pub fn parse(text: &str) -> Result<Host, HostError> {
    let text = text.trim().trim_matches(['"', '\'']).trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => match text.strip_prefix("unix:") {
            Some(path) => (Some("unix".to_owned()), path),
            None => (None, text),
        },
    };
    let before_path = &text[..text.len() - rest.len() + rest.find('/').unwrap_or(rest.len())];
    if before_path.contains('@') && scheme.as_deref() != Some("unix") {
        return Err(credentials());
    }
    let (scheme, default_port) = match scheme.as_deref() {
        None if text == "ollama.com" => (Scheme::Https, 443),
        None => (Scheme::Http, DEFAULT_PORT),
        Some("http") => (Scheme::Http, 80),
        Some("https") => (Scheme::Https, 443),
        Some("unix") if rest.starts_with('/') => {
            return Ok(Host { endpoint: Endpoint::unix(rest), warning: None });
        }
        Some("unix") => {
            return Err(HostError("a Unix socket is named by its whole path, as in unix:/run/x.sock".into()));
        }
        Some(other) => {
            return Err(HostError(format!(
                "the scheme {other:?} is not known; use http://, https:// or unix:/path"
            )));
        }
    };
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, path.trim_end_matches('/')),
        None => (rest, ""),
    };
    let (host, port) = split_port(authority);
    let (port, warning) = match port {
        None => (default_port, None),
        Some(port) => match port.parse::<u16>() {
            Ok(port) => (port, None),
            // No port, but a password with a slash in it.
            Err(_) if path.contains('@') => return Err(credentials()),
            Err(_) => (default_port, Some(format!("{port:?} is not a port; using {default_port}"))),
        },
    };
    check_host(host)?;
    check_path(path)?;
    let base_path = if path.is_empty() { String::new() } else { format!("/{path}") };
    Ok(Host { endpoint: Endpoint { scheme, host: connectable(host), port, base_path }, warning })
}

fn credentials() -> HostError {
    HostError(
        "the host contains credentials; give the key as OLLAMA_API_KEY or an Authorization header".into(),
    )
}

/// Host and port. The text after the last colon is the port, unless the whole is an IPv6 address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let unbracketed = authority.trim_start_matches('[').trim_end_matches(']');
    if unbracketed.parse::<IpAddr>().is_ok() {
        return (unbracketed, None);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => (host.trim_start_matches('[').trim_end_matches(']'), Some(port)),
        None => (authority, None),
    }
}

fn check_host(host: &str) -> Result<(), HostError> {
    let odd = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\' | '[' | ']' | '"' | '<' | '>')
    };
    if host.contains(odd) || (host.contains(':') && host.parse::<IpAddr>().is_err()) {
        return Err(HostError(format!("{host:?} is not a host name or address")));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), HostError> {
    if path.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
        return Err(HostError("the path behind the host may not contain blanks, '?' or '#'".into()));
    }
    Ok(())
}

/// An address to connect to: servers say 0.0.0.0 or `::` for "every interface".
fn connectable(host: &str) -> String {
    match host {
        "" | "0.0.0.0" => "127.0.0.1".into(),
        _ => match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => "::1".into(),
            Ok(ip) => ip.to_string(),
            Err(_) => host.to_owned(),
        },
    }
}
