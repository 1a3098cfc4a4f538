//! Devices: browsers that signed in with a link, each with its own cookie.
//!
//! A link contains a secret that works once, for a short time. A device exchanges it for its own secret,
//! which it keeps as a cookie. The relay stores only digests of secrets. Revoking a device closes its
//! streams.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::config::Roles;
use crate::error::Error;
use crate::id::Owner;
use crate::meta::now_ms;
use crate::secret;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// How long a link works, in milliseconds.
const LINK_MS: u64 = 10 * MINUTE_MS;
/// The number of days without a visit after which a device is forgotten.
pub(crate) const DEVICE_DAYS: u64 = 90;
/// The maximum number of links, and of devices. A new one replaces the oldest.
const MOST: usize = 1000;
/// The longest name of a device, in characters.
const NAME_CHARS: usize = 100;
/// The file in the folder of the store.
pub(crate) const FILE: &str = "devices.json";

/// All devices and links.
#[derive(Debug)]
pub(crate) struct Devices {
    /// The file of the devices that survive a restart; `None` if none do.
    file: Option<PathBuf>,
    known: Mutex<DeviceTable>,
}

#[derive(Debug, Default)]
struct DeviceTable {
    links: Vec<Link>,
    devices: Vec<Device>,
}

/// The rights of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// Its name.
    pub(crate) name: String,
    pub(crate) owner: Owner,
    /// Whether it may name model servers that are not configured.
    #[serde(default)]
    pub(crate) names_servers: bool,
    /// Its roles.
    #[serde(default)]
    pub(crate) roles: Roles,
    /// Whether it survives a restart of the relay.
    #[serde(skip)]
    pub(crate) is_kept: bool,
}

#[derive(Debug)]
struct Link {
    digest: String,
    until_ms: u64,
    grant: Grant,
}

#[derive(Debug, Serialize, Deserialize)]
struct Device {
    digest: String,
    #[serde(flatten)]
    grant: Grant,
    created_ms: u64,
    /// To the day.
    seen_ms: u64,
    #[serde(skip)]
    revoked: watch::Sender<bool>,
}

/// The device of a request.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) grant: Grant,
    /// Becomes true when the device is revoked.
    pub(crate) revoked: watch::Receiver<bool>,
    /// Whether a day has passed, so that its cookie must be renewed.
    pub(crate) is_renewed: bool,
}

/// A device in a list.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceInfo {
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) created_at: String,
    pub(crate) seen_at: String,
}

impl Devices {
    /// Reads the devices in `folder`; without a folder, none survive. Blocks.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, Error> {
        let file = folder.map(|folder| folder.join(FILE));
        let mut devices: Vec<Device> = Vec::new();
        if let Some(path) = &file {
            let failed = |source| Error::File { path: path.clone(), source };
            match std::fs::read(path) {
                Ok(bytes) => {
                    devices = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        for device in &mut devices {
            device.grant.is_kept = true;
        }
        Ok(Self { file, known: Mutex::new(DeviceTable { links: Vec::new(), devices }) })
    }

    /// The secret of a new link.
    pub(crate) fn link(&self, mut grant: Grant) -> String {
        grant.name = grant.name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
        let secret = secret::random();
        let now = now_ms();
        let mut known = self.lock();
        known.links.retain(|link| link.until_ms > now);
        if known.links.len() >= MOST {
            known.links.remove(0);
        }
        known.links.push(Link { digest: digest(&secret), until_ms: now + LINK_MS, grant });
        secret
    }

    /// Exchanges the secret of a link, which then no longer works, for that of a new device; `None` if the
    /// link is invalid.
    pub(crate) fn exchange(&self, link: &str) -> Option<String> {
        let (digest, now) = (digest(link), now_ms());
        let mut known = self.lock();
        let at = known.links.iter().position(|link| link.digest == digest && link.until_ms > now)?;
        let grant = known.links.remove(at).grant;
        drop(known);
        Some(self.add(grant))
    }

    /// The secret of a new device. If the name is taken, a number is added.
    pub(crate) fn add(&self, mut grant: Grant) -> String {
        let (secret, now) = (secret::random(), now_ms());
        let mut known = self.lock();
        known.forget_absent(now);
        let name = if grant.name.is_empty() { "device".to_owned() } else { grant.name };
        let mut numbered = (2_u64..).map(|number| format!("{name}-{number}"));
        grant.name = name.clone();
        while known.devices.iter().any(|device| device.grant.name == grant.name) {
            grant.name = numbered.next().unwrap_or_default();
        }
        if known.devices.len() >= MOST {
            known.devices.remove(0).revoked.send_replace(true);
        }
        let digest = digest(&secret);
        known.devices.push(Device {
            digest,
            grant,
            created_ms: now,
            seen_ms: now,
            revoked: watch::Sender::default(),
        });
        self.save(&known);
        secret
    }

    /// The device with this secret.
    pub(crate) fn enter(&self, secret: &str) -> Option<Entered> {
        let (digest, now) = (digest(secret), now_ms());
        let mut known = self.lock();
        known.forget_absent(now);
        let device = known.devices.iter_mut().find(|device| device.digest == digest)?;
        let is_renewed = now.saturating_sub(device.seen_ms) > DAY_MS;
        if is_renewed {
            device.seen_ms = now;
        }
        let entered =
            Entered { grant: device.grant.clone(), revoked: device.revoked.subscribe(), is_renewed };
        if is_renewed {
            self.save(&known);
        }
        Some(entered)
    }

    /// The devices of one owner, or all.
    pub(crate) fn list(&self, owner: Option<&Owner>) -> Vec<DeviceInfo> {
        let mut known = self.lock();
        known.forget_absent(now_ms());
        let devices =
            known.devices.iter().filter(|device| owner.is_none_or(|owner| *owner == device.grant.owner));
        devices
            .map(|device| DeviceInfo {
                name: device.grant.name.clone(),
                owner: device.grant.owner.as_str().to_owned(),
                created_at: crate::meta::rfc3339(device.created_ms),
                seen_at: crate::meta::rfc3339(device.seen_ms),
            })
            .collect()
    }

    /// Whether there are devices that survive a restart.
    pub(crate) fn are_kept(&self) -> bool {
        self.lock().devices.iter().any(|device| device.grant.is_kept)
    }

    /// Revokes the device of this name and closes its streams; `false` if there is none.
    pub(crate) fn revoke(&self, owner: Option<&Owner>, name: &str) -> bool {
        let mut known = self.lock();
        let is_meant = |device: &Device| {
            device.grant.name == name && owner.is_none_or(|owner| *owner == device.grant.owner)
        };
        let Some(at) = known.devices.iter().position(is_meant) else { return false };
        known.devices.remove(at).revoked.send_replace(true);
        self.save(&known);
        true
    }

    /// Writes the devices that survive. On an error they last only as long as this process.
    fn save(&self, known: &DeviceTable) {
        let Some(path) = &self.file else { return };
        let kept: Vec<&Device> = known.devices.iter().filter(|device| device.grant.is_kept).collect();
        let new = path.with_extension("new");
        let written = serde_json::to_vec(&kept).map_err(std::io::Error::from).and_then(|bytes| {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        });
        if let Err(error) = written {
            tracing::error!(%error, "the list of devices cannot be written");
        }
    }

    fn lock(&self) -> MutexGuard<'_, DeviceTable> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeviceTable {
    fn forget_absent(&mut self, now_ms: u64) {
        self.devices.retain(|device| now_ms.saturating_sub(device.seen_ms) <= DEVICE_DAYS * DAY_MS);
    }
}

/// The digest of a secret. The secret has 256 random bits, so a comparison of digests reveals nothing about
/// it.
fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(name: &str) -> Grant {
        Grant {
            name: name.into(),
            owner: Owner::named("ann"),
            names_servers: false,
            roles: Roles::PLAIN,
            is_kept: true,
        }
    }

    #[test]
    fn a_link_works_once_and_brings_a_device() {
        let devices = Devices::open(None).unwrap();
        let link = devices.link(grant("phone"));
        let secret = devices.exchange(&link).unwrap();
        assert_ne!(secret, link);
        assert_eq!(devices.exchange(&link), None);
        assert!(devices.enter(&link).is_none());
        let entered = devices.enter(&secret).unwrap();
        assert_eq!(entered.grant.owner.as_str(), "ann");
        assert!(!*entered.revoked.borrow());
    }

    #[test]
    fn a_revoked_device_is_out_and_is_informed() {
        let devices = Devices::open(None).unwrap();
        let secret = devices.add(grant("phone"));
        let revoked = devices.enter(&secret).unwrap().revoked;
        assert!(!devices.revoke(Some(&Owner::named("bob")), "phone"));
        assert!(devices.revoke(Some(&Owner::named("ann")), "phone"));
        assert!(*revoked.borrow());
        assert!(devices.enter(&secret).is_none());
        assert!(!devices.revoke(None, "phone"));
    }

    #[test]
    fn those_that_last_are_known_to_the_next_relay_and_the_file_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let devices = Devices::open(Some(folder.path())).unwrap();
        let kept = devices.add(grant("phone"));
        let also = devices.add(grant("phone"));
        let passing = devices.add(Grant { is_kept: false, ..grant("page") });
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!text.contains(&kept) && !text.contains("page"), "{text}");
        let again = Devices::open(Some(folder.path())).unwrap();
        assert_eq!(again.enter(&kept).unwrap().grant.name, "phone");
        assert_eq!(again.enter(&also).unwrap().grant.name, "phone-2");
        assert!(again.enter(&passing).is_none());
    }

    #[test]
    fn one_that_does_not_come_for_long_is_forgotten() {
        let devices = Devices::open(None).unwrap();
        let secret = devices.add(grant("phone"));
        devices.lock().devices[0].seen_ms -= 2 * DAY_MS;
        assert!(devices.enter(&secret).unwrap().is_renewed);
        assert!(!devices.enter(&secret).unwrap().is_renewed);
        devices.lock().devices[0].seen_ms -= (DEVICE_DAYS + 1) * DAY_MS;
        assert!(devices.enter(&secret).is_none());
    }
}
