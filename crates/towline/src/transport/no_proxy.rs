//! Targets that are reached without a proxy, in the notation of `NO_PROXY`.

use std::net::IpAddr;

use towline_core::endpoint::Endpoint;
use towline_core::host::{Authority, authority};

/// The valid entries of `NO_PROXY`; invalid ones match no target.
#[derive(Debug, Default)]
pub(super) struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    target: Target,
    /// Matches only this port.
    port: Option<u16>,
}

#[derive(Debug)]
enum Target {
    Everything,
    /// The addresses that have this many leading bits in common.
    Network(IpAddr, u32),
    /// A name and its subdomains, in lower case.
    Name(String),
}

impl NoProxy {
    /// Reads texts with one entry each, or with several, separated by commas or spaces.
    pub(super) fn new(texts: &[String]) -> Self {
        let split = |text: &'_ String| {
            let parts = text.split(|c: char| c == ',' || c.is_whitespace());
            parts.filter_map(Entry::read).collect::<Vec<_>>()
        };
        Self { entries: texts.iter().flat_map(split).collect() }
    }

    pub(super) fn has(&self, endpoint: &Endpoint) -> bool {
        self.entries.iter().any(|entry| entry.has(endpoint))
    }
}

impl Entry {
    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self { target: Target::Everything, port: None });
        }
        if let Some((network, bits)) = text.split_once('/') {
            let network: IpAddr = network.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
            let bits = bits.parse().ok()?;
            return Some(Self { target: Target::Network(network, bits), port: None });
        }
        let text = text.strip_prefix('*').unwrap_or(text);
        let Authority { credentials: None, host, port } = authority(text).ok()? else { return None };
        let name = host.trim_matches('.').to_ascii_lowercase();
        let target = match host.parse::<IpAddr>() {
            Ok(address) => Target::Network(address, 128),
            Err(_) if name.is_empty() => return None,
            Err(_) => Target::Name(name),
        };
        Some(Self { target, port })
    }

    fn has(&self, endpoint: &Endpoint) -> bool {
        if self.port.is_some_and(|port| port != endpoint.port) {
            return false;
        }
        let address = endpoint.address().parse::<IpAddr>();
        match (&self.target, address) {
            (Target::Everything, _) => true,
            (Target::Network(network, bits), Ok(address)) => agree(*network, address, *bits),
            (Target::Name(name), Err(_)) => {
                let host = endpoint.host.trim_end_matches('.').to_ascii_lowercase();
                host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Target::Network(..), Err(_)) | (Target::Name(_), Ok(_)) => false,
        }
    }
}

/// Whether the first `bits` bits are equal; bits beyond the length of an address count as equal.
fn agree(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let different_from = match (one.to_canonical(), other.to_canonical()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    different_from >= bits.min(if one.to_canonical().is_ipv4() { 32 } else { 128 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        for (text, inside, outside) in [
            ("*", &["a.example", "10.0.0.1", "2001:db8::1"][..], &[][..]),
            ("corp", &["corp", "a.corp", "A.B.Corp."], &["notcorp", "corp.example"]),
            (".corp", &["corp", "a.corp"], &["notcorp"]),
            ("*.corp", &["corp", "a.corp", "a.b.CORP"], &["notcorp"]),
            ("a.corp:8080", &["a.corp:8080", "b.a.corp:8080"], &["a.corp", "a.corp:80"]),
            ("*.corp:8080", &["a.corp:8080"], &["a.corp:8081"]),
            ("10.0.0.0/8", &["10.1.2.3", "10.1.2.3:99"], &["11.0.0.1", "a.corp"]),
            ("192.168.1.128/25", &["192.168.1.200"], &["192.168.1.100"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["2001:db8::1"]),
            ("10.1.2.3", &["10.1.2.3", "::ffff:10.1.2.3"], &["10.1.2.4"]),
            ("10.1.2.3:80", &["10.1.2.3:80"], &["10.1.2.3"]),
            ("fd00::/8", &["fd12::1"], &["fe80::1", "10.0.0.1"]),
            ("[fd00::]/8", &["fd12::1"], &[]),
            ("2001:db8::1", &["2001:db8::1"], &["2001:db8::2"]),
            ("[2001:db8::1]:80", &["2001:db8::1:80"], &["2001:db8::1"]),
            ("fe80::/10", &["fe80::1%eth0"], &[]),
            (" a.corp ,, b.corp\tc.corp,", &["a.corp", "b.corp", "c.corp"], &["d.corp"]),
            ("10.0.0.0/x 10.0.0.0/ /8 .: @ a@b %", &[], &["10.0.0.1", "b", "a"]),
        ] {
            let no_proxy = NoProxy::new(&[text.to_owned()]);
            for (targets, expected) in [(inside, true), (outside, false)] {
                for target in targets {
                    let endpoint = match target.rsplit_once(':') {
                        Some((host, port @ ("80" | "99" | "8080" | "8081"))) => {
                            Endpoint::http(host, port.parse().unwrap())
                        }
                        _ => Endpoint::http(*target, 11434),
                    };
                    assert_eq!(no_proxy.has(&endpoint), expected, "{text:?} {target}");
                }
            }
        }
        assert!(!NoProxy::default().has(&Endpoint::http("h", 1)));
    }
}
