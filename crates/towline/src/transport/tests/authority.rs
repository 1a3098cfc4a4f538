//! A certificate authority for one test.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};

use super::server::{Peer, Server};
use super::*;

pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// A server's side of TLS with a certificate for `name`.
    pub(super) fn server_config(&self, name: &str, alpn: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// Trust in this authority.
    pub(super) fn trusted(&self) -> TlsConfig {
        TlsConfig { extra_roots_pem: vec![self.issuer.pem().into_bytes()], ..TlsConfig::default() }
    }

    /// A transport that trusts this authority.
    pub(super) fn transport(&self) -> Transport {
        Transport::new(TransportConfig { tls: self.trusted(), ..TransportConfig::default() })
    }
}

pub(super) type TlsPeer = Peer<StreamOwned<ServerConnection, TcpStream>>;

/// A TLS server on threads.
pub(super) fn tls_server(
    config: Arc<ServerConfig>,
    serve: impl Fn(usize, TlsPeer) + Send + Sync + 'static,
) -> Server {
    Server::start(move |number, peer| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        serve(number, Peer { stream: StreamOwned::new(connection, peer.stream) });
    })
}

pub(super) fn https(server: &Server, host: &str) -> Endpoint {
    Endpoint::https(host, server.address.port())
}
