//! A task's arguments and result travel to another process.

#[pumasi::task]
fn text(name: &str) {}

#[pumasi::task]
fn slice(numbers: &[u64]) {}

#[pumasi::task]
fn path(path: &std::path::Path) {}

#[pumasi::task]
fn closure(f: impl Fn()) {}

#[pumasi::task]
fn borrowed() -> &'static str {
    ""
}

#[pumasi::task]
fn generic<T>(value: T) {}

#[pumasi::task]
async fn later() {}

#[pumasi::task]
unsafe fn trusted() {}

#[pumasi::task]
extern "C" fn foreign() {}

#[pumasi::task(name = "x")]
fn named() {}

#[pumasi::task]
struct NoFunction;

fn main() {}
