//! One Dict for programs that know nothing of each other but a name, in Rust and in Python.
//!
//! Started alone it does its own part. Given a name, here and to its sister in Python, each waits for
//! the other: `cargo run -p pumasi --example named_heap -- barn` and
//! `python examples/python/named_heap.py barn`.

use std::time::Duration;

use pumasi::{Dict, Dynamic, Heap, List};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given = std::env::args().nth(1);
    let alone = given.is_none();
    let name = given.unwrap_or_else(|| format!("example-{}", std::process::id()));
    let heap = Heap::builder().name(&name).open_or_create()?;

    // Whoever comes first makes the Dict; of two at once one does.
    let mine: Dict<String, Dynamic> = Dict::new_in(&heap)?;
    let roots: Dict<String, Dict<String, Dynamic>> = heap.roots()?.cast();
    let sheaves = roots.get_or_insert("sheaves", mine)?;
    let numbers: Dict<String, i64> = sheaves.clone().cast();
    for _ in 0..1000 {
        numbers.add("bound", 1)?; // no lock: nobody can get between
    }
    let done = List::<Dynamic>::new_in(&heap)?;
    done.push("done")?;
    sheaves.insert("rust", &done)?;

    if !alone {
        let minute = Some(Duration::from_secs(60));
        let came = sheaves.wait("python", minute, |value| value.is_some())?;
        assert!(came, "nobody came from Python");
    }
    println!("{} sheaves", numbers.get("bound")?.unwrap_or(0));
    Ok(())
}
