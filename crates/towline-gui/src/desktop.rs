//! The desktop: file dialogs and notifications. Every call may block.

use std::path::PathBuf;
use std::sync::Arc;

use crate::window::{Desktop, FileDialog};

/// The real desktop.
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

/// Whether there is a service for file dialogs: without one, a dialog looks as if the user had chosen
/// nothing.
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

/// Maximum number of notifications whose clicks are awaited; clicks on further ones are ignored.
#[cfg(target_os = "linux")]
const MAX_WAITED: usize = 8;

/// Shows a notification through the desktop's service, waits until it closes, and returns whether it was
/// clicked. Without a service, shows nothing.
#[cfg(target_os = "linux")]
fn notify(title: &str, text: &str) -> bool {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static WAITED: AtomicUsize = AtomicUsize::new(0);
    let show = |waits: bool| -> zbus::Result<bool> {
        let service = "org.freedesktop.Notifications";
        let bus = zbus::blocking::Connection::session()?;
        let notifications =
            zbus::blocking::Proxy::new(&bus, service, "/org/freedesktop/Notifications", service)?;
        // Subscribe before it is shown, so that no click is missed.
        let signals = notifications.receive_all_signals()?;
        let hints = std::collections::HashMap::<&str, zbus::zvariant::Value<'_>>::new();
        let actions = ["default", "Open the chat"];
        let call = ("Towline", 0_u32, "", title, text, actions.as_slice(), hints, -1_i32);
        let id: u32 = notifications.call("Notify", &call)?;
        for signal in signals.take_while(|_| waits) {
            let header = signal.header();
            let body = signal.body();
            match header.member().map_or("", |member| member.as_str()) {
                "ActionInvoked" if body.deserialize::<(u32, &str)>()?.0 == id => return Ok(true),
                "NotificationClosed" if body.deserialize::<(u32, u32)>()?.0 == id => return Ok(false),
                _ => {}
            }
        }
        Ok(false)
    };
    let waits = WAITED.fetch_add(1, Ordering::Relaxed) < MAX_WAITED;
    let is_clicked = show(waits);
    WAITED.fetch_sub(1, Ordering::Relaxed);
    // A missing service is not worth an error message.
    is_clicked.unwrap_or(false)
}

#[cfg(not(target_os = "linux"))]
fn notify(_title: &str, _text: &str) -> bool {
    false
}
