//! What can be done in the window. Views name it, shortcuts name it; the window does it after the frame.

use std::path::PathBuf;

use towline::engine::JobId;
use towline_app::chat::{AnswerId, Settings, Shown, TurnId};
use towline_app::servers::ServerSpec;

use crate::chats::{ChatKey, ExportForm};
use crate::relay::{Control, RelayOrder};
use crate::store::Theme;

/// What files are chosen for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// They go with a chat's question.
    Attach(ChatKey),
    /// A chat is read from each.
    Import,
    /// A chat is written to it.
    Export(ChatKey, ExportForm),
}

/// Which dialog is open.
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
    /// Another name for a chat.
    Rename(ChatKey, String),
    /// Another name for one of the relay's jobs.
    RenameJob(String, String),
    /// Whether the window is to close though so many answers run in it.
    Close(usize),
    /// Whether a model is to be deleted.
    DeleteModel(String),
    /// The path of a file, and why the desktop cannot be asked for it.
    Path(Purpose, String),
}

/// What is to be done to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOrder {
    /// What every job can be told.
    Control(Control),
    /// Leave it to the relay that runs it.
    Detach,
    /// Show its chat.
    Show,
}

/// What is to be done in the search in a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindOrder {
    /// Open it, or put the cursor there.
    Open,
    /// Look for this.
    Text(String),
    /// Go so many places on; back below nothing.
    Go(isize),
    /// Close it.
    Close,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Begin a chat.
    NewChat,
    /// Show a chat.
    Open(ChatKey),
    /// Show the chat this many places further down the list.
    OpenNext(isize),
    /// Look for chats that hold a text.
    Search(String),
    /// Do something in the search in the chat.
    Find(FindOrder),
    /// Call a chat something else.
    Rename(ChatKey, String),
    /// Keep a chat on top of the list, or not.
    Pin(ChatKey, bool),
    /// Delete a chat; for a while that can be undone.
    Delete(ChatKey),
    /// Undo what this notice says.
    Undo(u64),
    /// Ask what is being typed.
    Send,
    /// Stop all answers of the chat that is shown.
    StopAll,
    /// Ask again.
    Regenerate(AnswerId),
    /// Ask the last question again.
    RegenerateLast,
    /// Continue an answer.
    Continue(AnswerId),
    /// Choose what a turn shows.
    Choose(TurnId, Shown),
    /// Take a turn out.
    Remove(TurnId),
    /// Change a question.
    Edit(AnswerId),
    /// Change the last question.
    EditLast,
    /// The changed question says this now.
    EditText(String),
    /// What is being typed says this now.
    Draft(String),
    /// Leave the question as it was.
    CancelEdit,
    /// Ask the changed question.
    Resend,
    /// Put text on the clipboard.
    Copy(String),
    /// Put the last answer on the clipboard.
    CopyLast,
    /// Open a link in the browser.
    Follow(String),
    /// Begin the question from the template of this name, with this text in it.
    Template(String, String),
    /// Ask which files go with the question.
    ChooseFiles,
    /// These files go with the question.
    Attach(Vec<PathBuf>),
    /// This pasted text goes with the question.
    AttachText(String),
    /// This pasted picture goes with the question.
    AttachImage(std::sync::Arc<egui::ColorImage>),
    /// This one does not.
    Detach(usize),
    /// Write a chat to a file.
    Export(ChatKey, ExportForm),
    /// Read a chat from a file.
    Import,
    /// Files were named where the desktop shows no dialog.
    Chosen(Purpose, Vec<PathBuf>),
    /// Ask this model from now on.
    Model(String),
    /// Ask this model too, or not.
    Compare(String, bool),
    /// The chat's settings are these.
    ChatSettings(Box<Settings>),
    /// Ask the server for its models.
    RefreshModels,
    /// Fetch a model.
    Pull(String),
    /// Stop fetching a model, or forget that it could not be.
    CancelPull(String),
    /// Delete a model.
    DeleteModel(String),
    /// Show a dialog.
    Show(Dialog),
    /// Do something to a job.
    Job(JobId, JobOrder),
    /// Do something to one of the relay's jobs.
    RelayJob(String, RelayOrder),
    /// Start this user's own relay.
    StartRelay,
    /// Have answers run on the relay, or in the window.
    OnRelay(bool),
    /// Close the window, though answers run in it.
    Close,
    /// Forget the window's jobs that have ended.
    ForgetEnded,
    /// Other colours.
    Theme(Theme),
    /// Another size; 1 is none.
    Zoom(f32),
    /// Open or close the panel of jobs.
    ToggleJobs,
    /// Open or close the list of chats.
    ToggleChats,
    /// Announce the end of answers in the background, or not.
    Notify(bool),
    /// Use another server; one that names nothing means the usual one.
    Connect(ServerSpec),
    /// Put the cursor where questions are typed.
    FocusComposer,
    /// Put the cursor where chats are looked for.
    FocusSearch,
    /// A notice was read.
    Dismiss(u64),
}
