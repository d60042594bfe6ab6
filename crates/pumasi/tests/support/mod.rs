//! What the tests on simulated heaps share: making one, putting plain values in and out.
#![allow(dead_code, reason = "each test file uses its own part")]

use pumasi::containers::{Algebra, Key, Member, RawDeque, RawDict, RawList, RawSet};
use pumasi::heap::cell::{Cell, Tag};
use pumasi::heap::value::{Fetch, Prepared};
use pumasi::sys::sim::Sim;
use pumasi::{Heap, Result};

/// Bytes of a test heap: small, so that a copy of it for every crash point is cheap.
pub const SIZE: u64 = 640 * 1024;

/// A heap of one simulated process, with chunks of a page.
pub fn heap() -> Heap<Sim> {
    Heap::format(Sim::new(SIZE), 4096, u64::MAX, 1, 0).unwrap()
}

/// Another simulated process on the same memory.
pub fn sibling(heap: &Heap<Sim>, pid: u32) -> Heap<Sim> {
    Heap::from_host(heap.host().sibling(pid), 0).unwrap()
}

/// A process on a copy of the memory.
pub fn copy(heap: &Heap<Sim>, pid: u32) -> Heap<Sim> {
    Heap::from_host(heap.host().copy(pid), 0).unwrap()
}

/// A plain value: what the models hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Plain {
    Int(i64),
    Text(String),
}

pub fn prepare<'h>(heap: &'h Heap<Sim>, value: &Plain) -> Result<Prepared<'h, Sim>> {
    match value {
        Plain::Int(i) => heap.prepare_int(*i),
        Plain::Text(s) => heap.prepare_bytes(Tag::Str, s.as_bytes()),
    }
}

pub fn prepare_all<'h>(heap: &'h Heap<Sim>, values: &[Plain]) -> Vec<Prepared<'h, Sim>> {
    values.iter().map(|v| prepare(heap, v).unwrap()).collect()
}

pub fn plain(cell: Cell, out: &mut Fetch<Sim>) -> Plain {
    match cell.tag() {
        Tag::Int => Plain::Int(cell.as_int()),
        Tag::ShortStr => {
            let (bytes, n) = cell.as_short();
            Plain::Text(String::from_utf8(bytes[..n].to_vec()).unwrap())
        }
        Tag::Str => Plain::Text(String::from_utf8(out.to_vec()).unwrap()),
        Tag::BigInt => Plain::Int(i64::from_le_bytes(out.bytes().try_into().unwrap())),
        Tag::Pickle => Plain::Text(format!("pickle {:?}", out.bytes())),
        Tag::Float => Plain::Text(format!("the float {}", out.float())),
        other => panic!("no plain value: {other:?}"),
    }
}

/// A list's items, one by one.
pub fn items(list: &RawList<Sim>) -> Vec<Plain> {
    let mut out = Fetch::new();
    let n = list.len().unwrap() as isize;
    (0..n)
        .map(|i| {
            let cell = list.get(i, &mut out).unwrap();
            plain(cell, &mut out)
        })
        .collect()
}

/// A deque's items, one by one.
pub fn deque_items(deque: &RawDeque<Sim>) -> Vec<Plain> {
    let mut out = Fetch::new();
    let n = deque.len().unwrap() as isize;
    (0..n)
        .map(|i| {
            let cell = deque.get(i, &mut out).unwrap();
            plain(cell, &mut out)
        })
        .collect()
}

/// A dictionary's pairs in order.
pub fn pairs(dict: &RawDict<Sim>) -> Vec<(Plain, Plain)> {
    let version = dict.keys_version();
    let (mut key, mut value) = (Fetch::new(), Fetch::new());
    let mut position = 0;
    let mut all = Vec::new();
    while let Some((k, v)) = dict
        .next_entry(
            &mut position,
            version,
            false,
            Some(&mut key),
            Some(&mut value),
        )
        .unwrap()
    {
        all.push((plain(k, &mut key), plain(v, &mut value)));
    }
    all
}

/// A set's elements in order.
pub fn elements(set: &RawSet<Sim>) -> Vec<Plain> {
    let version = set.keys_version();
    let (mut out, mut position) = (Fetch::new(), 0);
    let mut all = Vec::new();
    while let Some(cell) = set.next(&mut position, version, &mut out).unwrap() {
        all.push(plain(cell, &mut out));
    }
    all
}

/// Changes a set by several elements at once.
pub fn combine(set: &RawSet<Sim>, how: Algebra, elements: &[Plain]) -> Result<bool> {
    let heap = set.object().heap();
    let mut buffers = vec![[0; 8]; elements.len()];
    let mut members: Vec<_> = elements
        .iter()
        .zip(&mut buffers)
        .map(|(element, buffer)| Member {
            key: match element {
                Plain::Int(i) => Key::int(heap, *i, buffer),
                Plain::Text(s) => Key::str(heap, s),
            },
            original: None,
        })
        .collect();
    set.combine(how, &mut members)
}

/// Calls `f` with the key in its canonical form.
pub fn with_key<R>(heap: &Heap<Sim>, key: &Plain, f: impl FnOnce(&Key<'_>) -> R) -> R {
    let mut buffer = [0; 8];
    match key {
        Plain::Int(i) => f(&Key::int(heap, *i, &mut buffer)),
        Plain::Text(s) => f(&Key::str(heap, s)),
    }
}

/// Asserts that a heap at rest breaks no rule.
#[track_caller]
pub fn sound(heap: &Heap<Sim>) {
    let report = heap.check();
    assert!(report.errors.is_empty(), "{:#?}", report.errors);
    assert_eq!(report.pending, 0, "blocks are left PENDING");
}
