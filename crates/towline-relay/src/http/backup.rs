//! Backs up the store while the relay runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Code, Refusal, json_answer};
use super::control::{ORDER_BYTES, parsed};
use super::input;
use crate::access::Caller;
use crate::config::{Role, Store};
use crate::devices;
use crate::listen::PHONE_FILES;
use crate::relay::Relay;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupOrder {
    folder: PathBuf,
}

/// Copies the store, and the other files in its folder, into a new folder. Only the relay's own user may
/// choose the folder, because the relay writes as this user.
pub(super) async fn back_up(
    relay: &Relay,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    if !caller.over_unix || !caller.roles.allow(Role::Admin) {
        return Err(Refusal::new(Code::Forbidden, "a relay can be backed up only over its Unix socket"));
    }
    let body = input::read(relay, request.into_body(), ORDER_BYTES).await?.bytes;
    let BackupOrder { folder } = parsed(&body)?;
    if !folder.is_absolute() {
        return Err(Refusal::bad("folder takes an absolute path"));
    }
    let Store::Folder(own) = relay.config.store.place.clone() else {
        return Err(Refusal::new(
            Code::Conflict,
            "the relay has no store on disk, so there is nothing to copy",
        ));
    };
    let store = Arc::clone(relay.writer.store());
    let copied = tokio::task::spawn_blocking(move || {
        copy(&own, &folder, |to| store.back_up(to).map_err(io::Error::other))
    });
    let streams = match copied.await {
        Ok(copied) => copied.map_err(|error| {
            let is_taken = error.kind() == io::ErrorKind::AlreadyExists;
            let code = if is_taken { Code::Conflict } else { Code::Unavailable };
            Refusal::new(code, format!("the store cannot be backed up: {error}"))
        })?,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    Ok(json_answer(StatusCode::CREATED, &json!({ "streams": streams })))
}

/// The folder gets its name when it is complete, so that an interrupted copy is not mistaken for a backup.
fn copy(own: &Path, folder: &Path, store: impl FnOnce(&Path) -> io::Result<u64>) -> io::Result<u64> {
    if folder.exists() {
        let message = format!("{} already exists: name a folder that does not", folder.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(format!(".partial-{}", std::process::id()));
    let partial = folder.with_file_name(name);
    // If another backup to this name is running, the folder belongs to it.
    std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&partial)?;
    let made = || {
        for file in PHONE_FILES.into_iter().chain([devices::FILE]) {
            match fs::copy(own.join(file), partial.join(file)) {
                Ok(_bytes) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let streams = store(&partial)?;
        fs::rename(&partial, folder)?;
        fs::File::open(folder.parent().unwrap_or(folder))?.sync_all()?;
        Ok(streams)
    };
    let made = made();
    if made.is_err() {
        // The remains are not mistaken for a backup.
        drop(fs::remove_dir_all(&partial));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_backup_to_the_same_name_leaves_the_first_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (own, to) = (folder.path().join("own"), folder.path().join("copy"));
        let streams = copy(&own, &to, |partial| {
            fs::write(partial.join("first"), "whole")?;
            let second = copy(&own, &to, |_| Ok(2)).unwrap_err();
            assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
            Ok(1)
        });
        assert_eq!(streams.unwrap(), 1);
        assert_eq!(fs::read_to_string(to.join("first")).unwrap(), "whole");
        let failed = copy(&own, &folder.path().join("other"), |_| Err(io::Error::other("no")));
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
