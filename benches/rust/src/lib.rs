//! What the benchmark programs share: timing, and rows for the table.

pub mod report;
pub mod timing;
