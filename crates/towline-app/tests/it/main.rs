//! Tests of what the programs for people share.

mod code;
