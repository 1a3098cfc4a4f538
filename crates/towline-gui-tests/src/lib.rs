//! Tests of the window, in a crate of their own: their features must not become the window's.
//!
//! They work the real window on the real engine and a scripted server, by the labels that a screen reader sees. Frames
//! are painted without any graphics card or driver, so the pictures under `tests/snapshots` are the same everywhere.
//! `UPDATE_SNAPSHOTS=1 cargo test -p towline-gui-tests` renews them; look at what changed.
