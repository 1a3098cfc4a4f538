//! The chats' files, which the prompt reads and writes too.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use etcetera::base_strategy::{BaseStrategy as _, Xdg};
use jiff::Timestamp;
use towline_app::chat::files;
use towline_app::chat::{Conversation, Settings, TurnId, session};

use super::disk::{Order, Report};
use crate::chats::{Answer, ChatKey};

/// Chats that are listed; older ones stay on disk and are found by the prompt.
const MAX_LISTED: usize = 2_000;
/// How much of each file is read for its title, in bytes.
const MAX_TITLE_BYTES: u64 = 64 << 10;
/// The largest file that goes with a question, in bytes.
const MAX_ATTACHED_BYTES: u64 = 32 << 20;

/// A chat that is there.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its file's name.
    pub name: String,
    /// Its first question, or nothing.
    pub first: String,
    /// When it was last written.
    pub written: SystemTime,
}

/// A chat that was read, with its answers ready to be drawn.
#[derive(Debug)]
pub struct Loaded {
    /// What was said.
    pub conversation: Conversation,
    /// The answers.
    pub answers: HashMap<TurnId, Answer>,
}

impl Loaded {
    fn read(text: &str) -> Result<Box<Self>, String> {
        let conversation = session::read(text).map_err(|error| error.to_string())?;
        let answers = conversation.turns().iter().map(|turn| (turn.id, Answer::of(turn))).collect();
        Ok(Box::new(Self { conversation, answers }))
    }
}

/// Where chats are kept when nobody says otherwise: where the prompt keeps its sessions.
pub fn folder() -> Option<PathBuf> {
    Some(Xdg::new().ok()?.data_dir().join("towline/sessions"))
}

/// The folder and the files that are open.
#[derive(Debug)]
pub(super) struct Files {
    folder: Option<PathBuf>,
    open: HashMap<ChatKey, (PathBuf, File)>,
}

impl Files {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, open: HashMap::new() }
    }

    pub(super) fn obey(&mut self, order: Order) -> Vec<Report> {
        match order {
            Order::List => vec![Report::Listed(self.list())],
            Order::Load { key, name } => vec![Report::Loaded { key, result: self.load(key, &name) }],
            Order::Import { path } => vec![Report::Imported(import(&path))],
            Order::Append { key, settings, lines } => self.append(key, &settings, &lines),
            Order::Rename { key, from, to } => self.rename(key, from.as_deref(), &to),
            Order::Delete { key, name } => self.delete(key, name.as_deref()),
            Order::Search { text } => vec![self.search(text)],
            Order::Write { path, text, announce } => write(path, &text, announce),
            Order::Attach { key, paths } => attach(key, &paths),
        }
    }

    fn list(&self) -> Vec<Entry> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let listed = files::list(folder).into_iter().take(MAX_LISTED);
        let entry = |(name, written): (String, SystemTime)| {
            let path = files::named(folder, &name).ok()?;
            Some(Entry { first: first_question(&path).unwrap_or_default(), name, written })
        };
        listed.filter_map(entry).collect()
    }

    fn load(&mut self, key: ChatKey, name: &str) -> Result<Box<Loaded>, String> {
        let folder = self.folder.as_deref().ok_or("chats are not kept")?;
        let path = files::named(folder, name).map_err(|error| error.to_string())?;
        let (file, text) = files::open(&path).map_err(|error| error.to_string())?;
        let loaded = Loaded::read(&text)?;
        self.open.insert(key, (path, file));
        Ok(loaded)
    }

    fn append(&mut self, key: ChatKey, settings: &Settings, lines: &str) -> Vec<Report> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let mut reports = Vec::new();
        let (path, file) = match self.open.entry(key) {
            Slot::Occupied(open) => open.into_mut(),
            Slot::Vacant(free) => {
                let now = Timestamp::now();
                let base = now.strftime("%Y-%m-%dT%H-%M-%S").to_string();
                match files::create(folder, &base, &now.to_string(), settings) {
                    Ok(made) => {
                        reports.push(Report::Named { key, name: stem(&made.0) });
                        free.insert(made)
                    }
                    Err(error) => return vec![Report::Failed(format!("this chat is not kept: {error}"))],
                }
            }
        };
        if let Err(error) = file.write_all(lines.as_bytes()) {
            reports.push(Report::Failed(format!("{} cannot be written: {error}", path.display())));
        }
        reports
    }

    fn path(&self, key: ChatKey, name: Option<&str>) -> Option<PathBuf> {
        let open = self.open.get(&key).map(|(path, _)| path.clone());
        open.or_else(|| files::named(self.folder.as_deref()?, name?).ok())
    }

    fn rename(&mut self, key: ChatKey, from: Option<&str>, to: &str) -> Vec<Report> {
        let (Some(folder), Some(old)) = (&self.folder, self.path(key, from)) else { return Vec::new() };
        let renamed = files::named(folder, to).map_err(|error| error.to_string()).and_then(|new| {
            if new == old {
                return Ok(new);
            }
            if new.exists() {
                return Err(format!("there is a chat named {to} already"));
            }
            std::fs::rename(&old, &new).map_err(|error| error.to_string()).map(|()| new)
        });
        match renamed {
            Ok(new) => {
                let name = stem(&new);
                if let Some((path, _)) = self.open.get_mut(&key) {
                    *path = new;
                }
                vec![Report::Named { key, name }]
            }
            Err(error) => {
                let kept = Report::Named { key, name: stem(&old) };
                vec![Report::Failed(format!("the chat cannot be renamed: {error}")), kept]
            }
        }
    }

    fn delete(&mut self, key: ChatKey, name: Option<&str>) -> Vec<Report> {
        let path = self.path(key, name);
        self.open.remove(&key);
        match path.map(std::fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                vec![Report::Failed(format!("the chat cannot be deleted: {error}"))]
            }
            Some(Ok(()) | Err(_)) | None => Vec::new(),
        }
    }

    fn search(&self, text: String) -> Report {
        let wanted = text.to_lowercase();
        let holds = |path: &Path| {
            let small = path.metadata().is_ok_and(|metadata| metadata.len() <= files::MAX_BYTES);
            small
                && std::fs::read_to_string(path)
                    .is_ok_and(|file| said(&file).any(|line| line.contains(&wanted)))
        };
        let listed = self.folder.as_deref().map(files::list).unwrap_or_default();
        let names = listed.into_iter().take(MAX_LISTED).map(|(name, _)| name).filter(|name| {
            let path = self.folder.as_deref().and_then(|folder| files::named(folder, name).ok());
            path.is_some_and(|path| holds(&path))
        });
        let names = names.collect();
        Report::Found { text, names }
    }
}

/// What was said in a session, in small letters. An answer's pieces are looked at one by one.
fn said(file: &str) -> impl Iterator<Item = String> {
    file.lines().filter_map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = record.get("content").or_else(|| record.get("text"))?;
        Some(text.as_str()?.to_lowercase())
    })
}

fn first_question(path: &Path) -> Option<String> {
    let file = BufReader::new(io::Read::take(File::open(path).ok()?, MAX_TITLE_BYTES));
    let records = file.lines().map_while(Result::ok).filter_map(|line| {
        let record: serde_json::Value = serde_json::from_str(&line).ok()?;
        (record.get("record")? == "question").then(|| record.get("content")?.as_str().map(str::to_owned))?
    });
    records.into_iter().next()
}

fn import(path: &Path) -> Result<Box<Loaded>, String> {
    let shown = path.display();
    let size = path.metadata().map_err(|error| format!("{shown}: {error}"))?.len();
    if size > files::MAX_BYTES {
        return Err(format!("{shown} is larger than {} MiB", files::MAX_BYTES >> 20));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    Loaded::read(&text).map_err(|error| format!("{shown}: {error}"))
}

fn write(path: PathBuf, text: &str, announce: bool) -> Vec<Report> {
    let folder_made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder_made.and_then(|()| {
        let beside = path.with_extension("part");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&beside, &path)
    });
    match written {
        Ok(()) if announce => vec![Report::Written(path)],
        Ok(()) => Vec::new(),
        Err(error) => vec![Report::Failed(format!("{} cannot be written: {error}", path.display()))],
    }
}

fn attach(key: ChatKey, paths: &[PathBuf]) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let size = path.metadata().map(|metadata| metadata.len());
        match size {
            Ok(size) if size > MAX_ATTACHED_BYTES => {
                let limit = MAX_ATTACHED_BYTES >> 20;
                reports.push(Report::Failed(format!("{name} is larger than {limit} MiB")));
            }
            Ok(_) | Err(_) => match std::fs::read(path) {
                Ok(bytes) => files.push((name, bytes)),
                Err(error) => reports.push(Report::Failed(format!("{name} cannot be read: {error}"))),
            },
        }
    }
    reports.push(Report::Attached { key, files });
    reports
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use towline::Message;

    #[test]
    fn a_chat_comes_back_and_is_found_renamed_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(Some(folder.path().to_owned()));
        let settings = Settings { model: "m".into(), ..Settings::default() };
        let mut chat = Conversation::new(settings.clone());
        let id = chat.ask("m", Message::user("What is a Weir?"));
        let lines = chat.turn(id).map(session::question).unwrap_or_default();
        let key = ChatKey(7);
        let order = Order::Append { key, settings: Box::new(settings), lines };
        let reports = files.obey(order);
        assert!(matches!(reports.as_slice(), [Report::Named { .. }]), "{reports:?}");
        assert_eq!(files.list()[0].first, "What is a Weir?");
        assert!(matches!(files.search("weir".into()), Report::Found { names, .. } if names.len() == 1));
        assert!(matches!(files.search("river".into()), Report::Found { names, .. } if names.is_empty()));
        let reports = files.obey(Order::Rename { key, from: None, to: "weirs".into() });
        assert!(matches!(&reports[..], [Report::Named { name, .. }] if name == "weirs"), "{reports:?}");
        let mut other = Files::new(Some(folder.path().to_owned()));
        let refused = other.load(ChatKey(1), "weirs").map(drop).unwrap_err();
        assert!(refused.contains("open in another program"), "{refused}");
        files.obey(Order::Delete { key, name: None });
        assert!(files.list().is_empty());
    }
}
