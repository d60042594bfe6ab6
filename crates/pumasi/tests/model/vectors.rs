//! A vector and what it should be: a `Vec` of elements.

use proptest::prelude::*;
use pumasi::Error;
use pumasi::containers::{RawVector, Slice};
use pumasi::heap::cell::Cell;
use pumasi::heap::value::Prepared;
use pumasi::sys::sim::Sim;

use crate::support::{heap, sound};

#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    Extend(Vec<u64>),
    Pop(isize),
    PopMany(usize),
    Get(isize),
    Set(isize, u64),
    SetIf(isize, u64),
    Add(isize, u64),
    Insert(isize, u64),
    Slice(Slice),
    SetSlice(Slice, Vec<u64>),
    Splice(usize, usize, Vec<u64>),
    Reverse,
    Truncate(usize),
    Clear,
    Reserve(usize),
    Shrink,
}

fn slices() -> impl Strategy<Value = Slice> {
    let at = || proptest::option::of(-40isize..40);
    let step =
        prop_oneof![4 => Just(1isize), 2 => (-4isize..5).prop_filter("no zero", |n| *n != 0)];
    (at(), at(), step).prop_map(|(start, stop, step)| Slice { start, stop, step })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = || -40isize..40;
    let many = || proptest::collection::vec(any::<u64>(), 0..40);
    let step = prop_oneof![
        6 => any::<u64>().prop_map(Step::Push),
        3 => many().prop_map(Step::Extend),
        3 => prop_oneof![2 => Just(-1isize), 1 => at()].prop_map(Step::Pop),
        1 => (1usize..60).prop_map(Step::PopMany),
        1 => at().prop_map(Step::Get),
        2 => (at(), any::<u64>()).prop_map(|(i, v)| Step::Set(i, v)),
        1 => (at(), any::<u64>()).prop_map(|(i, v)| Step::SetIf(i, v)),
        1 => (at(), any::<u64>()).prop_map(|(i, v)| Step::Add(i, v)),
        2 => (at(), any::<u64>()).prop_map(|(i, v)| Step::Insert(i, v)),
        1 => slices().prop_map(Step::Slice),
        3 => (slices(), many()).prop_map(|(s, v)| Step::SetSlice(s, v)),
        2 => (0usize..40, 0usize..40, many()).prop_map(|(a, b, v)| Step::Splice(a, b, v)),
        1 => Just(Step::Reverse),
        1 => (0usize..40).prop_map(Step::Truncate),
        1 => Just(Step::Clear),
        1 => (0usize..300).prop_map(Step::Reserve),
        1 => Just(Step::Shrink),
    ];
    proptest::collection::vec(step, 1..70)
}

/// An element of `size` bytes for a number, the number first.
fn element(size: usize, n: u64) -> Vec<u8> {
    n.to_le_bytes().iter().copied().cycle().take(size).collect()
}

fn elements(size: usize, all: &[u64]) -> Vec<u8> {
    all.iter().flat_map(|n| element(size, *n)).collect()
}

/// Where an index by Python's rules is.
fn place(i: isize, len: usize) -> Option<usize> {
    let i = if i < 0 { i + len as isize } else { i };
    usize::try_from(i).ok().filter(|i| *i < len)
}

fn outside<T: core::fmt::Debug>(result: pumasi::Result<T>) {
    assert!(
        matches!(result, Err(Error::IndexOutOfRange { .. })),
        "{result:?}"
    );
}

fn apply(vector: &RawVector<Sim>, model: &mut Vec<Vec<u8>>, step: Step) {
    let size = vector.item_size();
    let one = |n| element(size, n);
    let mut out = vec![0; size];
    match step {
        Step::Push(n) => {
            vector.push(&one(n)).unwrap();
            model.push(one(n));
        }
        Step::Extend(all) => {
            vector.extend(&elements(size, &all)).unwrap();
            model.extend(all.into_iter().map(one));
        }
        Step::Pop(i) => match place(i, model.len()) {
            Some(at) => {
                vector.pop(i, &mut out).unwrap();
                assert_eq!(out, model.remove(at));
            }
            None if model.is_empty() => {
                assert!(matches!(vector.pop(i, &mut out), Err(Error::Empty { .. })));
            }
            None => outside(vector.pop(i, &mut out)),
        },
        Step::PopMany(n) => {
            for _ in 0..n {
                apply(vector, model, Step::Pop(-1));
            }
        }
        Step::Get(i) => match place(i, model.len()) {
            Some(at) => {
                vector.get(i, &mut out).unwrap();
                assert_eq!(out, model[at]);
            }
            None => outside(vector.get(i, &mut out)),
        },
        Step::Set(i, n) => match place(i, model.len()) {
            Some(at) => {
                vector.set(i, &one(n)).unwrap();
                model[at] = one(n);
            }
            None => outside(vector.set(i, &one(n))),
        },
        Step::SetIf(i, n) => {
            let version = vector.version();
            let wrong = vector.set_if(version.wrapping_add(1), i, &one(n));
            assert!(matches!(wrong, Err(Error::Modified { .. })));
            match place(i, model.len()) {
                Some(at) => {
                    vector.set_if(version, i, &one(n)).unwrap();
                    model[at] = one(n);
                }
                None => outside(vector.set_if(version, i, &one(n))),
            }
        }
        Step::Add(i, n) => {
            let added = vector.step(i, |bits| bits.wrapping_add(n));
            if !matches!(size, 1 | 8) {
                assert!(matches!(added, Err(Error::Unsupported { .. })));
                return;
            }
            match place(i, model.len()) {
                Some(at) => {
                    let mut word = [0; 8];
                    word[..size].copy_from_slice(&model[at]);
                    let old = u64::from_le_bytes(word);
                    assert_eq!(added.unwrap(), (old, old.wrapping_add(n)));
                    model[at] = old.wrapping_add(n).to_le_bytes()[..size].to_vec();
                }
                None => outside(added),
            }
        }
        Step::Insert(i, n) => {
            vector.insert(i, &one(n)).unwrap();
            let len = model.len() as isize;
            let at = if i < 0 { (i + len).max(0) } else { i.min(len) };
            model.insert(at as usize, one(n));
        }
        Step::Slice(slice) => {
            let span = slice.resolve(model.len()).unwrap();
            let expected: Vec<u8> = (0..span.count)
                .flat_map(|i| model[span.at(i)].clone())
                .collect();
            assert_eq!(vector.read(slice).unwrap().0, expected);
        }
        Step::SetSlice(slice, all) => {
            let span = slice.resolve(model.len()).unwrap();
            let all = match slice.step {
                1 => all,
                _ => all.into_iter().cycle().take(span.count).collect(),
            };
            let done = vector.set_slice(slice, &elements(size, &all));
            if slice.step == 1 {
                done.unwrap();
                let range = span.first..span.first + span.count;
                model.splice(range, all.into_iter().map(one));
            } else if all.len() == span.count {
                done.unwrap();
                for (i, n) in all.into_iter().enumerate() {
                    model[span.at(i)] = one(n);
                }
            } else {
                assert!(matches!(done, Err(Error::SliceSize { .. })));
            }
        }
        Step::Splice(from, to, all) => {
            let version = vector.version();
            let bytes = elements(size, &all);
            if from > to || to > model.len() {
                outside(vector.splice(Some(version), from, to, &bytes));
                return;
            }
            let wrong = vector.splice(Some(version.wrapping_sub(1)), from, to, &bytes);
            assert!(matches!(wrong, Err(Error::Modified { .. })));
            vector.splice(Some(version), from, to, &bytes).unwrap();
            model.splice(from..to, all.into_iter().map(one));
        }
        Step::Reverse => {
            let (bytes, version) = vector.read(Slice::ALL).unwrap();
            let turned: Vec<u8> = bytes.chunks(size).rev().flatten().copied().collect();
            vector.reorder(version, &turned).unwrap();
            model.reverse();
        }
        Step::Truncate(len) => {
            vector.truncate(len).unwrap();
            model.truncate(len);
        }
        Step::Clear => {
            vector.clear().unwrap();
            model.clear();
        }
        Step::Reserve(n) => {
            vector.reserve(n).unwrap();
            assert!(vector.capacity().unwrap() >= model.len() + n);
        }
        Step::Shrink => {
            vector.shrink().unwrap();
            let bytes = vector.capacity().unwrap() * size;
            // No more than to the next class of blocks.
            assert!(bytes <= (model.len() * size + 64) * 2);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
    fn a_vector_does_what_a_vec_does(
        steps in steps(),
        size in prop_oneof![Just(8usize), Just(1), Just(24), Just(3)],
    ) {
        let heap = heap();
        let mut kind = Prepared::inline(&heap, Cell::NONE);
        let vector = RawVector::create(&heap, size, 0, &mut kind).unwrap();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for step in steps {
            apply(&vector, &mut model, step);
            prop_assert_eq!(vector.len().unwrap(), model.len());
            prop_assert!(vector.capacity().unwrap() >= model.len());
            let (bytes, version) = vector.read(Slice::ALL).unwrap();
            prop_assert_eq!(version, vector.version());
            prop_assert_eq!(bytes, model.concat());
        }
        sound(&heap);
        drop(vector);
        prop_assert_eq!(heap.check().live, 0);
    }
}

#[test]
fn the_memory_comes_back_when_it_shrinks() {
    let heap = pumasi::Heap::format(Sim::new(8 << 20), 4096, u64::MAX, 1, 0).unwrap();
    let vector = RawVector::of::<u64>(&heap).unwrap();
    let empty = heap.stats().live;
    for i in 0..20_000u64 {
        vector.push(&i.to_le_bytes()).unwrap();
    }
    let full = heap.stats().live;
    assert!((160_000..=160_000 * 2).contains(&full), "{full}");
    for left in (0..20_000u64).rev() {
        let mut last = [0; 8];
        vector.pop(-1, &mut last).unwrap();
        assert_eq!(u64::from_le_bytes(last), left);
        // Never more than four times as much as there is, rounded to whole chunks.
        let live = heap.stats().live;
        assert!(
            left % 500 > 0 || live <= empty + left * 32 + 8192,
            "{left} left in {live}"
        );
    }
    assert!(heap.stats().live <= empty + 1024);
    vector.extend(&[7; 8 * 20_000]).unwrap();
    vector.clear().unwrap();
    assert!(heap.stats().live <= empty + 1024);
    sound(&heap);
}

#[test]
fn who_reads_much_gets_all_of_one_moment() {
    let heap = pumasi::Heap::format(Sim::new(16 << 20), 4096, u64::MAX, 1, 0).unwrap();
    let vector = RawVector::of::<u64>(&heap).unwrap();
    // More than is copied in one hold.
    let many: Vec<u8> = (0..100_000u64).flat_map(u64::to_le_bytes).collect();
    vector.extend(&many).unwrap();
    assert_eq!(vector.read(Slice::ALL).unwrap().0, many);
    let odd = Slice {
        start: Some(-1),
        stop: None,
        step: -2,
    };
    let found = vector.read(odd).unwrap().0;
    assert_eq!(found.len(), 8 * 50_000);
    assert_eq!(found[..8], 99_999u64.to_le_bytes());
    let before = vector.version();
    vector.step(3, |n| n).unwrap();
    assert_eq!(vector.version(), before);
}

#[test]
fn without_memory_nothing_changes() {
    let heap = heap();
    let vector = RawVector::of::<u64>(&heap).unwrap();
    vector.extend(&[1; 8 * 100]).unwrap();
    let too_many = vec![2; 8 * 200_000];
    for refused in [
        vector.extend(&too_many).err(),
        vector.reserve(1 << 60).err(),
        vector.splice(None, 3, 4, &too_many).err(),
    ] {
        assert!(
            matches!(refused, Some(Error::OutOfMemory { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(vector.read(Slice::ALL).unwrap().0, [1; 8 * 100]);
    assert!(matches!(
        RawVector::create(&heap, 0, 0, &mut Prepared::inline(&heap, Cell::NONE)),
        Err(Error::Unsupported { .. })
    ));
    assert!(matches!(vector.push(&[1]), Err(Error::Unsupported { .. })));
    assert!(matches!(
        vector.extend(&[1; 9]),
        Err(Error::Unsupported { .. })
    ));
    sound(&heap);
}
