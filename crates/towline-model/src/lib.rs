//! towline-model
