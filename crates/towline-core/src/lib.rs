//! towline-core

pub mod http1;
