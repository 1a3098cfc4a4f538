//! TLS.
//!
//! Uses rustls with the `ring` provider, which needs only a C compiler on every platform we ship to. The
//! other provider needs CMake and, on some targets, an assembler, and this crate needs none of its extra
//! features.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

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
    config: TlsConfig,
    http2: Http2Policy,
    /// Created for the first connection; the error says why it cannot be created.
    client: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("http2", &self.http2).finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(config: &TlsConfig, http2: Http2Policy) -> Self {
        Self { config: config.clone(), http2, client: OnceLock::new() }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a root certificate cannot be read, or no root is left.
    pub(super) fn check(&self, endpoint: &Endpoint) -> Result<(), TransportError> {
        self.client(endpoint).map(drop)
    }

    fn client(&self, endpoint: &Endpoint) -> Result<Arc<ClientConfig>, TransportError> {
        let made = self.client.get_or_init(|| client_config(&self.config, self.http2).map(Arc::new));
        made.clone().map_err(|why| TransportError::new(ErrorKind::Config(why), Sent::Nothing, endpoint))
    }

    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`], [`ErrorKind::Config`], or what the socket reports.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        endpoint: &Endpoint,
    ) -> Result<Socket, TransportError> {
        let fail = |what: String| TransportError::new(ErrorKind::Tls(what), Sent::Nothing, endpoint);
        let name = ServerName::try_from(endpoint.address().to_owned())
            .map_err(|_| fail("the host is neither a name nor an address".into()))?;
        let connector = TlsConnector::from(self.client(endpoint)?);
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

fn client_config(config: &TlsConfig, http2: Http2Policy) -> Result<ClientConfig, String> {
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots(config)?)
        .with_no_client_auth();
    client.alpn_protocols = match http2 {
        Http2Policy::Auto if cfg!(feature = "http2") => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Http2Policy::Auto | Http2Policy::Never => vec![b"http/1.1".to_vec()],
        Http2Policy::PriorKnowledge => vec![b"h2".to_vec()],
    };
    Ok(client)
}

fn roots(config: &TlsConfig) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if !config.only_extra_roots {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for (number, pem) in config.extra_roots_pem.iter().enumerate() {
        add(&mut roots, pem).map_err(|why| format!("extra root certificate {}: {why}", number + 1))?;
    }
    if let Some(path) = &config.extra_roots_file {
        let read = std::fs::read(path).map_err(|error| error.to_string());
        read.and_then(|pem| add(&mut roots, &pem))
            .map_err(|why| format!("the root certificates in {}: {why}", path.display()))?;
    }
    if roots.is_empty() {
        return Err(
            "no certificate authority is trusted: only_extra_roots is set, but there is no extra root".into(),
        );
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.len() == before { Err("it contains no PEM certificate".into()) } else { Ok(()) }
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
            "the server closed the connection during the handshake".into()
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
