//! towline-core

pub mod endpoint;
pub mod http1;
