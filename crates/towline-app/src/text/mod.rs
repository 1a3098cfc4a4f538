//! Text for people: safe to show, sizes and times in one way.

pub mod safe;
pub mod units;
