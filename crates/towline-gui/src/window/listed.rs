//! The list of chats: open, search, rename, delete.

use std::collections::{BTreeSet, HashMap, HashSet};

use towline_app::chat::Settings;
use towline_app::history::{ChatId, History};

use super::Window;
use crate::chats::{Chat, ChatKey, Contents, Loaded};
use crate::command::Dialog;
use crate::store::{ChatRef, HistoryList, HistoryStore, MAX_LISTED};
use crate::ui::toasts::Undo;

/// Maximum number of chats that are loaded at once because a relay runs their answers.
const MAX_READ_ON: usize = 32;

impl Window {
    /// The chats in list order: pinned first, then by the last change, newest first; without deleted ones,
    /// hidden empty ones, and those that do not match the search.
    pub fn listed(&self) -> Vec<&Chat> {
        let wanted = self.search.trim().to_lowercase();
        let is_wanted = |chat: &Chat| {
            wanted.is_empty()
                || chat.title().to_lowercase().contains(&wanted)
                || matches!((&self.found, chat.id), (Some(found), Some(id)) if found.contains(&id))
        };
        let mut chats: Vec<&Chat> = self
            .chats
            .iter()
            .filter(|chat| !self.notices.deleted.contains(&chat.key))
            .filter(|chat| !chat.is_empty() || chat.key == self.current || !chat.draft.is_empty())
            .filter(|chat| is_wanted(chat))
            .collect();
        chats.sort_by_key(|chat| (!chat.is_pinned, std::cmp::Reverse((chat.written_ms, chat.key))));
        chats
    }

    pub(super) fn new_chat(&mut self) -> ChatKey {
        if let Some(empty) = self.chats.iter().find(|chat| chat.is_empty() && chat.draft.is_empty()) {
            self.current = empty.key;
            return empty.key;
        }
        let key = self.key();
        let settings = self.chat().map(|chat| chat.conversation.settings.clone()).unwrap_or_default();
        let model = if self.state.model.is_empty() { settings.model } else { self.state.model.clone() };
        self.chats.push(Chat::new(key, Settings { model, ..Settings::default() }));
        self.current = key;
        key
    }

    pub(super) fn open(&mut self, key: ChatKey) {
        self.current = key;
        self.state.shows_jobs &= !self.is_low;
        let Some(chat) = self.chat_mut(key) else { return };
        chat.is_unread = false;
        if let (true, Some(id)) = (chat.is_stale, chat.id) {
            let left = chat.left_on_purpose();
            self.read(key, id, left);
        }
        self.load(key);
    }

    /// Loads a chat from disk, unless it is in memory.
    pub(super) fn load(&mut self, key: ChatKey) {
        let Some(chat) = self.chat_mut(key) else { return };
        if let (Contents::OnDisk | Contents::Unreadable(_), Some(id)) = (&chat.contents, chat.id) {
            chat.contents = Contents::Loading;
            self.read(key, id, Vec::new());
        }
    }

    /// Has a chat read; what was `left` to a relay on purpose stays there.
    fn read(&mut self, key: ChatKey, id: ChatId, left: Vec<String>) {
        let read = move |store: &mut HistoryStore| Ok(store.load(id, &left));
        self.on_disk(read, move |window, result| window.loaded(key, result));
    }

    /// The chat's reference for the disk thread; `None` if nothing of it was written.
    pub(super) fn chat_ref(&self, key: ChatKey) -> Option<ChatRef> {
        self.record.chat_ref(self.chat_of(key)?)
    }

    pub(super) fn open_next(&mut self, places: isize) {
        let keys: Vec<ChatKey> = self.listed().iter().map(|chat| chat.key).collect();
        let at = keys.iter().position(|key| *key == self.current);
        let next = at.and_then(|at| keys.get(at.checked_add_signed(places)?));
        if let Some(next) = next {
            self.open(*next);
        }
    }

    pub(super) fn search_for(&mut self, text: String) {
        self.found = None;
        let wanted = text.trim().to_owned();
        self.search = text;
        if wanted.chars().count() >= 2 {
            let text = wanted.clone();
            self.on_disk(
                move |store| store.search(&text),
                move |window, ids| {
                    if wanted == window.search.trim() {
                        window.found = Some(ids);
                    }
                },
            );
        }
    }

    pub(super) fn rename(&mut self, key: ChatKey, to: String) {
        self.dialog = Dialog::None;
        let title = to.trim().to_owned();
        if title.is_empty() {
            return;
        }
        let Some(stored) = self.chat_ref(key) else {
            return self.show_notice("a chat has a title once it has a question", None);
        };
        if let Some(chat) = self.chat_mut(key) {
            chat.titled.clone_from(&title);
        }
        let rename = move |history: &mut History, id| history.set_title(id, &title);
        self.change_on_disk(move |store| store.change("renamed", stored, rename));
    }

    pub(super) fn pin(&mut self, key: ChatKey, is_pinned: bool) {
        let Some(stored) = self.chat_ref(key) else { return };
        if let Some(chat) = self.chat_mut(key) {
            chat.is_pinned = is_pinned;
        }
        let pin = move |history: &mut History, id| history.pin(id, is_pinned);
        self.change_on_disk(move |store| store.change("pinned", stored, pin));
    }

    pub(super) fn tag(&mut self, key: ChatKey, tags: Vec<String>) {
        self.dialog = Dialog::None;
        let Some(stored) = self.chat_ref(key) else {
            return self.show_notice("a chat has tags once it has a question", None);
        };
        if let Some(chat) = self.chat_mut(key) {
            chat.conversation.tags.clone_from(&tags);
        }
        let tag = move |history: &mut History, id| history.tag(id, &tags);
        self.change_on_disk(move |store| store.change("tagged", stored, tag));
        // The searched text may be a tag.
        self.search_for(self.search.clone());
    }

    /// The tags that chats have, in their order.
    pub(super) fn tags(&self) -> BTreeSet<&str> {
        let chats = self.chats.iter().filter(|chat| !self.notices.deleted.contains(&chat.key));
        chats.flat_map(|chat| &chat.conversation.tags).map(String::as_str).collect()
    }

    pub(super) fn delete_for_good(&mut self, key: ChatKey) {
        let stored = self.chat_ref(key);
        let Some(at) = self.chats.iter().position(|chat| chat.key == key) else { return };
        let chat = self.chats.remove(at);
        chat.stop_all();
        self.layouts.documents.retain(|(owner, _, _), _| *owner != key);
        self.layouts.groups.retain(|(owner, _), _| *owner != key);
        self.layouts.scrolls.remove(&key);
        if let Some(stored) = stored {
            self.change_on_disk(move |store| store.change("deleted", stored, History::remove));
        }
    }

    /// Updates the chats from the history's list.
    pub(super) fn listed_by_disk(&mut self, listed: HistoryList) {
        let mine = self.record.writer_id();
        let known = self.chats.iter().filter_map(|chat| Some((self.record.id_of(chat)?, chat.key)));
        let known: HashMap<ChatId, ChatKey> = known.collect();
        let there: HashSet<ChatId> = listed.chats.iter().map(|summary| summary.id).collect();
        let is_first = !std::mem::replace(&mut self.is_listed, true);
        let last = self.state.chat.filter(|_| is_first).map(ChatId);
        for summary in listed.chats {
            let Some(chat) = known.get(&summary.id).and_then(|key| self.chat_mut(*key)) else {
                let (key, id) = (self.key(), summary.id);
                self.chats.push(Chat::on_disk(key, summary));
                if last == Some(id)
                    && self.chat().is_some_and(|chat| chat.is_empty() && chat.draft.is_empty())
                {
                    self.open(key);
                }
                continue;
            };
            let is_news = summary.writer != mine && summary.updated_ms > chat.written_ms;
            chat.listed(summary);
            if is_news && chat.can_be_read_again() {
                let (key, id, left) = (chat.key, chat.id, chat.left_on_purpose());
                chat.is_stale = true;
                if let Some(id) = id.filter(|_| key == self.current) {
                    self.read(key, id, left);
                }
            }
        }
        // It was deleted elsewhere, unless the list is incomplete.
        if there.len() < MAX_LISTED {
            let current = self.current;
            self.chats.retain(|chat| {
                chat.key == current || !chat.live.is_empty() || chat.id.is_none_or(|id| there.contains(&id))
            });
        }
        let at_relay = listed.at_relay.into_iter().map(|(id, name)| (name, id)).collect();
        let before = std::mem::replace(&mut self.at_relay, at_relay);
        // Their answers are read even if the chats are not shown.
        let new = self.at_relay.iter().filter(|(name, _)| !before.contains_key(*name)).map(|(_, id)| *id);
        let new: HashSet<ChatId> = new.collect();
        let left = self.chats.iter().filter(|chat| chat.id.is_some_and(|id| new.contains(&id)));
        let left: Vec<ChatKey> = left.map(|chat| chat.key).take(MAX_READ_ON).collect();
        left.into_iter().for_each(|key| self.load(key));
    }

    /// A chat was read.
    pub(super) fn loaded(&mut self, key: ChatKey, result: Result<Box<Loaded>, String>) {
        let Some(chat) = self.chats.iter_mut().find(|chat| chat.key == key) else { return };
        let is_again = matches!(chat.contents, Contents::Here);
        match result {
            // The chat has changed meanwhile.
            Ok(_) | Err(_) if is_again && !(chat.is_stale && chat.can_be_read_again()) => return,
            Ok(loaded) => {
                chat.fill(*loaded);
                chat.is_stale = false;
                if is_again {
                    self.layouts.documents.retain(|(owner, _, _), _| *owner != key);
                }
                // Turns that another program has added get their numbers from the history.
                chat.written_to = chat.id.and_then(|id| Some(self.record.writer.as_mut()?.resume(id)));
            }
            Err(_) if is_again => {}
            Err(why) => chat.contents = Contents::Unreadable(why),
        }
        self.rejoins = true;
    }

    pub(super) fn delete(&mut self, key: ChatKey) {
        let Some(title) = self.chat_mut(key).map(|chat| chat.title()) else { return };
        self.notices.deleted.insert(key);
        if self.current == key {
            let next = self.listed().first().map(|chat| chat.key);
            match next {
                Some(next) => self.open(next),
                None => drop(self.new_chat()),
            }
        }
        self.show_notice(format!("Deleted: {title}"), Some(Undo::Chat(key)));
    }
}
