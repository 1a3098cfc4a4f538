//! The prompt against a scripted server and a scripted screen. Nothing here waits for time to pass: each step waits for
//! what it needs to see.

mod chatting;
mod control;
mod stage;
mod verbs;
