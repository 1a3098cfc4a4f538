//! Who may come in: tokens over TCP, and protection against web pages that reach for local servers.
//!
//! A page from elsewhere can point a name of its own at this address (DNS rebinding; the `Host` header gives it away) or
//! send requests across (the `Origin` header does). Both are refused.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use hyper::{HeaderMap, Uri};

use super::answer::{Code, Refusal};
use crate::config::{Config, Listen, MIN_SECRET_BYTES, Token};
use crate::error::Error;
use crate::id::Owner;
use crate::relay::Caller;

/// Schemes of pages that come from an installed program rather than from the web.
const LOCAL_SCHEMES: [&str; 5] = ["app", "file", "tauri", "vscode-webview", "vscode-file"];
/// Endings of names that no public name has.
const LOCAL_ENDINGS: [&str; 3] = [".localhost", ".local", ".internal"];

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Unix,
    Tcp(SocketAddr),
}

/// Who may come in, and how.
#[derive(Debug)]
pub(crate) struct Doors {
    tokens: Vec<Token>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Whoever came in.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) caller: Caller,
    /// The page whose program asks.
    pub(crate) origin: Option<String>,
}

/// Refuses what would let strangers in.
///
/// # Errors
/// [`Error::Config`], which says what to do.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::Config(message));
    if config.listen.is_empty() {
        return refuse("the relay is told to listen nowhere: give it a socket or an address".into());
    }
    if config.upstreams.is_empty() {
        return refuse("the relay has no model server: give it an upstream".into());
    }
    if config.limits.running == 0 {
        return refuse("limits.running is 0, so every answer would wait for ever: give it 1 or more".into());
    }
    for token in &config.tokens {
        if token.secret.len() < MIN_SECRET_BYTES || !token.secret.bytes().all(|byte| byte.is_ascii_graphic())
        {
            let owner = token.owner.as_str();
            return refuse(format!(
                "the token of {owner} is too easy: it takes {MIN_SECRET_BYTES} printable characters or more, for example from \
                 openssl rand -hex 24"
            ));
        }
    }
    for listen in &config.listen {
        let Listen::Tcp(address) = listen else { continue };
        if address.ip().to_canonical().is_loopback() {
            continue;
        }
        let missing = match (config.tokens.is_empty(), config.tls.is_none()) {
            (false, false) => continue,
            (true, true) => "a token and TLS",
            (true, false) => "a token",
            (false, true) => "TLS",
        };
        return refuse(format!(
            "{address} can be reached from other machines, which takes {missing}: give [[token]] entries and [tls] \
             certificate and key in the configuration, or listen on 127.0.0.1 or a Unix socket"
        ));
    }
    Ok(())
}

impl Doors {
    pub(crate) fn new(config: &Config) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        Self { tokens: config.tokens.clone(), hosts: lower(&config.hosts), origins: lower(&config.origins) }
    }

    /// Lets a request in, or says why not. `open` is for what anybody may see who reaches the address.
    pub(crate) fn enter(
        &self,
        door: Door,
        uri: &Uri,
        headers: &HeaderMap,
        open: bool,
    ) -> Result<Welcome, Refusal> {
        let listen = match door {
            Door::Unix => {
                return Ok(Welcome {
                    caller: Caller { owner: Owner::local(), over_unix: true },
                    origin: None,
                });
            }
            Door::Tcp(listen) => listen,
        };
        if listen.ip().to_canonical().is_loopback() && !self.is_own_host(uri, headers, listen.ip()) {
            let message = "the Host of the request is not this machine; a name for it goes into hosts in the configuration";
            return Err(Refusal::new(Code::Forbidden, message));
        }
        let origin = match headers.get(ORIGIN).map(|origin| origin.to_str()) {
            None => None,
            Some(Ok(origin)) if self.is_welcome_page(origin, listen.ip()) => Some(origin.to_owned()),
            Some(_) => {
                let message =
                    "pages of this Origin may not use the relay; add it to origins in the configuration";
                return Err(Refusal::new(Code::Forbidden, message));
            }
        };
        if self.tokens.is_empty() || open {
            return Ok(Welcome { caller: Caller { owner: Owner::local(), over_unix: false }, origin });
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let secret = given.and_then(|given| {
            let (scheme, secret) = given.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
        });
        let owner = secret.and_then(|secret| self.owner_of(secret));
        let Some(owner) = owner else {
            let refusal =
                Refusal::new(Code::Unauthorized, "a token of this relay is needed: Authorization: Bearer …");
            return Err(refusal.with("www-authenticate", "Bearer"));
        };
        Ok(Welcome { caller: Caller { owner, over_unix: false }, origin })
    }

    /// Compares with every token and to its end, so that time tells nothing.
    fn owner_of(&self, secret: &str) -> Option<Owner> {
        let mut found = None;
        for token in &self.tokens {
            let same_length = token.secret.len() == secret.len();
            let differs =
                token.secret.bytes().zip(secret.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
            if same_length && differs == 0 {
                found = Some(token.owner.clone());
            }
        }
        found
    }

    fn is_own_host(&self, uri: &Uri, headers: &HeaderMap, listen: IpAddr) -> bool {
        let host = headers.get(HOST).map(|host| host.to_str().ok());
        let host = host.unwrap_or_else(|| Some(uri.authority().map_or("", |authority| authority.as_str())));
        host.is_some_and(|host| {
            let name = without_port(host).to_ascii_lowercase();
            is_local(&name, listen) || self.hosts.contains(&name)
        })
    }

    fn is_welcome_page(&self, origin: &str, listen: IpAddr) -> bool {
        let origin = origin.to_ascii_lowercase();
        let is_local = match origin.split_once("://") {
            Some(("http" | "https", host)) => !host.is_empty() && is_local(without_port(host), listen),
            Some((scheme, _)) => LOCAL_SCHEMES.contains(&scheme),
            None => false,
        };
        is_local || self.origins.contains(&origin)
    }
}

fn is_local(host: &str, listen: IpAddr) -> bool {
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address.is_loopback() || address.is_unspecified() || address == listen;
    }
    host.is_empty() || host == "localhost" || LOCAL_ENDINGS.iter().any(|ending| host.ends_with(ending))
}

fn without_port(host: &str) -> &str {
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

    fn doors(tokens: &[(&str, &str)]) -> Doors {
        let tokens = tokens
            .iter()
            .map(|(owner, secret)| Token { owner: Owner::named(owner), secret: (*secret).into() })
            .collect();
        Doors { tokens, hosts: vec!["relay.example".into()], origins: vec!["https://chat.example".into()] }
    }

    fn enter(doors: &Doors, headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let door = Door::Tcp(([127, 0, 0, 1], 11434).into());
        let entered = doors.enter(door, &Uri::from_static("/"), &map, false);
        entered
            .map(|welcome| welcome.caller.owner.as_str().to_owned())
            .map_err(|refusal| refusal.code.status().as_u16())
    }

    #[test]
    fn only_local_names_and_pages_get_through() {
        let doors = doors(&[]);
        for host in
            ["localhost:11434", "LOCALHOST", "127.0.0.1", "[::1]:11434", "", "a.local", "relay.example:1"]
        {
            assert_eq!(enter(&doors, &[("host", host)]), Ok("local".into()), "{host}");
        }
        for host in ["evil.example", "8.8.8.8", "localhost.evil.example", "127.0.0.1.evil.example"] {
            assert_eq!(enter(&doors, &[("host", host)]), Err(403), "{host}");
        }
        for origin in ["http://localhost:3000", "app://obsidian.md", "https://chat.example"] {
            assert_eq!(enter(&doors, &[("origin", origin)]), Ok("local".into()), "{origin}");
        }
        for origin in ["https://evil.example", "http://", "null", "http://localhost.evil.example"] {
            assert_eq!(enter(&doors, &[("origin", origin)]), Err(403), "{origin}");
        }
    }

    #[test]
    fn a_token_names_its_owner_and_nothing_else_gets_in() {
        let doors = doors(&[("ann", "0123456789abcdef"), ("bob", "fedcba9876543210")]);
        let with = |value: &str| enter(&doors, &[("authorization", value)]);
        assert_eq!(with("Bearer 0123456789abcdef"), Ok("ann".into()));
        assert_eq!(with("bearer fedcba9876543210"), Ok("bob".into()));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeff",
            "Basic 0123456789abcdef",
        ] {
            assert_eq!(with(wrong), Err(401), "{wrong}");
        }
        assert_eq!(enter(&doors, &[]), Err(401));
    }

    fn refused(listen: &str, with_token: bool, with_tls: bool) -> Option<String> {
        let upstream = crate::config::UpstreamConfig {
            name: "a".into(),
            endpoint: towline::Endpoint::http("127.0.0.1", 1),
            api: crate::config::UpstreamApi::Ollama,
            api_key: None,
            extra_roots_pem: Vec::new(),
        };
        let token = Token { owner: Owner::named("ann"), secret: "0123456789abcdef".into() };
        let tls = crate::config::TlsFiles { certificate: "c".into(), key: "k".into() };
        let config = Config {
            listen: vec![Listen::Tcp(listen.parse().unwrap())],
            upstreams: vec![upstream],
            tokens: if with_token { vec![token] } else { Vec::new() },
            tls: with_tls.then_some(tls),
            ..Config::default()
        };
        check(&config).err().map(|error| error.to_string())
    }

    #[test]
    fn an_address_that_others_reach_takes_a_token_and_tls() {
        for open in ["0.0.0.0:1", "[::]:1", "192.168.1.5:1"] {
            assert!(refused(open, false, false).unwrap().contains("takes a token and TLS"), "{open}");
            assert!(refused(open, true, false).unwrap().contains("takes TLS"));
            assert!(refused(open, false, true).unwrap().contains("takes a token:"));
            assert_eq!(refused(open, true, true), None);
        }
        assert_eq!(refused("127.0.0.1:1", false, false), None);
        assert_eq!(refused("[::1]:1", false, false), None);
    }
}
