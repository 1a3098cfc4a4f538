//! The listener for phones: an address with TLS, whose certificate the relay makes itself.
//!
//! The certificate is a leaf that cannot sign others, so a phone that trusts it trusts only this relay. It is
//! stored next to the store with the address, so the listener is the same after a restart.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::late_door::LateDoor;
use super::listener::Listener;
use super::tls;
use crate::config::{Store, TlsFiles};

/// The files in the folder of the store.
const CERTIFICATE: &str = "phone.pem";
const KEY: &str = "phone.key";
const ADDRESS: &str = "phone.address";
/// The stored files of the listener.
pub(crate) const FILES: [&str; 3] = [CERTIFICATE, KEY, ADDRESS];
/// The validity of a certificate, in days: the longest that phones accept.
const VALID_DAYS: i64 = 820;

/// An open listener.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) address: SocketAddr,
    /// The SHA-256 fingerprint of the certificate, as browsers show it.
    pub(crate) fingerprint: String,
}

/// Opens the listener at `address`, unless it is open. `hosts` are names and addresses for the certificate, where one is made, which
/// is kept beside the logs.
///
/// # Cancel safety
/// If the future is dropped, the listener may be open or not.
///
/// # Errors
/// If the store is in memory, the certificate cannot be created, or the address cannot be used.
pub(crate) async fn open(
    door: &LateDoor,
    store: &Store,
    address: SocketAddr,
    hosts: Vec<String>,
) -> io::Result<Opened> {
    let folder = folder(store)?;
    let files = TlsFiles { certificate: folder.join(CERTIFICATE), key: folder.join(KEY) };
    let own = files.clone();
    let fingerprint = match tokio::task::spawn_blocking(move || certificate(&own, hosts)).await {
        Ok(made) => made?,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    let made = async {
        let acceptor = tls::acceptor(&files).map_err(io::Error::other)?;
        let listener = Listener::bind_phone(address).await?;
        Ok((listener, Arc::new(RwLock::new(Some(acceptor)))))
    };
    let address = door.open(made).await?;
    write(&folder.join(ADDRESS), &address.to_string())?;
    Ok(Opened { address, fingerprint })
}

/// Opens the listener where it was before the relay started.
pub(crate) async fn open_again(door: &LateDoor, store: &Store) {
    let Ok(folder) = folder(store) else { return };
    let Ok(text) = std::fs::read_to_string(folder.join(ADDRESS)) else { return };
    let Ok(address) = text.trim().parse() else { return };
    if let Err(error) = open(door, store, address, Vec::new()).await {
        tracing::error!(%error, %address, "the listener for phones cannot be opened again");
    }
}

fn folder(store: &Store) -> io::Result<PathBuf> {
    match store {
        Store::Folder(folder) => Ok(folder.clone()),
        Store::Memory | Store::Own | Store::Redis(_) => {
            Err(io::Error::other("without a store on disk, the relay cannot remember a phone"))
        }
    }
}

/// The fingerprint of the certificate, which is created if there is none. Blocks.
fn certificate(files: &TlsFiles, hosts: Vec<String>) -> io::Result<String> {
    let pem = match std::fs::read(&files.certificate) {
        Ok(pem) => pem,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_certificate(files, hosts)?.into_bytes()
        }
        Err(error) => return Err(error),
    };
    let der = CertificateDer::from_pem_slice(&pem).map_err(io::Error::other)?;
    let digest = Sha256::digest(&der);
    Ok(digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
}

fn create_certificate(files: &TlsFiles, hosts: Vec<String>) -> io::Result<String> {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut names = vec![format!("{machine}.local"), machine, "localhost".to_owned()];
    names.extend(hosts);
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, "towline");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let day = |days: i64| {
        let date = now.checked_add(jiff::Span::new().days(days)).unwrap_or_else(|_| now.clone());
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (day(-1), day(VALID_DAYS));
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
    write(&files.key, &key.serialize_pem())?;
    write(&files.certificate, &pem)?;
    Ok(pem)
}

/// Writes a file that only its owner can read.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_only_its_owner_can_read_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { certificate: folder.path().join(CERTIFICATE), key: folder.path().join(KEY) };
        let first = certificate(&files, vec!["192.168.1.20".into(), "relay.example".into()]).unwrap();
        assert_eq!(first.len(), 32 * 3 - 1);
        assert_eq!(certificate(&files, Vec::new()).unwrap(), first);
        assert!(tls::acceptor(&files).is_ok());
        assert_eq!(std::fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
