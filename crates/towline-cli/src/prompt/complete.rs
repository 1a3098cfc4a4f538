//! Completion: commands, models, jobspecs, files, conversations, options; and hints from history.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Subcommand as _;
use towline::api::Options;

use super::command::{Bare, grammar};
use crate::term::screen::Complete;
use towline_app::settings::folders::from_home;
use towline_app::settings::templates;

/// Maximum number of proposals.
const MOST: usize = 200;
/// Maximum number of lines that hints come from.
const MOST_LINES: usize = 2_000;

/// The data for completion; the prompt keeps it up to date.
#[derive(Debug, Default)]
pub struct CompletionData {
    pub models: Vec<String>,
    /// `%1`, `%gemma3`.
    pub jobs: Vec<String>,
    /// Names of the relay's answers.
    pub answers: Vec<String>,
    /// Names of conversations, the most recently written first.
    pub conversations: Vec<String>,
    /// Submitted lines, oldest first.
    pub lines: Vec<String>,
}

impl CompletionData {
    /// A line was submitted.
    pub fn submitted(&mut self, line: &str) {
        if self.lines.last().is_none_or(|last| last != line) {
            self.lines.push(line.to_owned());
        }
        if self.lines.len() > MOST_LINES {
            self.lines.remove(0);
        }
    }
}

/// The completer.
#[derive(Debug)]
pub struct Completer(pub Arc<Mutex<CompletionData>>);

/// What can be completed at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
enum CompletionContext {
    Verb,
    Job,
    Model,
    AtModel,
    File,
    Conversation,
    Option,
    Template,
    Topic,
    Words(Vec<String>),
    Nothing,
}

impl Complete for Completer {
    fn complete(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let Some(before) = line.get(..cursor) else { return (cursor, Vec::new()) };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, word, context) = context_at(before);
        let mut found = proposals(&known, context, word);
        found.truncate(MOST);
        (start, found)
    }

    fn hint(&self, line: &str) -> Option<String> {
        if line.is_empty() {
            return None;
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = known.lines.iter().rev().find_map(|earlier| earlier.strip_prefix(line));
        fitting.filter(|rest| !rest.is_empty() && !rest.contains('\n')).map(str::to_owned)
    }
}

/// Where the word at the end of `before` begins, the word, and what can be completed there.
fn context_at(before: &str) -> (usize, &str, CompletionContext) {
    if let Some(named) = before.strip_prefix('@').filter(|named| !named.contains(char::is_whitespace)) {
        let start = named.rfind(',').map_or(1, |at| at + 2);
        return (start, &before[start..], CompletionContext::AtModel);
    }
    let (command, forced) = before.strip_prefix(':').map_or((before, false), |command| (command, true));
    let offset = before.len() - command.len();
    let Some((name, rest)) = command.split_once(char::is_whitespace) else {
        let context = if forced {
            CompletionContext::Verb
        } else if command.starts_with('%') {
            CompletionContext::Job
        } else if command.chars().all(|c| c.is_ascii_lowercase()) && !command.is_empty() {
            CompletionContext::Verb
        } else {
            CompletionContext::Nothing
        };
        return (offset, command, context);
    };
    let grammar = grammar();
    let Some(verb) = grammar.find_subcommand(name).filter(|_| forced || Bare::has_subcommand(name)) else {
        return (before.len(), "", CompletionContext::Nothing);
    };
    let word_start = word_start(rest);
    let start = before.len() - rest.len() + word_start;
    let word = &before[start..];
    let context = if word.starts_with('-') { options(verb) } else { argument(verb, &rest[..word_start]) };
    (start, word, context)
}

/// Where the last word begins; blanks inside quotes do not end a word.
fn word_start(text: &str) -> usize {
    let (mut start, mut quote, mut escaped) = (0, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if std::mem::take(&mut escaped) => {}
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '\\') => escaped = true,
            (None, c) if c.is_whitespace() => start = at + c.len_utf8(),
            (_, _) => {}
        }
    }
    start
}

fn options(verb: &clap::Command) -> CompletionContext {
    let shorts = verb.get_arguments().filter_map(|argument| argument.get_short());
    let longs = verb.get_arguments().filter(|argument| !argument.is_hide_set());
    let longs = longs.filter_map(|argument| argument.get_long());
    CompletionContext::Words(
        shorts.map(|c| format!("-{c}")).chain(longs.map(|long| format!("--{long}"))).collect(),
    )
}

/// What can be completed after a verb and these words.
fn argument(verb: &clap::Command, before: &str) -> CompletionContext {
    if verb.get_name() == "pipe" {
        return if before.contains('>') { CompletionContext::File } else { CompletionContext::Job };
    }
    let at = before.split_whitespace().filter(|word| !word.starts_with('-')).count();
    let last = || verb.get_positionals().last().filter(|last| last.get_num_args().is_some_and(is_many));
    let Some(argument) = verb.get_positionals().nth(at).or_else(last) else {
        return if at == 0 { options(verb) } else { CompletionContext::Nothing };
    };
    let words =
        |words: &[&str]| CompletionContext::Words(words.iter().map(|&word| word.to_owned()).collect());
    let values = argument.get_possible_values();
    if !values.is_empty() {
        return CompletionContext::Words(values.iter().map(|value| value.get_name().to_owned()).collect());
    }
    match argument.get_value_names().and_then(<[_]>::first).map(|name| name.as_str()) {
        Some("%n") => CompletionContext::Job,
        Some("MODEL") => CompletionContext::Model,
        Some("FILE") => CompletionContext::File,
        Some("CONVERSATION") => CompletionContext::Conversation,
        Some("KEY") => CompletionContext::Option,
        Some("TEMPLATE") => CompletionContext::Template,
        Some("TOPIC") => CompletionContext::Topic,
        Some("TIME") => words(&["30s", "+30s", "none"]),
        Some("N") => words(&["none"]),
        _ => CompletionContext::Nothing,
    }
}

fn is_many(range: clap::builder::ValueRange) -> bool {
    range.max_values() > 1
}

fn proposals(known: &CompletionData, context: CompletionContext, word: &str) -> Vec<String> {
    let beginning = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        names.filter(|name| name.starts_with(word)).map(str::to_owned).collect()
    };
    match context {
        CompletionContext::Verb => beginning(&mut grammar().get_subcommands().map(clap::Command::get_name)),
        CompletionContext::Job => beginning(&mut known.jobs.iter().map(String::as_str)),
        CompletionContext::Model | CompletionContext::AtModel => {
            beginning(&mut known.models.iter().map(String::as_str))
        }
        CompletionContext::Words(words) => beginning(&mut words.iter().map(String::as_str)),
        CompletionContext::Option => beginning(&mut ["-b", "+b"].into_iter().chain(Options::names())),
        CompletionContext::Topic => {
            let grammar = grammar();
            let verbs = grammar.get_subcommands().map(clap::Command::get_name);
            beginning(&mut ["keys", "files"].into_iter().chain(verbs))
        }
        CompletionContext::Conversation => beginning(&mut known.conversations.iter().map(String::as_str)),
        CompletionContext::File => files(word),
        CompletionContext::Template => {
            let names = templates::folder().map(|folder| templates::names(&folder)).unwrap_or_default();
            beginning(&mut names.iter().map(String::as_str))
        }
        CompletionContext::Nothing => Vec::new(),
    }
}

fn files(word: &str) -> Vec<String> {
    // An open quote is closed before parsing.
    let plain = shell_words::split(word)
        .or_else(|_| shell_words::split(&format!("{word}'")))
        .or_else(|_| shell_words::split(&format!("{word}\"")))
        .unwrap_or_default()
        .concat();
    let (folder, start) =
        plain.rsplit_once('/').map_or(("", plain.as_str()), |(folder, start)| (folder, start));
    let written = &plain[..plain.len() - start.len()];
    let directory = match (folder, written) {
        ("", "/") => PathBuf::from("/"),
        ("", _) => PathBuf::from("."),
        (folder, _) => from_home(&format!("{folder}/")),
    };
    let mut found: Vec<String> = std::fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let wanted = name.starts_with(start) && (!name.starts_with('.') || start.starts_with('.'));
            wanted.then(|| shown(written, &name, &entry.path()))
        })
        .collect();
    found.sort();
    found
}

fn shown(written: &str, name: &str, path: &Path) -> String {
    let slash = if path.is_dir() { "/" } else { "" };
    let whole = format!("{written}{name}{slash}");
    match whole.strip_prefix("~/") {
        Some(rest) => format!("~/{}", shell_words::quote(rest)),
        None => shell_words::quote(&whole).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completer() -> Completer {
        let known = CompletionData {
            models: vec!["gemma3".into(), "qwen3:8b".into()],
            jobs: vec!["%1".into(), "%2".into(), "%gemma3".into()],
            answers: Vec::new(),
            conversations: vec!["rivers".into()],
            lines: vec!["what is a river?".into(), "what is a lake?".into()],
        };
        Completer(Arc::new(Mutex::new(known)))
    }

    #[test]
    fn what_can_stand_there_is_proposed() {
        let completer = completer();
        for (line, start, found) in [
            (":jo", 1, vec!["jobs"]),
            ("susp", 0, vec!["suspend"]),
            ("kill %", 5, vec!["%1", "%2", "%gemma3"]),
            ("%g", 0, vec!["%gemma3"]),
            ("@q", 1, vec!["qwen3:8b"]),
            ("@gemma3,q", 8, vec!["qwen3:8b"]),
            (":model g", 7, vec!["gemma3"]),
            (":think hi", 7, vec!["high"]),
            ("timeout %1 n", 11, vec!["none"]),
            (":export m", 8, vec!["md"]),
            (":load r", 6, vec!["rivers"]),
            ("set temp", 4, vec!["temperature"]),
            ("what is", 7, vec![]),
            ("Jo", 0, vec![]),
            ("model g", 7, vec![]),
        ] {
            let (at, proposed) = completer.complete(line, line.len());
            assert_eq!((at, proposed), (start, found.into_iter().map(str::to_owned).collect()), "{line}");
        }
    }

    #[test]
    fn files_are_proposed_as_they_must_be_typed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("two words.txt"), "").unwrap();
        std::fs::create_dir(folder.path().join("two")).unwrap();
        let base = folder.path().display();
        let line = format!(":file {base}/tw");
        let (start, found) = completer().complete(&line, line.len());
        assert_eq!(start, 6);
        assert_eq!(found, [format!("'{base}/two words.txt'"), format!("{base}/two/")]);
        let line = format!(":file '{base}/two w");
        let (start, found) = completer().complete(&line, line.len());
        assert_eq!((start, found), (6, vec![format!("'{base}/two words.txt'")]));
    }

    #[test]
    fn hints_are_the_last_line_that_began_so() {
        let completer = completer();
        assert_eq!(completer.hint("what is a"), Some(" lake?".to_owned()));
        assert_eq!(completer.hint("what is a r"), Some("iver?".to_owned()));
        assert_eq!(completer.hint("what is a lake?"), None);
        assert_eq!(completer.hint(""), None);
    }
}
