//! Opens the user's editor.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

/// Opens `$VISUAL`, `$EDITOR` or `vi` on the text and returns the saved text, without its final newline. The
/// terminal must have been restored.
pub fn edit(text: &str) -> io::Result<String> {
    let path = std::env::temp_dir().join(format!("towline-{}.md", std::process::id()));
    // Left over from a killed process with the same id.
    let _not_there = fs::remove_file(&path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    drop(file);
    let saved = open(&path).and_then(|()| fs::read_to_string(&path));
    let _left_behind = fs::remove_file(&path);
    saved.map(|text| text.trim_end_matches('\n').to_owned())
}

/// Opens `$VISUAL`, `$EDITOR` or `vi` on a file, and waits for its end.
pub fn open(path: &Path) -> io::Result<()> {
    let editor = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os).find(|name| !name.is_empty());
    let editor = editor.unwrap_or_else(|| "vi".into());
    // The variable may contain arguments, as in `code --wait`.
    let status =
        Command::new("sh").args(["-c", "eval \"$0 \\\"\\$1\\\"\""]).arg(&editor).arg(path).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{} ended with {status}", editor.display())))
    }
}
