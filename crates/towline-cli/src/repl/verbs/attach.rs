//! `:image`, `:file`: what goes with the next question.

use std::path::{Path, PathBuf};

use towline_app::text::units;

use crate::input;
use crate::repl::background_task::Done;
use crate::repl::state::{Attached, Prompt};

/// The largest text file, in bytes.
const TEXT_BYTES: u64 = 16 << 20;

impl Prompt<'_> {
    pub(super) fn attach_images(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            self.blocking_chore("image", move || {
                check_is_file(&path)?;
                let bytes = input::image(&path)?;
                if !input::is_image(&bytes) {
                    let shown = input::image_name(&path);
                    return Err(format!("{shown} is no PNG, JPEG, WebP or GIF image; :file takes text"));
                }
                let said = said(&path, bytes.len());
                Ok(Done::Attached(Attached::Image { bytes }, said))
            });
        }
    }

    pub(super) fn attach_files(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            self.blocking_chore("file", move || {
                let bytes = read(&path, TEXT_BYTES)?;
                let said = said(&path, bytes.len());
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = input::text(&bytes, None)
                    .ok_or_else(|| format!("{} is no text; :image takes images", path.display()))?;
                let said = text
                    .warning(&path.display().to_string())
                    .map_or_else(|| said.clone(), |warning| format!("{said}; {warning}"));
                Ok(Done::Attached(Attached::Text { name, text: text.text }, said))
            });
        }
    }
}

fn said(path: &Path, size: usize) -> String {
    format!("{} ({}) goes with the next question", input::image_name(path), units::bytes(size as u64))
}

/// Reads a file that is not too large.
pub(super) fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, String> {
    check_is_file(path)?;
    input::bytes(path, limit_bytes)
}

/// A pipe or device, which might never end, is no file.
fn check_is_file(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(format!("{} is no file", path.display())),
        // What cannot be looked at is told when it is opened.
        Ok(_) | Err(_) => Ok(()),
    }
}
