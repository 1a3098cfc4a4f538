//! towline-core
