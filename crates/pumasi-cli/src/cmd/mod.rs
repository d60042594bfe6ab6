//! The commands, one file each.

pub(crate) mod tour;
pub(crate) mod tour_program;
