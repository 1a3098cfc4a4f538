//! The thread that waits for the disk, so that the window never does.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use towline::relay::Job;
use towline_app::history::{ChatId, WriterId};
use towline_app::settings::templates::Template;

use super::shelf::{Listed, Shelf, Which};
use crate::chats::{ChatKey, Loaded};

/// How often the thread checks whether another program has written to the history.
const WATCH: Duration = Duration::from_millis(500);
/// Maximum number of orders that wait for the disk; more wait in the window.
pub const MAX_ORDERS: usize = 256;

/// An order for the disk thread.
#[derive(Debug)]
pub enum Order {
    /// List the chats; session files of these names were pinned in an earlier version.
    List { pinned: Vec<String> },
    /// Read a chat, and become the writer of its answers on a relay that have no writer, except these (by
    /// relay id).
    Load { key: ChatKey, id: ChatId, left: Vec<String> },
    /// Become the writer of an answer that was left to a relay, by its relay id.
    TakeOver { key: ChatKey, which: Which, relay: String },
    /// Link one of the relay's jobs to its answer, if its program exited before it could.
    Link(Box<Job>),
    /// Find the chat that has the answer of one of the relay's jobs, by its relay id.
    FindOwner { relay: String },
    /// Read any session file into a new chat.
    Import { path: PathBuf },
    /// Give a chat a title.
    Title { which: Which, title: String },
    /// Pin or unpin a chat.
    Pin { which: Which, is_pinned: bool },
    /// Delete a chat.
    Delete { which: Which },
    /// Find the chats that contain this text.
    Search { text: String },
    /// Write a file.
    Write { path: PathBuf, text: String, announce: bool },
    /// Read files to attach to a question.
    Attach { key: ChatKey, paths: Vec<PathBuf> },
    /// List the templates of a folder.
    ListTemplates { folder: PathBuf },
    /// Read a template, for a chat's question with this text in it.
    Template { key: ChatKey, folder: PathBuf, name: String, input: String },
}

/// A report of the disk thread.
#[derive(Debug)]
pub enum Report {
    /// The contents of the history, at first and after each change.
    Listed(Listed),
    /// A chat, or the reason why it cannot be read.
    Loaded { key: ChatKey, result: Result<Box<Loaded>, String> },
    /// The window writes an answer on a relay from now on, unless another program does.
    TakenOver { key: ChatKey, relay: String, is_ours: bool },
    /// The chat that has the answer of one of the relay's jobs, if any.
    Owner { relay: String, chat: Option<ChatId> },
    /// An imported chat.
    Imported(Result<Box<Loaded>, String>),
    /// The chats that contain a text.
    Found { text: String, ids: HashSet<ChatId> },
    /// A file was written.
    Written(PathBuf),
    /// Files to attach to a question: their names and bytes.
    Attached { key: ChatKey, files: Vec<(String, Vec<u8>)> },
    /// The names of the templates.
    Templates(Vec<String>),
    /// A template for a chat's question, with the schema that it names, and the text that goes into it.
    Template { key: ChatKey, template: Box<Template>, schema: Option<Value>, input: String },
    /// An error, for people.
    Failed(String),
}

/// The window's end of the thread.
#[derive(Debug)]
pub struct Disk {
    orders: Option<SyncSender<Order>>,
    reports: Receiver<Report>,
    waiting: VecDeque<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread. `folder` contains the history; `None` means no history. `wake` is called after each
    /// report.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub fn start(
        folder: Option<PathBuf>,
        writer: Option<WriterId>,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (orders, todo) = sync_channel::<Order>(MAX_ORDERS);
        // A report answers an order; the window takes all reports each time it reads.
        let (done, reports) = sync_channel(MAX_ORDERS);
        let thread = std::thread::Builder::new().name("towline-disk".into()).spawn(move || {
            let mut shelf = Shelf::new(folder, writer);
            loop {
                let reports = match todo.recv_timeout(WATCH) {
                    Ok(order) => shelf.obey(order),
                    Err(RecvTimeoutError::Timeout) => shelf.news().into_iter().collect(),
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                for report in reports {
                    if done.send(report).is_err() {
                        // The window is gone; its orders are executed anyway.
                        continue;
                    }
                    wake();
                }
            }
        })?;
        Ok(Self { orders: Some(orders), reports, waiting: VecDeque::new(), thread: Some(thread) })
    }

    /// Sends an order. Never waits.
    pub fn order(&mut self, order: Order) {
        self.waiting.push_back(order);
        self.flush();
    }

    /// Passes on waiting orders. `true` if some still wait.
    pub fn flush(&mut self) -> bool {
        let Some(orders) = &self.orders else { return false };
        while let Some(order) = self.waiting.pop_front() {
            match orders.try_send(order) {
                Ok(()) => {}
                Err(TrySendError::Full(order)) => {
                    self.waiting.push_front(order);
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        false
    }

    /// The reports since the last call.
    pub fn reports(&self) -> Vec<Report> {
        self.reports.try_iter().collect()
    }

    /// Waits until all orders are done, for the end of the window.
    pub fn finish(&mut self) {
        let Some(orders) = self.orders.take() else { return };
        for order in self.waiting.drain(..) {
            // Taking the reports makes room.
            let mut order = Some(order);
            while let Some(next) = order.take() {
                self.reports.try_iter().for_each(drop);
                match orders.try_send(next) {
                    Ok(()) | Err(TrySendError::Disconnected(_)) => {}
                    Err(TrySendError::Full(back)) => {
                        order = Some(back);
                        std::thread::yield_now();
                    }
                }
            }
        }
        drop(orders);
        // Ends when the thread has done everything and closed its side.
        self.reports.iter().for_each(drop);
        if let Some(thread) = self.thread.take() {
            // A panic there was reported on stderr; the window ends anyway.
            drop(thread.join());
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.finish();
    }
}
