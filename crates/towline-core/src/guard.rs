//! Protects a server on this machine against web pages that send requests to local servers.
//!
//! A foreign page can point its own name at a loopback address (DNS rebinding, which the `Host` header
//! reveals) or send cross-origin requests (which the `Origin` header reveals). The rules are those of
//! `allowedHost` and `AllowedOrigins` in Ollama's source, without the private addresses that Ollama allows:
//! no client reaches a loopback listener under one.

use std::net::IpAddr;

/// Name endings that no public name has.
const LOCAL_ENDINGS: [&str; 3] = [".localhost", ".local", ".internal"];
/// Hosts whose pages are local, with any port.
const LOCAL_PAGES: [&str; 3] = ["localhost", "127.0.0.1", "0.0.0.0"];
/// Schemes of pages that belong to an installed program, not to the web.
const LOCAL_SCHEMES: [&str; 5] = ["app", "file", "tauri", "vscode-webview", "vscode-file"];

/// Whether a `Host`, with or without a port, means this machine: a loopback or unspecified address, `localhost`, a name that
/// ends in `.localhost`, `.local` or `.internal`, nothing at all, or `machine`, which is this machine's own name.
pub fn is_own_host(host: &str, machine: Option<&str>) -> bool {
    let name = without_port(host);
    if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        let address = address.to_canonical();
        return address.is_loopback() || address.is_unspecified();
    }
    let name = name.to_ascii_lowercase();
    name.is_empty()
        || name == "localhost"
        || LOCAL_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || machine.is_some_and(|machine| !machine.is_empty() && name.eq_ignore_ascii_case(machine))
}

/// Whether an `Origin` is a page of this machine: http or https on `localhost`, `127.0.0.1` or `0.0.0.0` with any port, or a
/// page of an installed program (`app://`, `file://`, `tauri://`, `vscode-webview://`, `vscode-file://`).
pub fn is_local_origin(origin: &str) -> bool {
    let origin = origin.to_ascii_lowercase();
    match origin.split_once("://") {
        Some(("http" | "https", host)) => LOCAL_PAGES.contains(&without_port(host)),
        Some((scheme, _)) => LOCAL_SCHEMES.contains(&scheme),
        None => false,
    }
}

/// The name or address of a `Host`, without the port. A bare IPv6 address has no port.
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            let is_bare_ipv6 = name.contains(':') && !name.starts_with('[');
            if is_bare_ipv6 { host } else { name }
        }
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_goes_by_local_names_and_its_own() {
        for host in [
            "",
            ":11434",
            "localhost",
            "LOCALHOST:11434",
            "127.0.0.1",
            "127.9.9.9:80",
            "0.0.0.0:11434",
            "[::1]:11434",
            "::1",
            "[::]",
            "[::ffff:127.0.0.1]:1",
            "a.local",
            "a.localhost:3000",
            "host.docker.internal:11434",
            "workshop",
            "Workshop:11434",
        ] {
            assert!(is_own_host(host, Some("workshop")), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:11434",
            "8.8.8.8",
            "192.168.1.5:11434",
            "10.0.0.1",
            "[fd00::1]:11434",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "local",
            "notlocalhost",
            "workshop.evil.example",
            "[localhost",
        ] {
            assert!(!is_own_host(host, Some("workshop")), "{host}");
        }
        assert!(!is_own_host("workshop", None));
        assert!(is_own_host("", Some("")));
    }

    #[test]
    fn pages_of_this_machine_are_those_that_ollama_takes() {
        for origin in [
            "http://localhost",
            "http://localhost:3000",
            "https://LOCALHOST:1",
            "https://127.0.0.1",
            "http://0.0.0.0:8080",
            "app://obsidian.md",
            "file://",
            "tauri://localhost",
            "vscode-webview://abc",
            "vscode-file://vscode-app",
        ] {
            assert!(is_local_origin(origin), "{origin}");
        }
        for origin in [
            "https://evil.example",
            "http://",
            "null",
            "nonsense",
            "http://x.local",
            "http://x.internal",
            "http://a.localhost:3000",
            "http://[::1]:3000",
            "http://127.0.0.2",
            "http://localhost.evil.example",
            "http://localhost:3000x",
            "chrome-extension://abc",
        ] {
            assert!(!is_local_origin(origin), "{origin}");
        }
    }
}
