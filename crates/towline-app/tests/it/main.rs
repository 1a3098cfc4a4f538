//! Tests of the crate that the programs for people share.

mod code;
