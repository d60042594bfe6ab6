//! Addresses mean nothing in another process.

use pumasi::Shareable;

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Pointer {
    next: *const u64,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Reference {
    name: &'static str,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Borrowed<'a> {
    name: &'a str,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Function {
    call: [fn(u64) -> u64; 2],
}

fn main() {}
