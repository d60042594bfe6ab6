//! Who took a lock gives it up: a guard stays in its thread.

use pumasi::Lock;

fn main() {
    let lock = Lock::new().unwrap();
    let guard = lock.acquire().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(guard));
    });
}
