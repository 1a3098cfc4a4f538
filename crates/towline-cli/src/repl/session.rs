//! The session's file: appended to as text arrives, before it is shown.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use towline_app::chat::Settings;
use towline_app::chat::files::{self, SessionFileError};

use crate::folders;

/// Where sessions are.
pub fn folder() -> Option<PathBuf> {
    Some(folders::data()?.join("sessions"))
}

/// The session that is written to.
#[derive(Debug, Default)]
pub struct Session {
    folder: Option<PathBuf>,
    path: Option<PathBuf>,
    /// The name it will have, when it was named before there was anything to write.
    name: Option<String>,
    file: Option<File>,
}

impl Session {
    /// A session below `folder`; with `None` nothing is written. The file is made with the first line.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// Whether anything is written.
    pub fn is_written(&self) -> bool {
        self.folder.is_some()
    }

    /// Whether there is a file.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// The session's name.
    pub fn name(&self) -> Option<String> {
        let path = self.path.as_ref().and_then(|path| path.file_stem());
        path.map(|stem| stem.to_string_lossy().into_owned()).or_else(|| self.name.clone())
    }

    /// Where it is.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Appends lines; the first ones come after a header and the settings.
    pub fn append(&mut self, lines: &str, settings: &Settings) -> io::Result<()> {
        if self.file.is_none() {
            self.create(settings)?;
        }
        match &mut self.file {
            Some(file) => file.write_all(lines.as_bytes()),
            None => Ok(()),
        }
    }

    fn create(&mut self, settings: &Settings) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let now = Timestamp::now();
        let base = self.name.clone().unwrap_or_else(|| now.strftime("%Y-%m-%dT%H-%M-%S").to_string());
        let made = files::create(folder, &base, &now.to_string(), settings);
        let (path, file) = made.map_err(|error| match error {
            SessionFileError::Io(error) => error,
            SessionFileError::BadName(_)
            | SessionFileError::Missing
            | SessionFileError::InUse
            | SessionFileError::TooLarge
            | SessionFileError::NotText(_) => io::Error::other(error.to_string()),
        })?;
        (self.path, self.file) = (Some(path), Some(file));
        Ok(())
    }

    /// Gives the session a name.
    pub fn rename(&mut self, name: &str) -> Result<(), String> {
        let to = named(self.folder.as_deref(), name)?;
        if to.exists() {
            return Err(format!("there is a session {name} already"));
        }
        match &self.path {
            Some(from) => {
                std::fs::rename(from, &to).map_err(|error| format!("it cannot be renamed: {error}"))?;
                self.path = Some(to);
            }
            None => self.name = Some(name.to_owned()),
        }
        Ok(())
    }

    /// Goes on with the file at `path`.
    pub fn adopt(&mut self, path: PathBuf, file: File) {
        (self.path, self.file, self.name) = (Some(path), Some(file), None);
    }
}

/// The file of the session with this name.
pub fn named(folder: Option<&Path>, name: &str) -> Result<PathBuf, String> {
    let folder =
        folder.ok_or("sessions are not written: the configuration says so, or there is no home folder")?;
    files::named(folder, name).map_err(|error| error.to_string())
}

/// Opens a session's file to go on with it, with its text.
pub fn open(path: &Path) -> Result<(File, String), String> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    files::open(path).map_err(|error| match error {
        SessionFileError::Missing => format!("there is no session {name}; :sessions lists them"),
        SessionFileError::InUse
        | SessionFileError::TooLarge
        | SessionFileError::NotText(_)
        | SessionFileError::BadName(_)
        | SessionFileError::Io(_) => format!("{name}: {error}"),
    })
}

/// The names of the sessions, the last written first, with when that was.
pub fn list(folder: &Path) -> Vec<(String, Timestamp)> {
    let sessions = files::list(folder).into_iter();
    sessions.filter_map(|(name, written)| Some((name, Timestamp::try_from(written).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use towline_app::chat::session;

    use super::*;

    #[test]
    fn a_cut_last_line_is_dropped_and_the_file_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = Session::new(Some(folder.path().to_owned()));
        let settings = Settings { model: "m".into(), ..Settings::default() };
        one.append("{\"record\":\"clear\"}\n{\"reco", &settings).unwrap();
        let path = one.path().unwrap().to_owned();
        assert!(open(&path).unwrap_err().contains("open in another program"));
        drop(one);
        let (file, text) = open(&path).unwrap();
        assert_eq!(session::read(&text).unwrap().settings, settings);
        let mut again = Session::new(Some(folder.path().to_owned()));
        again.adopt(path.clone(), file);
        again.append("{\"record\":\"clear\"}\n", &settings).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        session::read(&text).unwrap();
    }

    #[test]
    fn names_stay_inside_the_folder() {
        let folder = Path::new("/x");
        assert_eq!(named(Some(folder), "a b").unwrap(), Path::new("/x/a b.jsonl"));
        for name in ["", "../a", ".hidden", "a/b", "a\0"] {
            assert!(named(Some(folder), name).is_err(), "{name:?}");
        }
    }
}
