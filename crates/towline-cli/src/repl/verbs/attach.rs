//! `:image`, `:file`: what goes with the next question.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::repl::chore::Done;
use crate::repl::state::{Attached, Prompt};
use towline_app::text::units;

/// The largest image, in bytes.
const IMAGE_BYTES: u64 = 64 << 20;
/// The largest text file, in bytes.
const TEXT_BYTES: u64 = 16 << 20;

impl Prompt<'_> {
    pub(super) fn attach_images(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            self.blocking_chore("image", move || {
                let bytes = read(&path, IMAGE_BYTES)?;
                if bytes.is_empty() {
                    return Err(format!("{} is empty", path.display()));
                }
                if !is_image(&bytes) {
                    let shown = path.display();
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
                let text = String::from_utf8(bytes)
                    .map_err(|_| format!("{} is not UTF-8 text; :image takes images", path.display()))?;
                Ok(Done::Attached(Attached::Text { name, text }, said))
            });
        }
    }
}

/// Whether the bytes begin as those images do that servers take.
fn is_image(bytes: &[u8]) -> bool {
    let begins: [&[u8]; 3] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8"];
    begins.iter().any(|begin| bytes.starts_with(begin))
        || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"))
}

fn said(path: &Path, size: usize) -> String {
    format!("{} ({}) goes with the next question", path.display(), units::bytes(size as u64))
}

/// Reads a file that is not too large. A pipe or device, which might never end, is no file.
pub(super) fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("{shown} cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{shown} is no file"));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(format!("{shown} is larger than {} MiB", limit_bytes >> 20));
    }
    Ok(bytes)
}
