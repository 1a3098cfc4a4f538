//! The window, worked as a person works it.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixels of small pictures"
)]

mod chats;
mod chatting;
mod dialogs;
mod hostile;
mod jobs;
mod layout;
mod paint;
mod pictures;
mod relay;
mod relayed;
mod stage;
mod wakes;
