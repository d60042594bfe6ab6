//! What has to be dropped, or may not be copied, cannot be shared.

use pumasi::Shareable;

#[derive(Shareable)]
#[repr(C)]
struct Once {
    ticket: u64,
}

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Wrapper<T> {
    inner: T,
}

fn share<T: Shareable>() {}

fn main() {
    share::<Wrapper<u64>>();
    share::<Wrapper<String>>();
}
