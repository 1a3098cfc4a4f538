//! Access control: the tokens of the relay, and the host names and web pages that may use it.

mod key;

use std::sync::{Arc, PoisonError, RwLock};

use towline_core::guard::{is_local_origin, is_own_host, without_port};

pub(crate) use key::{Key, NoKey};

use crate::config::{Config, Listen, Roles, UserHistory};
use crate::error::Error;
use crate::id::Owner;
use crate::quota::Quota;

/// The origin of a request: the caller and the transport.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) owner: Owner,
    pub(crate) over_unix: bool,
    pub(crate) over_tls: bool,
    /// Whether it may send requests to model servers that are not configured.
    pub(crate) names_servers: bool,
    pub(crate) roles: Roles,
}

impl Caller {
    /// The history, if it belongs to the caller: a client over the Unix socket of a relay without tokens that
    /// runs as the relay's user, or a device of that user.
    pub(crate) fn history<'a>(&self, config: &'a Config) -> Option<&'a Arc<dyn UserHistory>> {
        let is_own = self.names_servers && self.owner == Owner::local();
        config.history.as_ref().filter(|_| is_own)
    }
}

/// The current rules; a reload replaces them.
#[derive(Debug)]
pub(crate) struct AccessControl(RwLock<Arc<Rules>>);

impl AccessControl {
    pub(crate) fn new(rules: Rules) -> Self {
        Self(RwLock::new(Arc::new(rules)))
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

/// The access control for requests.
#[derive(Debug)]
pub(crate) struct Rules {
    keys: Vec<Key>,
    hosts: Vec<String>,
    origins: Vec<String>,
    /// This machine's own name.
    pub(crate) machine: String,
}

impl Rules {
    /// # Errors
    /// A token without a secret, with a weak one, or with an unreadable file.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self {
            keys: config.tokens.iter().map(Key::of).collect::<Result<_, _>>()?,
            hosts: lower(&config.hosts),
            origins: lower(&config.origins),
            machine,
        })
    }

    /// Whether tokens are required.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The key of a token: its owner and its roles.
    pub(crate) fn key(&self, secret: &str) -> Result<&Key, NoKey> {
        Key::find(&self.keys, secret)
    }

    /// The quota of an owner: the strictest limits of the owner's tokens.
    pub(crate) fn quota(&self, owner: &Owner) -> Quota {
        let of_owner = self.keys.iter().filter(|key| key.owner == *owner);
        of_owner.fold(Quota::default(), |quota, key| quota.and(key.quota))
    }

    pub(crate) fn is_own(&self, host: &str) -> bool {
        is_own_host(host, Some(&self.machine))
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(without_port(host)))
    }

    pub(crate) fn is_welcome_page(&self, origin: &str) -> bool {
        is_local_origin(origin) || self.origins.contains(&origin.to_ascii_lowercase())
    }
}

/// Refuses a configuration that would let strangers in.
///
/// # Errors
/// [`Error::Config`], which says what to do.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::Config(message));
    if config.listen.is_empty() {
        return refuse("the relay has no address to listen on: give it a socket or an address".into());
    }
    if config.upstreams.is_empty() {
        return refuse("the relay has no model server: give it an upstream".into());
    }
    if config.limits.running == 0 {
        return refuse("limits.running is 0, so no answer could ever run: set it to 1 or more".into());
    }
    check_open(&config.listen, config)
}

/// Refuses a configuration without the tokens and TLS that its addresses need.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_open(listen: &[Listen], config: &Config) -> Result<(), Error> {
    for listen in listen {
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
        return Err(Error::Config(format!(
            "other machines can reach {address}, which needs {missing}: add [[token]] entries and [tls] \
             certificate and key to the configuration, or listen on 127.0.0.1 or a Unix socket"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Token, UpstreamApi, UpstreamConfig};

    #[test]
    fn a_token_has_one_secret_that_is_not_easy() {
        let refused = |token: Token| {
            let config = Config { tokens: vec![token], ..Config::default() };
            Rules::new(&config).unwrap_err().to_string()
        };
        assert!(refused(Token::new("ann", "short")).contains("too weak"));
        let none = Token { secret: None, ..Token::new("ann", "") };
        assert!(refused(none).contains("needs one of secret, secret_file and secret_sha256"));
        let missing =
            Token { secret: None, secret_file: Some("/nonexistent".into()), ..Token::new("ann", "") };
        assert_eq!(refused(missing), "/nonexistent cannot be read");
    }

    fn refused(listen: &str, with_token: bool, with_tls: bool) -> Option<String> {
        let endpoint = towline::client::Endpoint::http("127.0.0.1", 1);
        let upstream = UpstreamConfig::new(endpoint, UpstreamApi::Ollama);
        let token = Token::new("ann", "0123456789abcdef");
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
            assert!(refused(open, false, false).unwrap().contains("needs a token and TLS"), "{open}");
            assert!(refused(open, true, false).unwrap().contains("needs TLS"));
            assert!(refused(open, false, true).unwrap().contains("needs a token:"));
            assert_eq!(refused(open, true, true), None);
        }
        assert_eq!(refused("127.0.0.1:1", false, false), None);
        assert_eq!(refused("[::1]:1", false, false), None);
    }
}
