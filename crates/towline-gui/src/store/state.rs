//! The window's own state, such as size and theme, without conversations.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The largest state file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// The system's.
    #[default]
    System,
    /// Light text on a dark background.
    Dark,
    /// Dark text on a light background.
    Light,
}

/// The window's own state. A field that is missing in the file has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Width and height in points, without zoom.
    pub size: Option<[f32; 2]>,
    /// Its position in points; not on Wayland.
    pub place: Option<[f32; 2]>,
    /// Colours.
    pub theme: Theme,
    /// Zoom; 1 means none.
    pub zoom: f32,
    /// Whether the panel of jobs is open.
    pub shows_jobs: bool,
    /// Whether the list of chats is open.
    pub shows_chats: bool,
    /// Whether the window shows notifications for answers in the background.
    pub notifies: bool,
    /// The model of new chats.
    pub model: String,
    /// The number of the last shown chat in the history.
    pub chat: Option<i64>,
    /// The session files that an earlier version had pinned. The history stores pins now, so this is no
    /// longer written.
    #[serde(skip_serializing)]
    pub pinned: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            size: None,
            place: None,
            theme: Theme::System,
            zoom: 1.0,
            shows_jobs: false,
            shows_chats: true,
            notifies: true,
            model: String::new(),
            chat: None,
            pinned: Vec::new(),
        }
    }
}

impl State {
    /// The path of the state file for this folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("window.json")
    }

    /// Reads it. An unreadable file counts as missing, so the window opens anyway.
    pub fn read(path: &Path) -> Self {
        let is_small = path.metadata().is_ok_and(|metadata| metadata.len() <= MAX_BYTES);
        let text = is_small.then(|| std::fs::read_to_string(path).ok()).flatten();
        let mut state: Self = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        if !(0.2..=5.0).contains(&state.zoom) {
            state.zoom = 1.0;
        }
        if state.model == crate::server::BUILTIN_MODEL {
            // The built-in model is only for users who have no other.
            state.model.clear();
        }
        state
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_and_a_damaged_one_is_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("window.json");
        let mut state = State { theme: Theme::Light, zoom: 1.25, chat: Some(7), ..State::default() };
        std::fs::write(&path, state.text()).unwrap();
        assert_eq!(State::read(&path), state);
        state.model = "brook".into();
        std::fs::write(&path, state.text()).unwrap();
        assert_eq!(State::read(&path).model, "", "the built-in model is not remembered");
        std::fs::write(&path, "{\"zoom\": 0, \"later\": 1}").unwrap();
        assert_eq!(State::read(&path), State::default());
        std::fs::write(&path, "{").unwrap();
        assert_eq!(State::read(&path), State::default());
    }
}
