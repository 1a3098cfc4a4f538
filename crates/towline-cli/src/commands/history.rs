//! `towline history`.

use std::path::Path;

use jiff::Timestamp;
use serde_json::json;
use towline_app::chat::{export, files};
use towline_app::history::{ChatId, History, Summary, tags_of};
use towline_app::text::units;

use crate::args::{HistoryArgs, HistoryVerb, ListingArgs};
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};
use crate::output::table::Table;
use crate::output::{self, Out};
use crate::server::places;

/// Maximum length of a title in a table, in characters.
const TITLE_CHARS: usize = 48;

/// Runs a verb of the history. New and changed session files are imported first.
pub fn run(args: &HistoryArgs) -> Result<Exit, Failure> {
    let mut history = open()?;
    match &args.verb {
        None => list(&history, &args.list),
        Some(HistoryVerb::List(listing)) => list(&history, listing),
        Some(HistoryVerb::Search { text, listing }) => search(&history, &text.join(" "), listing),
        Some(HistoryVerb::Show { name }) => {
            let chat = match name {
                Some(name) => found(&history, name)?,
                None => history.last()?.ok_or_else(|| Failure::usage("the history is empty"))?,
            };
            let mut out = Out::new();
            out.text(&markdown(&mut history, chat)?)?;
            out.finish_text()?;
            Ok(Exit::Completed)
        }
        Some(HistoryVerb::Export { name, markdown: as_markdown, json: _ }) => {
            let chat = found(&history, name)?;
            let text = if *as_markdown { markdown(&mut history, chat)? } else { history.export(chat)? };
            let mut out = Out::new();
            out.write(&text)?;
            out.flush()?;
            Ok(Exit::Completed)
        }
        Some(HistoryVerb::Import { files }) => {
            each(files, |file| import(&mut history, file).map(|name| format!("imported {name}")))
        }
        Some(HistoryVerb::Rm { names }) => each(names, |name| {
            let chat = found(&history, name)?;
            let name = history.summary(chat)?.name;
            history.remove(chat)?;
            Ok(format!("deleted {name}"))
        }),
        Some(HistoryVerb::Rename { name, to }) => {
            let chat = found(&history, name)?;
            history.rename(chat, to)?;
            Ok(Exit::Completed)
        }
        Some(HistoryVerb::Tag { name, tags, off }) => {
            let chat = found(&history, name)?;
            let (mut all, named) = (history.summary(chat)?.tags, tags_of(&tags.join(" ")));
            all.retain(|tag| !named.contains(tag));
            all.extend(named.into_iter().filter(|_| !off));
            history.tag(chat, &all)?;
            Ok(Exit::Completed)
        }
        Some(HistoryVerb::Pin { name, off }) => {
            let chat = found(&history, name)?;
            history.pin(chat, !off)?;
            Ok(Exit::Completed)
        }
    }
}

fn open() -> Result<History, Failure> {
    let none =
        || Failure::Local(Complaint::new("there is no home folder for the history; set XDG_DATA_HOME"));
    let path = places::history().ok_or_else(none)?;
    let mut history = History::open(&path)?;
    if let Some(folder) = path.parent() {
        let imported = history.import_folder(&folder.join("sessions"))?;
        imported.complaints().iter().for_each(|complaint| output::warning(complaint));
    }
    Ok(history)
}

fn found(history: &History, name: &str) -> Result<ChatId, Failure> {
    Ok(history.find(name)?)
}

/// Applies an operation to each, and prints the result; a failure does not affect the others.
fn each<T>(all: &[T], mut one: impl FnMut(&T) -> Result<String, Failure>) -> Result<Exit, Failure> {
    let mut exit = Exit::Completed;
    for each in all {
        match one(each) {
            Ok(text) => Out::new().line(&text)?,
            Err(failure) => exit = exit.or(failure.report()),
        }
    }
    Ok(exit)
}

fn markdown(history: &mut History, chat: ChatId) -> Result<String, Failure> {
    let title = history.summary(chat)?.title;
    let chat = history.load(chat)?;
    Ok(export::markdown(&title, &chat))
}

fn import(history: &mut History, file: &Path) -> Result<String, Failure> {
    let unreadable = |why: String| Failure::usage(format!("{} cannot be imported: {why}", file.display()));
    let text = files::read(file).map_err(|error| unreadable(error.to_string()))?;
    let chat = history.import(&text, None).map_err(|error| unreadable(error.to_string()))?;
    Ok(history.summary(chat)?.name)
}

fn list(history: &History, listing: &ListingArgs) -> Result<Exit, Failure> {
    let chats = history.tagged(&tags_of(&listing.tags.join(" ")), listing.limit)?;
    show(chats.iter().map(|chat| (chat, None)), listing, &["NAME", "TITLE", "MODEL", "TURNS", "WRITTEN"])?;
    if chats.is_empty() && !listing.json {
        let none =
            if listing.tags.is_empty() { "no conversations yet" } else { "no conversation with this tag" };
        output::note(&format!("the history has {none}"));
    }
    Ok(Exit::Completed)
}

fn search(history: &History, text: &str, listing: &ListingArgs) -> Result<Exit, Failure> {
    let tags: String = tags_of(&listing.tags.join(" ")).iter().map(|tag| format!(" tag:{tag}")).collect();
    let found = history.search(&format!("{text}{tags}"), listing.limit)?;
    let rows = found.iter().map(|found| (&found.chat, Some(found.around.as_str())));
    show(rows, listing, &["NAME", "FOUND", "MODEL", "TURNS", "WRITTEN"])?;
    if !found.is_empty() {
        return Ok(Exit::Completed);
    }
    if !listing.json {
        output::note(&format!("no conversation contains {text:?}"));
    }
    // As grep does.
    Ok(Exit::Failed)
}

fn show<'a>(
    rows: impl Iterator<Item = (&'a Summary, Option<&'a str>)>,
    listing: &ListingArgs,
    head: &[&str],
) -> Result<(), Failure> {
    let mut out = Out::new();
    let mut table = Table::new(head);
    for (chat, around) in rows {
        if listing.json {
            out.write(&output::json::line(&document(chat, around)))?;
        } else {
            table.row(cells(chat, around.unwrap_or(&chat.title)));
        }
    }
    if !listing.json {
        table.print(&mut out)?;
    }
    Ok(())
}

fn cells(chat: &Summary, words: &str) -> [String; 5] {
    let mut shown: String = match words.char_indices().nth(TITLE_CHARS) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words.to_owned(),
    };
    shown.extend(chat.tags.iter().map(|tag| format!(" #{tag}")));
    let name = if chat.is_pinned { format!("*{}", chat.name) } else { chat.name.clone() };
    let written = units::when(&time(chat.updated_ms), Timestamp::now());
    [name, shown, chat.model.clone(), chat.turns.to_string(), written]
}

fn document(chat: &Summary, around: Option<&str>) -> serde_json::Value {
    let mut document = json!({
        "id": chat.id.0,
        "name": chat.name,
        "title": chat.title,
        "model": chat.model,
        "turns": chat.turns,
        "pinned": chat.is_pinned,
        "tags": chat.tags,
        "created": time(chat.created_ms),
        "updated": time(chat.updated_ms),
    });
    if let Some(around) = around {
        document["found"] = json!(around);
    }
    document
}

fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}
