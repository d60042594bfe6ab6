//! Tests of the real binary, one module for each command.

mod common;
mod programs;
mod tour;
