//! The commands, one file each.

pub(crate) mod advise;
mod ask;
pub(crate) mod bench;
pub(crate) mod names;
pub(crate) mod run;
pub(crate) mod tour;
pub(crate) mod tour_program;
