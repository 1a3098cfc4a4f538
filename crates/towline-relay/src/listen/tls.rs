//! TLS, from files.

use std::path::Path;
use std::sync::{Arc, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::error::Error;

/// The TLS settings for new connections; `None` if TCP is not encrypted.
pub(crate) type Tls = Arc<RwLock<Option<TlsAcceptor>>>;

/// A TLS acceptor with the certificate in `files`.
///
/// # Errors
/// A file that cannot be read or has the wrong content.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, Error> {
    let wrong = |path: &Path, why: String| Error::Tls { path: path.to_owned(), why };
    let of_certificate = |why: String| wrong(&files.certificate, why);
    let of_key = |why: String| wrong(&files.key, why);
    let read = |path: &Path| std::fs::read(path);
    let pem = read(&files.certificate).map_err(|error| of_certificate(error.to_string()))?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| of_certificate(error.to_string()))?;
    if certificates.is_empty() {
        return Err(of_certificate("it contains no certificate".into()));
    }
    let pem = read(&files.key).map_err(|error| of_key(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| of_key(error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| of_certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    let mut config = config.map_err(|error| of_key(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
