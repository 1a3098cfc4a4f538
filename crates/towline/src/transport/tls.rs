//! TLS.
//!
//! rustls with the `ring` provider: it builds with a C compiler alone on every platform we ship to, where the other
//! provider wants CMake and on some targets an assembler, and nothing here needs what it has more.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, ClientConfig, RootCertStore, crypto::ring,
};
use towline_core::endpoint::Endpoint;

use super::config::{Http2Policy, TlsConfig};
use super::error::{ErrorKind, Sent, TransportError};
use super::socket::Socket;

const NO_HTTP2: &str = "the server does not speak HTTP/2";

/// Makes TLS connections. Sessions are resumed.
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    http2: Http2Policy,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("http2", &self.http2).finish_non_exhaustive()
    }
}

impl Tls {
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a root certificate cannot be read, or no root is left.
    pub(super) fn new(config: &TlsConfig, http2: Http2Policy) -> Result<Self, TransportError> {
        let provider = Arc::new(ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TransportError::config(error.to_string()))?
            .with_root_certificates(roots(config)?)
            .with_no_client_auth();
        client.alpn_protocols = match http2 {
            Http2Policy::Auto if cfg!(feature = "http2") => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Http2Policy::Auto | Http2Policy::Never => vec![b"http/1.1".to_vec()],
            Http2Policy::PriorKnowledge => vec![b"h2".to_vec()],
        };
        Ok(Self { config: Arc::new(client), http2 })
    }

    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`], or what the socket reports.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        endpoint: &Endpoint,
    ) -> Result<Socket, TransportError> {
        let fail = |what: String| TransportError::new(ErrorKind::Tls(what), Sent::Nothing, endpoint);
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|_| fail("the host is neither a name nor an address".into()))?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = match connector.connect(name, stream).await {
            Ok(stream) => stream,
            Err(error) => return Err(handshake_error(error, endpoint)),
        };
        let socket = Socket::Tls(Box::new(stream));
        if self.http2 == Http2Policy::PriorKnowledge && !socket.negotiated_http2() {
            return Err(fail(NO_HTTP2.into()));
        }
        Ok(socket)
    }
}

fn roots(config: &TlsConfig) -> Result<RootCertStore, TransportError> {
    let mut roots = RootCertStore::empty();
    if !config.only_extra_roots {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for (number, pem) in config.extra_roots_pem.iter().enumerate() {
        let unusable =
            |why: String| TransportError::config(format!("extra root certificate {}: {why}", number + 1));
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            found = true;
        }
        if !found {
            return Err(unusable("no PEM certificate in it".into()));
        }
    }
    if roots.is_empty() {
        return Err(TransportError::config(
            "no certificate authority is trusted: only_extra_roots without a root",
        ));
    }
    Ok(roots)
}

fn handshake_error(error: io::Error, endpoint: &Endpoint) -> TransportError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let what = match tls {
        Some(rustls::Error::InvalidCertificate(certificate)) => certificate_text(certificate),
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server does not answer with TLS; use an http address if it has none".into()
        }
        Some(
            rustls::Error::NoApplicationProtocol
            | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol),
        ) => NO_HTTP2.into(),
        Some(error) => error.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed during the handshake".into()
        }
        None => return TransportError::socket(error, Sent::Nothing, endpoint),
    };
    TransportError::new(ErrorKind::Tls(what), Sent::Nothing, endpoint).because(error)
}

fn certificate_text(error: &CertificateError) -> String {
    use CertificateError::{Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer};
    if matches!(error, UnknownIssuer) {
        "its certificate comes from an authority that is not trusted here; if you trust it, add the authority's \
         certificate (PEM) to the extra root certificates"
            .into()
    } else if matches!(error, Expired | ExpiredContext { .. }) {
        format!("its certificate has expired, or the clock of this machine is wrong ({error})")
    } else if matches!(error, NotValidForName | NotValidForNameContext { .. }) {
        format!("its certificate is for another name ({error})")
    } else {
        error.to_string()
    }
}
