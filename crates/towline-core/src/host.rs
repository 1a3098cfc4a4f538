//! Reads the text of a host the way Ollama reads `OLLAMA_HOST`.
//!
//! The rules are those of `envconfig.Host` and `ConnectableHost` in Ollama's source: spaces and quotes around
//! the text are dropped; without a scheme it means plain HTTP on port 11434, with a scheme the scheme's own
//! port; a bare `ollama.com` means HTTPS; an empty host means 127.0.0.1; IPv6 addresses may have brackets or
//! not; a path is kept, except OpenAI's `/v1` at its end, which belongs to the paths of requests; 0.0.0.0 and
//! `::`, on which servers listen, become this machine. In addition, `unix:/path` names a Unix socket, an IPv6
//! address may have a zone (RFC 6874), a user and password may precede the host, and an invalid port is an
//! error.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv6Addr;

use crate::endpoint::{Credentials, Endpoint, Scheme};

/// The port on which Ollama listens by default.
pub const DEFAULT_PORT: u16 = 11434;

/// The error for a host text that names no server.
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

/// Parses a host text. An empty text means the server on this machine.
///
/// # Errors
/// A scheme other than `http`, `https` or `unix`, an invalid port, or characters that no host name has. The
/// message contains no user and no password.
pub fn parse(text: &str) -> Result<Endpoint, HostError> {
    let text = text.trim().trim_matches(['"', '\'']).trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => match text.strip_prefix("unix:") {
            Some(path) => (Some("unix".to_owned()), path),
            None => (None, text),
        },
    };
    let (scheme, default_port) = match scheme.as_deref() {
        None if text == "ollama.com" => (Scheme::Https, 443),
        None => (Scheme::Http, DEFAULT_PORT),
        Some("http") => (Scheme::Http, 80),
        Some("https") => (Scheme::Https, 443),
        Some("unix") if rest.starts_with('/') => return Ok(Endpoint::unix(rest)),
        Some("unix") => {
            return Err(HostError("a Unix socket needs its whole path, as in unix:/run/x.sock".into()));
        }
        Some(other) if other.contains('@') => return Err(misplaced()),
        Some(other) => {
            return Err(HostError(format!(
                "the scheme {other:?} is not known; use http://, https:// or unix:/path"
            )));
        }
    };
    let (before_path, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, path.trim_end_matches('/')),
        None => (rest, ""),
    };
    // The presumed path may begin inside a password.
    let read = authority(before_path).map_err(|error| if path.contains('@') { misplaced() } else { error });
    let Authority { credentials, host, port } = read?;
    check_path(path)?;
    let path = if path == "v1" { "" } else { path.strip_suffix("/v1").unwrap_or(path) };
    let base_path = if path.is_empty() { String::new() } else { format!("/{path}") };
    let port = port.unwrap_or(default_port);
    Ok(Endpoint { scheme, host: connectable(host), port, base_path, credentials })
}

/// The part between a scheme and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The credentials, if the text has any.
    pub credentials: Option<Credentials>,
    /// A name, or an address without brackets. May be empty.
    pub host: String,
    /// The port, if the text has one.
    pub port: Option<u16>,
}

/// Parses `[user[:password]@]host[:port]`; special characters in a user or a password, such as spaces and
/// `%`, are percent-encoded.
///
/// # Errors
/// As [`parse`].
pub fn authority(text: &str) -> Result<Authority, HostError> {
    let (credentials, host_port) = match text.rsplit_once('@') {
        Some((userinfo, host_port)) => (Some(credentials(userinfo)?), host_port),
        None => (None, text),
    };
    let (host, port) = split_port(host_port);
    let port = match port {
        None | Some("") => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().map_err(|_| HostError(format!("{port} is not a port; the largest is 65535")))?)
        }
        Some(port) => return Err(HostError(format!("{port:?} is not a port; write a number up to 65535"))),
    };
    Ok(Authority { credentials, host: checked(host)?, port })
}

fn misplaced() -> HostError {
    HostError(
        "write the user and the password between the scheme and the host, percent-encoded: http://user:password@host"
            .into(),
    )
}

fn credentials(userinfo: &str) -> Result<Credentials, HostError> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    if userinfo.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '/' | '?' | '#' | '[' | ']')) {
        return Err(misplaced());
    }
    let decoded = |text| percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| misplaced());
    let (user, password) = (decoded(user)?, decoded(password)?);
    // RFC 7617, section 2.
    if user.contains(':') {
        return Err(HostError("a user's name may not contain a colon".into()));
    }
    Ok(Credentials::new(user, password))
}

/// Host and port. The text after the last colon is the port, unless the whole is an IPv6 address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let unbracketed = authority.trim_start_matches('[').trim_end_matches(']');
    if address(unbracketed).is_some() {
        return (unbracketed, None);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => (host.trim_start_matches('[').trim_end_matches(']'), Some(port)),
        None => (authority, None),
    }
}

/// The address in a text, and its zone.
fn address(host: &str) -> Option<(IpAddr, Option<&str>)> {
    let Some((address, zone)) = host.split_once('%') else { return Some((host.parse().ok()?, None)) };
    let address = address.parse::<Ipv6Addr>().ok()?;
    let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
    let is_zone = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (!zone.is_empty() && zone.bytes().all(is_zone)).then_some((address.into(), Some(zone)))
}

fn checked(host: &str) -> Result<String, HostError> {
    if let Some((address, zone)) = address(host) {
        return Ok(zone.map_or_else(|| address.to_string(), |zone| format!("{address}%{zone}")));
    }
    let odd = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '?' | '#' | '\\' | '[' | ']' | '"' | '<' | '>' | ':' | '%')
    };
    if host.contains(odd) {
        return Err(HostError(format!("{host:?} is not a host name or address")));
    }
    Ok(host.to_owned())
}

fn check_path(path: &str) -> Result<(), HostError> {
    if path.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
        return Err(HostError("the path after the host may not contain spaces, '?' or '#'".into()));
    }
    Ok(())
}

/// An address to connect to: for servers, 0.0.0.0 or `::` mean "every interface", of either family.
fn connectable(host: String) -> String {
    if host.is_empty() {
        return "127.0.0.1".into();
    }
    let everywhere = host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_unspecified());
    if everywhere { "localhost".into() } else { host }
}
