//! What owns memory of its process cannot be shared byte for byte.

use pumasi::Shareable;

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Boxed {
    value: Box<u64>,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Growing {
    values: Vec<u64>,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Named {
    name: String,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Open {
    file: std::fs::File,
}

fn main() {}
