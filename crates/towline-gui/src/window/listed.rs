//! The list of chats: opening, finding, renaming, deleting.

use towline_app::chat::Settings;

use super::Window;
use crate::chats::{Chat, ChatKey, Contents};
use crate::command::Dialog;
use crate::store::Order;

impl Window {
    /// The chats as they are listed: pinned first, then the last written first; without deleted ones, empty ones that
    /// are not shown, and those that do not hold what is looked for.
    pub fn listed(&self) -> Vec<&Chat> {
        let wanted = self.search.trim().to_lowercase();
        let is_wanted = |chat: &Chat| {
            wanted.is_empty()
                || chat.title().to_lowercase().contains(&wanted)
                || matches!((&self.found, &chat.name), (Some(found), Some(name)) if found.contains(name))
        };
        let mut chats: Vec<&Chat> = self
            .chats
            .iter()
            .filter(|chat| !self.deleted.contains(&chat.key))
            .filter(|chat| !chat.is_empty() || chat.key == self.current || !chat.draft.is_empty())
            .filter(|chat| is_wanted(chat))
            .collect();
        chats.sort_by_key(|chat| (!chat.is_pinned, std::cmp::Reverse((chat.written, chat.key))));
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
        let Some(chat) = self.chat_mut(key) else { return };
        chat.is_unread = false;
        self.load(key);
    }

    /// Reads a chat from disk, unless it is here.
    pub(super) fn load(&mut self, key: ChatKey) {
        let Some(chat) = self.chat_mut(key) else { return };
        if let (Contents::OnDisk | Contents::Unreadable(_), Some(name)) = (&chat.contents, chat.name.clone())
        {
            chat.contents = Contents::Loading;
            self.disk.order(Order::Load { key, name });
        }
    }

    pub(super) fn open_next(&mut self, places: isize) {
        let keys: Vec<ChatKey> = self.listed().iter().map(|chat| chat.key).collect();
        let at = keys.iter().position(|key| *key == self.current);
        let next = at.and_then(|at| keys.get(at.checked_add_signed(places)?));
        if let Some(next) = next {
            self.open(*next);
        }
    }

    pub(super) fn look_for(&mut self, text: String) {
        self.found = None;
        let wanted = text.trim().to_owned();
        self.search = text;
        if wanted.chars().count() >= 2 {
            self.disk.order(Order::Search { text: wanted });
        }
    }

    pub(super) fn rename(&mut self, key: ChatKey, to: String) {
        self.dialog = Dialog::None;
        let to = to.trim().to_owned();
        let Some(chat) = self.chat_mut(key).filter(|_| !to.is_empty()) else { return };
        chat.is_named = true;
        match chat.name.clone() {
            Some(from) => self.disk.order(Order::Rename { key, from: Some(from), to }),
            None => self.say("a chat has a name once something was said in it", None),
        }
    }

    pub(super) fn delete(&mut self, key: ChatKey) {
        let Some(title) = self.chat_mut(key).map(|chat| chat.title()) else { return };
        self.deleted.insert(key);
        if self.current == key {
            let next = self.listed().first().map(|chat| chat.key);
            match next {
                Some(next) => self.open(next),
                None => drop(self.new_chat()),
            }
        }
        self.say(format!("Deleted: {title}"), Some(key));
    }
}
