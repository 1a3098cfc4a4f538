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
mod faces;
mod hostile;
mod jobs;
mod kills;
mod layout;
mod paint;
mod pictures;
#[path = "../../../towline-cli/tests/it/pty.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "the terminal of the prompt's tests, of which this needs a part"
)]
mod pty;
mod relay;
mod relayed;
mod stage;
mod wakes;
