//! Who may ask: protection against web pages that reach for local servers.
//!
//! A page from elsewhere can point a name of its own at this address (DNS rebinding; the `Host` header gives it away)
//! or simply send requests across (the `Origin` header does). Both are refused, as Ollama does.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, ORIGIN};
use hyper::{HeaderMap, Uri};

/// Schemes of pages that come from an installed program rather than from the web.
const LOCAL_SCHEMES: [&str; 5] = ["app", "file", "tauri", "vscode-webview", "vscode-file"];
/// Endings of names that no public name has.
const LOCAL_ENDINGS: [&str; 3] = [".localhost", ".local", ".internal"];

/// What the headers say about who asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Refused,
    /// A program.
    Program,
    /// A local page; its answer must name its origin.
    Page(String),
}

/// `listen` is the address the server listens on.
pub(crate) fn caller(listen: SocketAddr, uri: &Uri, headers: &HeaderMap) -> Caller {
    if listen.ip().is_loopback() {
        let host = headers.get(HOST).map(|host| host.to_str().ok());
        let host = host.unwrap_or_else(|| Some(uri.authority().map_or("", |authority| authority.as_str())));
        if !host.is_some_and(|host| is_local(without_port(host), listen.ip())) {
            return Caller::Refused;
        }
    }
    match headers.get(ORIGIN).map(|origin| origin.to_str()) {
        None => Caller::Program,
        Some(Ok(origin)) if is_local_origin(origin, listen.ip()) => Caller::Page(origin.to_owned()),
        Some(_) => Caller::Refused,
    }
}

fn is_local_origin(origin: &str, listen: IpAddr) -> bool {
    match origin.split_once("://") {
        Some(("http" | "https", host)) => !host.is_empty() && is_local(without_port(host), listen),
        Some((scheme, _)) => LOCAL_SCHEMES.contains(&scheme),
        None => false,
    }
}

fn is_local(host: &str, listen: IpAddr) -> bool {
    let host = host.to_ascii_lowercase();
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        let private = match address {
            IpAddr::V4(address) => address.is_private(),
            IpAddr::V6(address) => address.is_unique_local(),
        };
        return address.is_loopback() || address.is_unspecified() || private || address == listen;
    }
    host.is_empty() || host == "localhost" || LOCAL_ENDINGS.iter().any(|ending| host.ends_with(ending))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
            if name.contains(':') && !name.starts_with('[') {
                host
            } else {
                name
            }
        }
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>, expected: Caller) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let listen = SocketAddr::from(([127, 0, 0, 1], 11434));
        assert_eq!(caller(listen, &Uri::from_static("/"), &headers), expected, "{host} {origin:?}");
    }

    #[test]
    fn only_local_names_and_pages_get_through() {
        for host in
            ["localhost:11434", "LOCALHOST", "127.0.0.1", "127.0.0.1:80", "[::1]:11434", "::1", "", "a.local"]
        {
            check(host, None, Caller::Program);
        }
        for host in [
            "evil.example",
            "evil.example:11434",
            "8.8.8.8",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
        ] {
            check(host, None, Caller::Refused);
        }
        for origin in ["http://localhost:3000", "https://127.0.0.1", "app://obsidian.md", "tauri://localhost"]
        {
            check("localhost", Some(origin), Caller::Page(origin.into()));
        }
        for origin in ["https://evil.example", "http://", "null", "nonsense", "http://localhost.evil.example"]
        {
            check("localhost", Some(origin), Caller::Refused);
        }
    }
}
