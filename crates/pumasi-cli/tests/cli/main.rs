//! Tests of the real binary, one module for each command.

mod bench;
mod common;
mod programs;
mod tour;
