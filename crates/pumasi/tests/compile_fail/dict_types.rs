//! What cannot be a key, an element, or made where it is missing.

use pumasi::{Counter, DefaultDict, Dict, List, Set, Shareable};

#[derive(Clone, Copy, Shareable)]
#[repr(C)]
struct Point {
    x: f64,
}

struct Plain;

fn main() {
    let _ = Dict::<f64, u8>::new();
    let _ = Set::<Point>::new();
    let _ = Counter::<List<u8>>::new();
    let _ = List::<Plain>::new();
    let _ = DefaultDict::<u8, Point>::new();
}
