//! What cannot be written down cannot be sent to a task.

#[pumasi::task]
fn reads(file: std::fs::File) {}

#[pumasi::task]
fn opens() -> std::fs::File {
    std::fs::File::open("/dev/null").unwrap()
}

fn main() {}
