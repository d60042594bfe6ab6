//! `spawn` takes what the function takes.

#[pumasi::task]
fn work(n: u64, name: String) -> u64 {
    n + name.len() as u64
}

fn main() {
    work::spawn(1);
    work::spawn("one", String::new());
    let _: String = work::spawn(1, String::new()).unwrap().join().unwrap();
}
