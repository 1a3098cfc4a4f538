//! `:image`, `:file`, `:url`: attachments of the next question.

use std::path::{Path, PathBuf};

use towline_app::text::units;

use crate::input::fetch;
use crate::input::{self, FileContent, FileInput};
use crate::prompt::background_task::Done;
use crate::prompt::state::{Attached, Prompt};

impl Prompt<'_> {
    pub(super) fn attach_images(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            self.blocking_task("image", move || {
                check_is_file(&path)?;
                let bytes = input::image(&path)?;
                if !input::is_image(&bytes) {
                    let shown = input::image_name(&path);
                    return Err(format!("{shown} is not a PNG, JPEG, WebP or GIF image; :file takes text"));
                }
                let message = attached_message(&input::image_name(&path), bytes.len());
                Ok(Done::Attached(Attached::Image { bytes }, message))
            });
        }
    }

    pub(super) fn attach_files(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            self.blocking_task("file", move || {
                check_is_file(&path)?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(attached(name, &path.display().to_string(), input::file(&path, None)?))
            });
        }
    }

    pub(super) fn attach_pages(&mut self, urls: Vec<String>) {
        for url in urls {
            let network = self.asked.environment.network.clone();
            self.in_background("url", true, async move {
                let fetch::Page { shown, name, content_type, bytes } = fetch::page(&url, &network).await?;
                let taking = move || {
                    let content = input::content(&shown, bytes, &content_type, None)?;
                    Ok(attached(name, &shown, content))
                };
                tokio::task::spawn_blocking(taking).await.unwrap_or_else(|error| Err(error.to_string()))
            });
        }
    }
}

/// The attachment, and the message about it.
fn attached(name: String, shown: &str, FileContent { input, note }: FileContent) -> Done {
    let (attached, size, warning) = match input {
        FileInput::Image(bytes) => {
            let size = bytes.len();
            (Attached::Image { bytes }, size, None)
        }
        FileInput::Text(text) => {
            let (size, warning) = (text.text.len(), text.warning(shown));
            (Attached::Text { name, text: text.text }, size, warning)
        }
    };
    let message = note.map_or_else(
        || attached_message(shown, size),
        |note| format!("{note}; it goes with the next question"),
    );
    Done::Attached(
        attached,
        warning.map_or_else(|| message.clone(), |warning| format!("{message}; {warning}")),
    )
}

fn attached_message(shown: &str, size: usize) -> String {
    format!("{shown} ({}) goes with the next question", units::bytes(size as u64))
}

/// Rejects pipes and devices, which might never end.
fn check_is_file(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(format!("{} is not a file", path.display())),
        // If its metadata cannot be read, opening it reports the error.
        Ok(_) | Err(_) => Ok(()),
    }
}
