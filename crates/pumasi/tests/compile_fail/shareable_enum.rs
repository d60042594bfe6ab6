//! A shared enum is an integer with names.

use pumasi::Shareable;

#[derive(Clone, Copy, Shareable)]
enum NoRepr {
    A,
    B,
}

#[derive(Clone, Copy, Shareable)]
#[repr(u8)]
enum WithData {
    A,
    B(u64),
}

#[derive(Clone, Copy, Shareable)]
#[repr(u8)]
enum Nothing {}

fn main() {}
