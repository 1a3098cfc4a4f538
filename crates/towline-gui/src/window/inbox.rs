//! What other threads have done, which the window applies at its next update.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::Window;
use crate::store::HistoryStore;

/// So much waits for the window; a thread that has more waits too.
const MAX_WAITING: usize = 256;

/// What the window does with it.
pub(super) type WindowTask = Box<dyn FnOnce(&mut Window) + Send>;

/// Where other threads put it.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    sender: SyncSender<WindowTask>,
    context: egui::Context,
}

impl Inbox {
    pub(super) fn new(context: &egui::Context) -> (Self, Receiver<WindowTask>) {
        let (sender, receiver) = sync_channel(MAX_WAITING);
        (Self { sender, context: context.clone() }, receiver)
    }

    pub(super) fn post(&self, done: impl FnOnce(&mut Window) + Send + 'static) {
        // The window may be gone by then.
        if self.sender.send(Box::new(done)).is_ok() {
            self.context.request_repaint();
        }
    }
}

impl Window {
    /// Has the disk do something, and calls `then` with the result. An error is shown as a notice.
    pub(super) fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut HistoryStore) -> Result<T, String> + Send + 'static,
        then: impl FnOnce(&mut Self, T) + Send + 'static,
    ) {
        let inbox = self.inbox.0.clone();
        self.disk.order(move |store| {
            let done = work(store);
            inbox.post(move |window| match done {
                Ok(done) => then(window, done),
                Err(why) => window.show_notice(why, None),
            });
        });
    }

    /// Has the disk change something. Only an error is shown.
    pub(super) fn change_on_disk(
        &mut self,
        work: impl FnOnce(&mut HistoryStore) -> Result<(), String> + Send + 'static,
    ) {
        let inbox = self.inbox.0.clone();
        self.disk.order(move |store| {
            if let Err(why) = work(store) {
                inbox.post(|window| window.show_notice(why, None));
            }
        });
    }

    /// Does something that may take long on a thread of its own, and calls `then` with the result, if there is one.
    pub(super) fn aside<T: Send + 'static>(
        &mut self,
        thread: &str,
        work: impl FnOnce() -> Option<T> + Send + 'static,
        then: impl FnOnce(&mut Self, T) + Send + 'static,
    ) {
        let inbox = self.inbox.0.clone();
        let started = std::thread::Builder::new().name(thread.to_owned()).spawn(move || {
            if let Some(done) = work() {
                inbox.post(move |window| then(window, done));
            }
        });
        if let Err(error) = started {
            self.show_notice(format!("a thread cannot be started: {error}"), None);
        }
    }

    /// Applies what was done since the last update.
    pub(super) fn run_inbox(&mut self) {
        while let Ok(done) = self.inbox.1.try_recv() {
            done(self);
        }
    }
}
