//! The Rust face: typed containers, values, locks with guards; here, between processes, and when
//! one of them is killed.

mod common;
mod containers;
mod counters;
mod deaths;
mod deques;
mod dicts_of_their_own;
mod dynamic;
mod locks;
mod plain;
mod python;
mod queues;
mod sets;
mod travel;
mod vectors;
mod waiting;

pumasi::process::test_support!();
