//! A shared type has one layout, and no byte in it without a name.

use pumasi::Shareable;

#[derive(Clone, Copy, Shareable)]
struct NoRepr {
    x: f64,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Padded {
    small: u8,
    large: u64,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Pair {
    both: (u32, u32),
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Empty;

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
union Either {
    integer: u64,
    float: f64,
}

fn main() {}
