//! Settings from the usual environment variables.

use std::fmt;

use towline_core::endpoint::{Endpoint, Scheme};

use super::config::{ProxyConfig, TlsConfig, TransportConfig};

/// The variables that name proxies and certificates. The library itself never reads the environment; a
/// program whose users expect these variables to apply reads them with this type. `Debug` shows no values,
/// because some contain passwords.
#[derive(Clone, Default)]
pub struct NetworkVariables {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    all_proxy: Option<String>,
    no_proxy: Option<String>,
    ssl_cert_file: Option<String>,
}

impl NetworkVariables {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, each in lower case first, and
    /// `SSL_CERT_FILE`. An empty value counts as unset.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let named = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let either = |name: &str| named(&name.to_ascii_lowercase()).or_else(|| named(name));
        Self {
            http_proxy: either("HTTP_PROXY"),
            https_proxy: either("HTTPS_PROXY"),
            all_proxy: either("ALL_PROXY"),
            no_proxy: either("NO_PROXY"),
            ssl_cert_file: named("SSL_CERT_FILE"),
        }
    }

    /// Settings for connections to the endpoint: with the proxy for its scheme, and with only the authorities
    /// of `SSL_CERT_FILE` if that is set. Opens and checks nothing.
    pub fn transport(&self, endpoint: &Endpoint) -> TransportConfig {
        let of_scheme = match endpoint.scheme {
            Scheme::Http => &self.http_proxy,
            Scheme::Https => &self.https_proxy,
            Scheme::Unix(_) => return TransportConfig::default(),
        };
        let proxy = ProxyConfig {
            url: of_scheme.as_ref().or(self.all_proxy.as_ref()).cloned(),
            no_proxy: self.no_proxy.iter().cloned().collect(),
            ..ProxyConfig::default()
        };
        let tls = TlsConfig {
            extra_roots_file: self.ssl_cert_file.as_ref().map(Into::into),
            only_extra_roots: self.ssl_cert_file.is_some(),
            ..TlsConfig::default()
        };
        TransportConfig { proxy, tls, ..TransportConfig::default() }
    }
}

impl fmt::Debug for NetworkVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkVariables").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport(endpoint: &Endpoint, variables: &[(&str, &str)]) -> TransportConfig {
        let value = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        NetworkVariables::read(value).transport(endpoint)
    }

    #[test]
    fn the_variable_of_the_scheme_counts_then_the_one_for_all() {
        let (http, https) = (Endpoint::http("h", 1), Endpoint::https("h", 1));
        for (endpoint, variables, wanted) in [
            (&http, &[("HTTP_PROXY", "a"), ("HTTPS_PROXY", "b")][..], Some("a")),
            (&https, &[("HTTP_PROXY", "a"), ("HTTPS_PROXY", "b")], Some("b")),
            (&http, &[("HTTP_PROXY", "a"), ("http_proxy", "b"), ("ALL_PROXY", "c")], Some("b")),
            (&https, &[("HTTP_PROXY", "a"), ("all_proxy", "b")], Some("b")),
            (&http, &[("HTTP_PROXY", " "), ("ALL_PROXY", "b")], Some("b")),
            (&Endpoint::unix("/s"), &[("HTTP_PROXY", "a"), ("ALL_PROXY", "b")], None),
            (&http, &[("HTTPS_PROXY", "a")], None),
        ] {
            assert_eq!(
                transport(endpoint, variables).proxy.url.as_deref(),
                wanted,
                "{endpoint} {variables:?}"
            );
        }
        let config = transport(&https, &[("no_proxy", "a, b"), ("SSL_CERT_FILE", "/x.pem")]);
        assert_eq!(config.proxy.no_proxy, ["a, b"]);
        assert!(config.tls.only_extra_roots && config.tls.extra_roots_file.is_some());
        assert!(!transport(&https, &[]).tls.only_extra_roots);
    }
}
