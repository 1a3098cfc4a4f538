//! The commands of the window. Views and shortcuts issue them; the window executes them after the frame.

use std::path::PathBuf;

use egui::Response;
use towline::engine::JobId;
use towline_app::chat::{AnswerId, Selection, Settings, TurnId};
use towline_app::servers::ServerSpec;

use crate::chats::{ChatKey, ExportForm};
use crate::relay::{Control, RelayOrder};
use crate::store::Theme;

/// The purpose of a file dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Attach the files to a chat's question.
    Attach(ChatKey),
    /// Import a chat from each.
    Import,
    /// Export a chat to the file.
    Export(ChatKey, ExportForm),
}

/// The open dialog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Dialog {
    /// None.
    #[default]
    None,
    /// The server's models.
    Models,
    /// The window's settings.
    Settings,
    /// The chat's settings.
    Chat,
    /// The keys.
    Help,
    /// Rename a chat.
    Rename(ChatKey, String),
    /// The tags of a chat.
    Tags(ChatKey, String),
    /// Rename one of the relay's jobs.
    RenameJob(String, String),
    /// Ask whether to close the window although this many answers run in it.
    Close(usize),
    /// Ask whether to delete a model.
    DeleteModel(String),
    /// Ask for a path, with the reason why the desktop has no dialog for it.
    Path(Purpose, String),
}

/// An operation on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOrder {
    /// An operation that every job supports.
    Control(Control),
    /// Leave it to the relay that runs it.
    Detach,
    /// Show its chat.
    Show,
}

/// An operation of the search in a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindOrder {
    /// Open it, or focus it.
    Open,
    /// Search for this text.
    Text(String),
    /// Move by this many matches; backwards if negative.
    Go(isize),
    /// Close it.
    Close,
}

/// What a frame asks for, in its order.
#[derive(Debug, Default)]
pub struct Commands(pub Vec<Command>);

impl Commands {
    /// Asks for something.
    pub fn push(&mut self, command: Command) {
        self.0.push(command);
    }

    /// Asks for something when this was clicked.
    pub fn on_click(&mut self, button: Response, command: Command) {
        self.0.extend(button.clicked().then_some(command));
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Start a chat.
    NewChat,
    /// Show a chat.
    Open(ChatKey),
    /// Show the chat this many places further down the list.
    OpenNext(isize),
    /// Search for chats that contain a text.
    Search(String),
    /// Operate the search in the chat.
    Find(FindOrder),
    /// Rename a chat.
    Rename(ChatKey, String),
    /// Pin or unpin a chat.
    Pin(ChatKey, bool),
    /// File a chat under these tags, and no others.
    Tag(ChatKey, Vec<String>),
    /// Delete a chat; this can be undone for a while.
    Delete(ChatKey),
    /// Undo the deletion of this notice.
    Undo(u64),
    /// Send the draft.
    Send,
    /// Cancel all answers of the current chat.
    StopAll,
    /// Ask again.
    Regenerate(AnswerId),
    /// Ask the last question again.
    RegenerateLast,
    /// Continue an answer.
    Continue(AnswerId),
    /// Choose which answers a turn shows.
    Choose(TurnId, Selection),
    /// Remove a turn.
    Remove(TurnId),
    /// Edit a question.
    Edit(AnswerId),
    /// Edit the last question.
    EditLast,
    /// Set the text of the edited question.
    EditText(String),
    /// Set the draft.
    Draft(String),
    /// Cancel the edit of the question.
    CancelEdit,
    /// Send the edited question.
    Resend,
    /// Copy text to the clipboard.
    Copy(String),
    /// Copy the last answer to the clipboard.
    CopyLast,
    /// Open a link in the browser.
    Follow(String),
    /// Start the question from the template of this name, with this text as its input.
    Template(String, String),
    /// Open a file dialog for attachments.
    ChooseFiles,
    /// Attach these files to the question.
    Attach(Vec<PathBuf>),
    /// Attach this pasted text to the question.
    AttachText(String),
    /// Attach this pasted picture to the question.
    AttachImage(std::sync::Arc<egui::ColorImage>),
    /// Remove this attachment.
    Detach(usize),
    /// Write a chat to a file.
    Export(ChatKey, ExportForm),
    /// Read a chat from a file.
    Import,
    /// Use files that were typed because the desktop has no dialog.
    Chosen(Purpose, Vec<PathBuf>),
    /// Use this model from now on.
    Model(String),
    /// Add or remove this model from the comparison.
    Compare(String, bool),
    /// Set the chat's settings.
    ChatSettings(Box<Settings>),
    /// Request the server's list of models.
    RefreshModels,
    /// Pull a model.
    Pull(String),
    /// Cancel a pull, or dismiss a failed one.
    CancelPull(String),
    /// Delete a model.
    DeleteModel(String),
    /// Show a dialog.
    Show(Dialog),
    /// Control a job.
    Job(JobId, JobOrder),
    /// Control one of the relay's jobs.
    RelayJob(String, RelayOrder),
    /// Start this user's own relay.
    StartRelay,
    /// Run answers on the relay, or in the window.
    OnRelay(bool),
    /// Close the window although answers run in it.
    Close,
    /// Forget the window's jobs that have ended.
    ForgetEnded,
    /// Set the theme.
    Theme(Theme),
    /// Set the zoom; 1 means none.
    Zoom(f32),
    /// Open or close the panel of jobs.
    ToggleJobs,
    /// Open or close the list of chats.
    ToggleChats,
    /// Switch notifications for answers in the background on or off.
    Notify(bool),
    /// Use another server; an empty specification means the usual one.
    Connect(ServerSpec),
    /// Focus the composer.
    FocusComposer,
    /// Focus the search for chats.
    FocusSearch,
    /// Dismiss a notice.
    Dismiss(u64),
}
