//! The history of submitted lines, in memory and in a file with one line per entry.
//!
//! Each entry is appended to the file with one write, so two prompts may share it. A newline inside an entry
//! is written as `\n`, a backslash as `\\`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Maximum number of entries.
const ENTRIES: usize = 2_000;
/// Maximum size of a written entry; a longer entry is kept only until the end of the session.
const ENTRY_BYTES: usize = 64 << 10;
/// Number of bytes that are read from the end of the file.
const FILE_BYTES: usize = 4 << 20;

#[derive(Debug, Default)]
pub struct History {
    entries: Vec<String>,
    file: Option<PathBuf>,
}

impl History {
    /// Reads the file; if that fails, the history is empty. `None` keeps the history in memory only.
    pub fn open(file: Option<PathBuf>) -> Self {
        let mut history = Self { entries: vec![], file };
        let Some(bytes) = history.file.as_deref().and_then(|path| fs::read(path).ok()) else {
            return history;
        };
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(FILE_BYTES)..]).into_owned();
        let lines = text.lines().filter(|line| !line.is_empty()).count();
        let kept = text.lines().filter(|line| !line.is_empty()).skip(lines.saturating_sub(ENTRIES));
        history.entries = kept.map(unescaped).collect();
        if lines > 2 * ENTRIES || bytes.len() > FILE_BYTES {
            // The next start retries.
            let _too_long_for_now = history.rewrite();
        }
        history
    }

    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Adds an entry, unless it repeats the last one or begins with a blank.
    pub fn add(&mut self, entry: &str) {
        if entry.trim().is_empty()
            || entry.starts_with(' ')
            || self.entries.last().is_some_and(|last| last == entry)
        {
            return;
        }
        self.entries.push(entry.to_owned());
        if self.entries.len() > 2 * ENTRIES {
            self.entries.drain(..ENTRIES);
        }
        if entry.len() <= ENTRY_BYTES
            && let Some(path) = &self.file
        {
            // A history that cannot be written must not disturb the conversation.
            let _unwritten = append(path, &escaped(entry));
        }
    }

    /// The newest entry before `before` that begins with `prefix`.
    pub fn older(&self, before: usize, prefix: &str) -> Option<usize> {
        self.entries[..before].iter().rposition(|entry| entry.starts_with(prefix))
    }

    /// The oldest entry after `after` that begins with `prefix`.
    pub fn newer(&self, after: usize, prefix: &str) -> Option<usize> {
        let from = after + 1;
        self.entries.get(from..)?.iter().position(|entry| entry.starts_with(prefix)).map(|at| from + at)
    }

    /// The newest entry before `before` that contains `part`.
    pub fn holding(&self, before: usize, part: &str) -> Option<usize> {
        self.entries[..before].iter().rposition(|entry| entry.contains(part))
    }

    /// The rest of the newest entry that begins with `line`.
    pub fn hint(&self, line: &str) -> Option<String> {
        let longer = |entry: &&String| entry.len() > line.len() && entry.starts_with(line);
        self.entries.iter().rev().find(longer).map(|entry| entry[line.len()..].to_owned())
    }

    fn rewrite(&self) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut name = path.clone().into_os_string();
        name.push(format!(".{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&name)?;
        let lines: String = self.entries.iter().map(|entry| escaped(entry)).collect();
        file.write_all(lines.as_bytes())?;
        fs::rename(&name, path)
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(line.as_bytes())
}

fn escaped(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "") + "\n"
}

fn unescaped(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => entry.push('\n'),
                Some(other) => entry.push(other),
                None => entry.push('\\'),
            },
            c => entry.push(c),
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/history");
        let mut history = History::open(Some(path.clone()));
        for entry in ["one", "two\nlines \\n", "two\nlines \\n", " secret", "你好"] {
            history.add(entry);
        }
        let again = History::open(Some(path));
        assert_eq!(again.entries(), ["one", "two\nlines \\n", "你好"]);
    }

    #[test]
    fn a_long_file_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let lines: String = (0..3 * ENTRIES).map(|n| format!("{n}\n")).collect();
        fs::write(&path, lines).unwrap();
        let history = History::open(Some(path.clone()));
        assert_eq!(history.entries().len(), ENTRIES);
        assert_eq!(history.entries().last().unwrap(), &(3 * ENTRIES - 1).to_string());
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), ENTRIES);
    }

    #[test]
    fn prefixes_are_searched_both_ways() {
        let mut history = History::default();
        for entry in ["ab", "x", "ac"] {
            history.add(entry);
        }
        assert_eq!(history.older(3, "a"), Some(2));
        assert_eq!(history.older(2, "a"), Some(0));
        assert_eq!(history.newer(0, "a"), Some(2));
        assert_eq!(history.newer(2, "a"), None);
        assert_eq!(history.hint("a").as_deref(), Some("c"));
    }
}
