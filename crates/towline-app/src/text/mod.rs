//! Text for people: makes text safe to show, formats sizes and times, and parses input, in one way
//! everywhere.

pub mod duration;
pub mod nearest;
pub mod safe;
pub mod units;
