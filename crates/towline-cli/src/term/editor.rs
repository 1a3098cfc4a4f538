//! The effects of keys: on the line, its history, completion and search. It does no terminal I/O.

#![expect(clippy::wildcard_enum_match_arm, reason = "each state handles its own keys and ignores the others")]

use super::buffer::Buffer;
use super::history::History;
use super::keys::Key;
use crate::term::screen::Complete;

/// The effect of a key beyond the line itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The line may have changed.
    Changed,
    Submit(String),
    Interrupt,
    /// Escape, with nothing open to close.
    Escape,
    Background,
    Eof,
    /// Ctrl-L.
    ClearScreen,
    /// Ctrl-X Ctrl-E: edit the line in an external editor.
    OpenEditor,
    /// Ctrl-O: show the last thinking.
    Unfold,
}

/// Possible replacements of the word at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    start: usize,
    pub items: Vec<String>,
    pub selected: Option<usize>,
}

/// A search through the history.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Search {
    query: String,
    found: Option<usize>,
    /// The line before the search.
    line: String,
}

/// A walk through the history.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Walk {
    prefix: String,
    /// `None` is the line being edited.
    at: Option<usize>,
}

/// The visible state of the editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View<'a> {
    /// Replaces the prompt during a search.
    pub search: Option<String>,
    pub text: &'a str,
    pub cursor: usize,
    pub hint: Option<String>,
    pub menu: Option<&'a Menu>,
}

/// Maximum length of a line with a hint.
const HINTED_BYTES: usize = 512;
/// Maximum number of completions that are kept.
const MENU_ITEMS: usize = 200;
/// Opens and closes multi-line text.
const FENCE: &str = "\"\"\"";

pub struct Editor {
    buffer: Buffer,
    history: History,
    complete: Box<dyn Complete>,
    menu: Option<Menu>,
    search: Option<Search>,
    walk: Option<Walk>,
    after_control_x: bool,
    /// Whether something is in the foreground that Ctrl-C ends.
    keeps_line: bool,
    /// Whether the last key was a Ctrl-C that kept the line.
    interrupted: bool,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor")
            .field("buffer", &self.buffer)
            .field("search", &self.search)
            .finish_non_exhaustive()
    }
}

impl Editor {
    pub fn new(history: History, complete: Box<dyn Complete>) -> Self {
        Self {
            buffer: Buffer::default(),
            history,
            complete,
            menu: None,
            search: None,
            walk: None,
            after_control_x: false,
            keeps_line: false,
            interrupted: false,
        }
    }

    /// Whether Ctrl-C keeps the line: it ends the foreground activity, and only the next Ctrl-C clears the
    /// line.
    pub fn keep_line(&mut self, keep: bool) {
        self.keeps_line = keep;
    }

    pub fn view(&self) -> View<'_> {
        let search = self.search.as_ref().map(|search| {
            let failing = if search.found.is_none() && !search.query.is_empty() { "failing " } else { "" };
            format!("({failing}search)`{}': ", search.query)
        });
        let hint = if search.is_none() && self.menu.is_none() { self.hint() } else { None };
        View {
            search,
            text: self.buffer.text(),
            cursor: self.buffer.cursor(),
            hint,
            menu: self.menu.as_ref(),
        }
    }

    pub fn text(&self) -> &str {
        self.buffer.text()
    }

    pub fn set(&mut self, text: &str) {
        self.reset_modes();
        self.buffer.set(text);
    }

    /// Handles a key.
    pub fn press(&mut self, key: Key) -> Edit {
        let key = match self.search.take() {
            Some(search) => match self.search_key(search, key) {
                Some(key) => key,
                None => return Edit::Changed,
            },
            None => key,
        };
        if std::mem::take(&mut self.after_control_x) {
            match key {
                Key::Ctrl('e') => return Edit::OpenEditor,
                Key::Ctrl('u') => {
                    self.buffer.undo();
                    return Edit::Changed;
                }
                _ => {}
            }
        }
        let menu = self.menu.take();
        let walk = self.walk.take();
        let interrupted = std::mem::take(&mut self.interrupted);
        match key {
            Key::Tab => self.tab(menu, true),
            Key::BackTab => self.tab(menu, false),
            Key::Enter if menu.as_ref().is_some_and(|menu| menu.selected.is_some()) => {}
            Key::Enter => return self.enter(),
            Key::Escape if menu.is_none() => return Edit::Escape,
            Key::Escape => {}
            Key::Up | Key::Ctrl('p') => self.older(walk),
            Key::Down | Key::Ctrl('n') => self.newer(walk),
            Key::Ctrl('c') => {
                self.interrupted = self.keeps_line && !interrupted && !self.buffer.is_empty();
                if !self.interrupted {
                    self.buffer.take();
                }
                return Edit::Interrupt;
            }
            Key::Ctrl('d') if self.buffer.is_empty() => return Edit::Eof,
            Key::Ctrl('z') => {
                self.walk = walk;
                return Edit::Background;
            }
            Key::Ctrl('l') => return Edit::ClearScreen,
            Key::Ctrl('o') => return Edit::Unfold,
            Key::Ctrl('r') => {
                self.search =
                    Some(Search { query: String::new(), found: None, line: self.buffer.text().to_owned() });
            }
            Key::Ctrl('x') => self.after_control_x = true,
            key => self.edit(key),
        }
        Edit::Changed
    }

    fn edit(&mut self, key: Key) {
        let buffer = &mut self.buffer;
        match key {
            Key::Char(c) => buffer.insert_char(c),
            Key::Paste(text) => buffer.insert(&text),
            Key::AltEnter => buffer.insert_char('\n'),
            Key::Backspace => buffer.backspace(),
            Key::Delete | Key::Ctrl('d') => buffer.delete_forward(),
            Key::Left | Key::Ctrl('b') => buffer.left(),
            Key::Right | Key::Ctrl('f') => self.right_or_hint(),
            Key::WordLeft | Key::Alt('b') => buffer.word_left(),
            Key::WordRight | Key::Alt('f') => self.word_right_or_hint(),
            Key::Home | Key::Ctrl('a') => buffer.line_start(),
            Key::End | Key::Ctrl('e') => self.end_or_hint(),
            Key::Ctrl('k') => buffer.kill_to_end(),
            Key::Ctrl('u') => buffer.kill_to_start(),
            Key::Ctrl('w') => buffer.kill_blank_word(),
            Key::AltBackspace => buffer.kill_word_left(),
            Key::Alt('d') | Key::AltDelete => buffer.kill_word_right(),
            Key::Ctrl('y') => buffer.yank(),
            Key::Ctrl('t') => buffer.transpose(),
            Key::Ctrl('_') => buffer.undo(),
            Key::Alt(_) | Key::Ctrl(_) | Key::Unknown => {}
            Key::Acknowledged | Key::Background(_) | Key::Position { .. } => {}
            // Handled above.
            Key::Enter | Key::Tab | Key::BackTab | Key::Escape | Key::Up | Key::Down => {}
        }
    }

    fn enter(&mut self) -> Edit {
        let text = self.buffer.text();
        let line = match text.trim_start().strip_prefix(FENCE) {
            Some(inside) => match inside.trim_end().strip_suffix(FENCE) {
                Some(inside) => inside.strip_prefix('\n').unwrap_or(inside).trim_end_matches('\n').to_owned(),
                None => {
                    self.buffer.insert_char('\n');
                    return Edit::Changed;
                }
            },
            // `/set system """` continues until it is closed too.
            None if text.starts_with(['/', ':']) && text.matches(FENCE).count() % 2 == 1 => {
                self.buffer.insert_char('\n');
                return Edit::Changed;
            }
            None => text.to_owned(),
        };
        let typed = self.buffer.take();
        self.history.add(&typed);
        Edit::Submit(line)
    }

    fn hint(&self) -> Option<String> {
        let line = self.buffer.text();
        if line.is_empty() || line.len() > HINTED_BYTES || self.buffer.cursor() != line.len() {
            return None;
        }
        self.history.hint(line).or_else(|| self.complete.hint(line)).filter(|hint| !hint.is_empty())
    }

    fn right_or_hint(&mut self) {
        match self.hint() {
            Some(hint) => self.buffer.insert(&hint),
            None => self.buffer.right(),
        }
    }

    fn end_or_hint(&mut self) {
        match self.hint() {
            Some(hint) => self.buffer.insert(&hint),
            None => self.buffer.line_end(),
        }
    }

    fn word_right_or_hint(&mut self) {
        match self.hint() {
            Some(hint) => {
                let blank = hint.char_indices().find(|(at, c)| *at > 0 && c.is_whitespace());
                self.buffer.insert(&hint[..blank.map_or(hint.len(), |(at, _)| at)]);
            }
            None => self.buffer.word_right(),
        }
    }

    fn older(&mut self, walk: Option<Walk>) {
        if walk.is_none() && self.buffer.up() {
            return;
        }
        let walk = walk.unwrap_or_else(|| Walk { prefix: self.buffer.text().to_owned(), at: None });
        let before = walk.at.unwrap_or(self.history.entries().len());
        if let Some(found) = self.history.older(before, &walk.prefix) {
            let entry = self.history.entries()[found].clone();
            self.buffer.set(&entry);
            self.walk = Some(Walk { at: Some(found), ..walk });
        } else {
            self.walk = Some(walk);
        }
    }

    fn newer(&mut self, walk: Option<Walk>) {
        let Some(walk) = walk else {
            self.buffer.down();
            return;
        };
        let Some(at) = walk.at else { return };
        match self.history.newer(at, &walk.prefix) {
            Some(found) => {
                let entry = self.history.entries()[found].clone();
                self.buffer.set(&entry);
                self.walk = Some(Walk { at: Some(found), ..walk });
            }
            None => self.buffer.set(&walk.prefix),
        }
    }

    /// Handles a key during a search; returns the key if it ended the search and has another meaning.
    fn search_key(&mut self, mut search: Search, key: Key) -> Option<Key> {
        match key {
            Key::Char(c) => {
                search.query.push(c);
                search.found = self.history.holding(
                    search.found.map_or(usize::MAX, |at| at + 1).min(self.history.entries().len()),
                    &search.query,
                );
            }
            Key::Backspace => {
                search.query.pop();
                search.found = self.history.holding(self.history.entries().len(), &search.query);
            }
            Key::Ctrl('r') => {
                let before = search.found.unwrap_or(self.history.entries().len());
                search.found = self.history.holding(before, &search.query).or(search.found);
            }
            Key::Escape | Key::Ctrl('g' | 'c') => {
                self.buffer.set(&search.line);
                return None;
            }
            Key::Acknowledged | Key::Background(_) | Key::Position { .. } | Key::Unknown => {}
            key => return Some(key),
        }
        if let Some(found) = search.found {
            let entry = self.history.entries()[found].clone();
            self.buffer.set(&entry);
        }
        self.search = Some(search);
        None
    }

    fn tab(&mut self, menu: Option<Menu>, forward: bool) {
        if let Some(mut menu) = menu {
            let count = menu.items.len();
            let next = match menu.selected {
                None if forward => 0,
                None => count - 1,
                Some(at) if forward => (at + 1) % count,
                Some(at) => (at + count - 1) % count,
            };
            self.buffer.replace_before(menu.start, &menu.items[next]);
            menu.selected = Some(next);
            self.menu = Some(menu);
            return;
        }
        let (start, mut items) = self.complete.complete(self.buffer.text(), self.buffer.cursor());
        let cursor = self.buffer.cursor();
        if start > cursor || !self.buffer.text().is_char_boundary(start) {
            return;
        }
        items.truncate(MENU_ITEMS);
        match items.as_slice() {
            [] => {}
            [only] => self.buffer.replace_before(start, only),
            [_, _, ..] => {
                let common = common_prefix(&items);
                if common.len() > cursor - start {
                    self.buffer.replace_before(start, &common);
                }
                self.menu = Some(Menu { start, items, selected: None });
            }
        }
    }

    fn reset_modes(&mut self) {
        self.menu = None;
        self.search = None;
        self.walk = None;
        self.after_control_x = false;
    }
}

fn common_prefix(items: &[String]) -> String {
    let Some((first, rest)) = items.split_first() else { return String::new() };
    let mut common = first.as_str();
    for item in rest {
        let same = common.char_indices().zip(item.chars()).find(|((_, a), b)| a != b);
        let length = same.map_or(common.len().min(item.len()), |((at, _), _)| at);
        common = &common[..length];
    }
    common.to_owned()
}
