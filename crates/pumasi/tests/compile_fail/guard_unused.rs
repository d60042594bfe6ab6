//! A guard that is dropped at once protects nothing.
#![deny(unused_must_use)]

use pumasi::{BoundedSemaphore, List, Lock, RwLock};

fn main() {
    Lock::new().unwrap().acquire().unwrap();
    RwLock::new().unwrap().write().unwrap();
    BoundedSemaphore::new(1).unwrap().acquire().unwrap();
    List::<u8>::new().unwrap().locked().unwrap();
    pumasi::Queue::<u8>::builder();
}
