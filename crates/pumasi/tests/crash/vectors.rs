//! Operations on a vector: at its end, overwriting, in between, when it grows, and with views.

use super::*;
use pumasi::containers::{Export, RawVector};
use pumasi::heap::cell::{Cell, Tag};
use pumasi::heap::value::Prepared;

pub fn as_vector(o: &ObjectRef<Sim>) -> RawVector<Sim> {
    RawVector::from_object(o.clone()).unwrap()
}

/// The elements from `from` on, of `size` bytes each.
pub fn elements(size: usize, from: u8, n: u8) -> Vec<u8> {
    (from..from + n)
        .flat_map(|i| (0..size).map(move |byte| i.wrapping_mul(7).wrapping_add(byte as u8)))
        .collect()
}

pub fn vector(heap: &Heap<Sim>, size: usize, n: u8) -> RawVector<Sim> {
    let mut kind = Prepared::inline(heap, Cell::short_str(b"Q").unwrap());
    let vector = RawVector::create(heap, size, 7, &mut kind).unwrap();
    vector.extend(&elements(size, 0, n)).unwrap();
    vector
}

fn numbers(heap: &Heap<Sim>, n: u8) -> Vec<ObjectRef<Sim>> {
    vec![vector(heap, 8, n).object().clone()]
}

fn wide(heap: &Heap<Sim>, n: u8) -> Vec<ObjectRef<Sim>> {
    vec![vector(heap, 24, n).object().clone()]
}

/// One whose kind is a block, and of which somebody has had a view.
fn seen(heap: &Heap<Sim>) -> Vec<ObjectRef<Sim>> {
    let long = b"what others know the elements by";
    let mut kind = heap.prepare_bytes(Tag::Bytes, long).unwrap();
    let vector = RawVector::create(heap, 8, 7, &mut kind).unwrap();
    vector.extend(&elements(8, 0, 8)).unwrap();
    drop(vector.export().unwrap());
    vec![vector.object().clone()]
}

/// One with room for many, of which few are left.
fn emptied(heap: &Heap<Sim>) -> Vec<ObjectRef<Sim>> {
    let vector = vector(heap, 8, 30);
    for _ in 0..5 {
        vector.extend(&elements(8, 0, 30)).unwrap();
    }
    while vector.len().unwrap() > 33 {
        vector.pop(-1, &mut [0; 8]).unwrap();
    }
    vec![vector.object().clone()]
}

pub fn describe(object: &ObjectRef<Sim>) -> String {
    let vector = as_vector(object);
    let (bytes, _) = vector.read(Slice::ALL).unwrap();
    let elements: Vec<&[u8]> = bytes.chunks(vector.item_size()).collect();
    let mut out = Fetch::new();
    let kind = vector.kind(&mut out).unwrap();
    let kind = match kind.tag() {
        Tag::Bytes => format!("{:?}", out.to_vec()),
        _ => format!("{kind:?}"),
    };
    format!("vector of {kind} {elements:?}")
}

fn slice(start: isize, stop: isize, step: isize) -> Slice {
    Slice {
        start: Some(start),
        stop: Some(stop),
        step,
    }
}

fn grow(o: &Objects) {
    let vector = as_vector(&o[0]);
    let room = vector.capacity().unwrap() - vector.len().unwrap();
    vector
        .extend(&elements(vector.item_size(), 90, room as u8 + 1))
        .unwrap();
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let nesting = |name, setup, act| Case { nests: true, ..case(name, setup, act) };
    vec![
        nesting("vector: create", |_| vec![], |h, _| drop(seen(h))),
        case("vector: push", |h| numbers(h, 3), |_, o| as_vector(&o[0]).push(&elements(8, 9, 1)).unwrap()),
        case("vector: push wide", |h| wide(h, 1), |_, o| as_vector(&o[0]).push(&elements(24, 9, 1)).unwrap()),
        case("vector: push, it grows", |h| numbers(h, 8), |_, o| {
            let vector = as_vector(&o[0]);
            assert_eq!(vector.capacity().unwrap(), 8);
            vector.push(&elements(8, 9, 1)).unwrap();
        }),
        case("vector: extend", |h| numbers(h, 2), |_, o| as_vector(&o[0]).extend(&elements(8, 9, 4)).unwrap()),
        case("vector: extend, it grows", |h| wide(h, 2), |_, o| grow(o)),
        case("vector: extend, it grows to a run", |h| numbers(h, 30), |_, o| {
            as_vector(&o[0]).extend(&[3; 8 * 600]).unwrap();
        }),
        nesting("vector: it grows after a view", seen, |_, o| grow(o)),
        case("vector: reserve", |h| numbers(h, 5), |_, o| as_vector(&o[0]).reserve(40).unwrap()),
        case("vector: shrink", emptied, |_, o| as_vector(&o[0]).shrink().unwrap()),
        case("vector: pop", |h| numbers(h, 3), |_, o| as_vector(&o[0]).pop(-1, &mut [0; 8]).unwrap()),
        case("vector: pop, it shrinks", emptied, |_, o| {
            let vector = as_vector(&o[0]);
            let before = vector.capacity().unwrap();
            while vector.capacity().unwrap() == before && vector.len().unwrap() > 32 {
                vector.pop(-1, &mut [0; 8]).unwrap();
            }
        }),
        case("vector: pop in the middle", |h| wide(h, 4), |_, o| as_vector(&o[0]).pop(1, &mut [0; 24]).unwrap()),
        case("vector: truncate", |h| wide(h, 4), |_, o| as_vector(&o[0]).truncate(1).unwrap()),
        case("vector: clear", |h| numbers(h, 40), |_, o| as_vector(&o[0]).clear().unwrap()),
        case("vector: set", |h| numbers(h, 3), |_, o| as_vector(&o[0]).set(1, &elements(8, 9, 1)).unwrap()),
        case("vector: set wide", |h| wide(h, 3), |_, o| as_vector(&o[0]).set(-1, &elements(24, 9, 1)).unwrap()),
        case("vector: set if unchanged", |h| wide(h, 3), |_, o| {
            let vector = as_vector(&o[0]);
            vector.set_if(vector.version(), 0, &elements(24, 9, 1)).unwrap();
        }),
        case("vector: add", |h| numbers(h, 3), |_, o| {
            assert!(as_vector(&o[0]).step(1, |n| n.wrapping_add(5)).is_ok());
        }),
        case("vector: overwrite several", |h| numbers(h, 9), |_, o| {
            as_vector(&o[0]).set_slice(slice(2, 7, 1), &elements(8, 40, 5)).unwrap();
        }),
        case("vector: overwrite every third", |h| wide(h, 9), |_, o| {
            as_vector(&o[0]).set_slice(slice(8, 0, -3), &elements(24, 40, 3)).unwrap();
        }),
        case("vector: reorder", |h| numbers(h, 6), |_, o| {
            let vector = as_vector(&o[0]);
            let (mut all, version) = vector.read(Slice::ALL).unwrap();
            all.reverse();
            vector.reorder(version, &all).unwrap();
        }),
        case("vector: insert", |h| numbers(h, 5), |_, o| as_vector(&o[0]).insert(2, &elements(8, 9, 1)).unwrap()),
        case("vector: insert, it grows", |h| numbers(h, 8), |_, o| as_vector(&o[0]).insert(0, &elements(8, 9, 1)).unwrap()),
        case("vector: a slice for fewer", |h| wide(h, 6), |_, o| {
            as_vector(&o[0]).set_slice(slice(1, 5, 1), &elements(24, 50, 2)).unwrap();
        }),
        case("vector: a slice for more", |h| numbers(h, 6), |_, o| {
            as_vector(&o[0]).set_slice(slice(1, 2, 1), &elements(8, 50, 20)).unwrap();
        }),
        nesting("vector: splice after a view", seen, |_, o| {
            let vector = as_vector(&o[0]);
            vector.splice(Some(vector.version()), 2, 5, &elements(8, 50, 1)).unwrap();
        }),
        nesting("vector: the first view", |h| numbers(h, 3), |_, o| drop(as_vector(&o[0]).export().unwrap())),
        nesting("vector: another view", seen, |_, o| drop(as_vector(&o[0]).export().unwrap())),
        nesting("vector: push beside a view", |h| numbers(h, 3), |_, o| {
            let vector = as_vector(&o[0]);
            let view = vector.export().unwrap();
            vector.push(&elements(8, 9, 1)).unwrap();
            assert!(matches!(vector.reserve(90), Err(Error::Exported { processes: 1 })));
            drop(view);
        }),
    ]
}

/// Whatever store the one with the view dies at: its view is forgotten by whoever needs that.
#[test]
fn the_views_of_the_dead_are_forgotten() {
    let mut refused = 0;
    for k in 0.. {
        let survivor = heap();
        survivor.join().unwrap();
        let ours = vector(&survivor, 8, 8);
        let victim = sibling(&survivor, 2);
        let token = ours.object().token();
        victim.host().crash_at(k);
        let done = catch_unwind(AssertUnwindSafe(|| {
            let theirs = as_vector(&ObjectRef::from_token(&victim, token).unwrap());
            let view: Export<Sim> = theirs.export().unwrap();
            // A living process has it: nothing moves.
            let full = ours.push(&[1; 8]);
            assert!(matches!(full, Err(Error::Exported { processes: 1 })));
            refused += 1;
            assert!(matches!(ours.clear(), Err(Error::Exported { .. })));
            ours.set(0, &[5; 8]).unwrap();
            assert_eq!(view.len(), 8);
            drop(view);
        }));
        victim.host().no_crash();
        if let Err(payload) = &done {
            assert!(payload.is::<Crash>(), "no crash, but a failure");
        }
        ours.push(&[2; 8]).unwrap();
        ours.pop(0, &mut [0; 8]).unwrap();
        assert_eq!(ours.len().unwrap(), 8);
        survivor.recover();
        support::sound(&survivor);
        drop(ours);
        survivor.collect().unwrap();
        assert_eq!(left(&survivor), None, "stopped at store {k}");
        if done.is_ok() {
            break;
        }
    }
    assert!(refused > 1, "no crash fell while there was a view");
}
