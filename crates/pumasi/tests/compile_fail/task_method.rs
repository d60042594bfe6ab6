//! A method has no `self` in another process.

struct Field;

impl Field {
    #[pumasi::task]
    fn plough(&self) {}
}

fn main() {}
