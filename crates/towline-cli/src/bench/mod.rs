//! Measuring a server: the load, what is counted, what it costs, and how it is told.

mod cost;
mod load;
mod report;
mod tally;

pub use cost::Cost;
pub use load::{Load, put};
pub use report::{Report, Subject};
pub use tally::Tally;
