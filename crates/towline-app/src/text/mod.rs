//! Text for people: safe to show, sizes and times in one way, what they type understood in one way.

pub mod duration;
pub mod nearest;
pub mod safe;
pub mod units;
