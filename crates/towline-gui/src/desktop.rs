//! File dialogs and notifications: the desktop around the window. Every call waits for it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::window::{Desktop, FileDialog};

/// The desktop this program runs on.
pub fn real() -> Desktop {
    Desktop { files: Arc::new(files), notify: Arc::new(notify) }
}

fn files(dialog: FileDialog) -> Result<Vec<PathBuf>, String> {
    if !has_dialogs() {
        return Err(
            "This desktop offers no file dialogs: neither xdg-desktop-portal nor zenity is there.".into()
        );
    }
    let ask = rfd::FileDialog::new();
    Ok(match dialog {
        FileDialog::Open => ask.set_title("Add files to the question").pick_files().unwrap_or_default(),
        FileDialog::OpenSession => {
            let ask = ask.set_title("Import a chat").add_filter("Chats", &["jsonl", "json"]);
            ask.pick_files().unwrap_or_default()
        }
        FileDialog::Save(name) => {
            ask.set_title("Export a chat").set_file_name(name).save_file().into_iter().collect()
        }
    })
}

/// Whether something can show a file dialog: without it, asking looks as if somebody had chosen nothing.
#[cfg(target_os = "linux")]
fn has_dialogs() -> bool {
    let has_portal = || -> zbus::Result<bool> {
        let bus = zbus::blocking::fdo::DBusProxy::new(&zbus::blocking::Connection::session()?)?;
        let is_portal = |name: &zbus::names::OwnedBusName| *name == "org.freedesktop.portal.Desktop";
        Ok(bus.list_names()?.iter().any(is_portal) || bus.list_activatable_names()?.iter().any(is_portal))
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    has_portal().unwrap_or(false)
        || std::env::split_paths(&path).any(|folder| folder.join("zenity").is_file())
}

#[cfg(not(target_os = "linux"))]
fn has_dialogs() -> bool {
    true
}

/// Shows a notification by the desktop's own service. Without one, nothing is shown.
#[cfg(target_os = "linux")]
fn notify(title: &str, text: &str) {
    let show = || -> zbus::Result<()> {
        let bus = zbus::blocking::Connection::session()?;
        let hints = std::collections::HashMap::<&str, zbus::zvariant::Value<'_>>::new();
        let actions: [&str; 0] = [];
        let service = "org.freedesktop.Notifications";
        let call = ("Towline", 0_u32, "", title, text, actions.as_slice(), hints, -1_i32);
        bus.call_method(Some(service), "/org/freedesktop/Notifications", Some(service), "Notify", &call)?;
        Ok(())
    };
    // A desktop without the service is no reason to bother anybody.
    drop(show());
}

#[cfg(not(target_os = "linux"))]
fn notify(_title: &str, _text: &str) {}
