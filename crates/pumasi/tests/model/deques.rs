//! A deque and what it should be: a `VecDeque` that somebody keeps to its bound.

use std::collections::VecDeque;

use proptest::prelude::*;
use pumasi::Error;
use pumasi::containers::{End, RawDeque};
use pumasi::heap::value::Fetch;
use pumasi::sys::sim::Sim;

use crate::support::{Plain, deque_items, heap, plain, prepare, prepare_all, sound};

#[derive(Clone, Debug)]
enum Step {
    Push(End, Plain),
    Pop(End),
    PopMany(End, usize),
    Extend(End, Vec<Plain>),
    Set(isize, Plain),
    Insert(isize, Plain),
    Remove(isize),
    TakeOut(isize),
    Rotate(isize),
    Reverse,
    Clear,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

fn value() -> impl Strategy<Value = Plain> {
    prop_oneof![
        4 => any::<i64>().prop_map(Plain::Int),
        2 => "[a-z]{0,40}".prop_map(Plain::Text),
        1 => (1000usize..3000).prop_map(|n| Plain::Text("x".repeat(n))),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = -40isize..40;
    let step = prop_oneof![
        6 => (end(), value()).prop_map(|(e, v)| Step::Push(e, v)),
        4 => end().prop_map(Step::Pop),
        1 => (end(), 1usize..40).prop_map(|(e, n)| Step::PopMany(e, n)),
        3 => (end(), proptest::collection::vec(value(), 0..40)).prop_map(|(e, v)| Step::Extend(e, v)),
        2 => (at.clone(), value()).prop_map(|(i, v)| Step::Set(i, v)),
        2 => (at.clone(), value()).prop_map(|(i, v)| Step::Insert(i, v)),
        1 => at.clone().prop_map(Step::Remove),
        1 => at.clone().prop_map(Step::TakeOut),
        4 => prop_oneof![4 => at, 1 => any::<isize>()].prop_map(Step::Rotate),
        1 => Just(Step::Reverse),
        1 => Just(Step::Clear),
    ];
    proptest::collection::vec(step, 1..70)
}

struct Model {
    items: VecDeque<Plain>,
    bound: usize,
}

impl Model {
    fn push(&mut self, end: End, v: Plain) {
        match end {
            End::Back => self.items.push_back(v),
            End::Front => self.items.push_front(v),
        }
        if self.items.len() > self.bound {
            match end {
                End::Back => self.items.pop_front(),
                End::Front => self.items.pop_back(),
            };
        }
    }

    fn pop(&mut self, end: End) -> Option<Plain> {
        match end {
            End::Back => self.items.pop_back(),
            End::Front => self.items.pop_front(),
        }
    }

    /// Where an index by Python's rules is.
    fn place(&self, i: isize) -> Option<usize> {
        let n = self.items.len() as isize;
        usize::try_from(if i < 0 { i + n } else { i })
            .ok()
            .filter(|i| *i < n as usize)
    }
}

fn outside<T: core::fmt::Debug>(result: pumasi::Result<T>) {
    assert!(matches!(result, Err(Error::IndexOutOfRange { .. })));
}

fn apply(deque: &RawDeque<Sim>, model: &mut Model, step: Step) {
    let heap = deque.object().heap();
    let mut out = Fetch::new();
    match step {
        Step::Push(end, v) => {
            deque.push(end, &mut prepare(heap, &v).unwrap()).unwrap();
            model.push(end, v);
        }
        Step::Pop(end) => match model.pop(end) {
            Some(v) => {
                let cell = deque.pop(end, &mut out).unwrap();
                assert_eq!(plain(cell, &mut out), v);
            }
            None => assert!(matches!(deque.pop(end, &mut out), Err(Error::Empty { .. }))),
        },
        Step::PopMany(end, n) => {
            for _ in 0..n {
                apply(deque, model, Step::Pop(end));
            }
        }
        Step::Extend(end, all) => {
            let version = deque.version();
            let mut ready = prepare_all(heap, &all);
            if all.len() % 2 == 0 {
                deque.extend(end, &mut ready).unwrap();
            } else {
                let wrong = version.wrapping_add(1);
                let refused = deque.extend_if(wrong, end, &mut ready);
                assert!(matches!(refused, Err(Error::Modified { .. })));
                deque.extend_if(version, end, &mut ready).unwrap();
            }
            all.into_iter().for_each(|v| model.push(end, v));
        }
        Step::Set(i, v) => {
            let mut ready = prepare(heap, &v).unwrap();
            match model.place(i) {
                Some(place) => {
                    let moves = deque.moves();
                    deque.set(i, &mut ready).unwrap();
                    assert_eq!(deque.moves(), moves);
                    model.items[place] = v;
                }
                None => outside(deque.set(i, &mut ready)),
            }
        }
        Step::Insert(i, v) => {
            let mut ready = prepare(heap, &v).unwrap();
            if model.items.len() == model.bound {
                assert!(matches!(
                    deque.insert(i, &mut ready),
                    Err(Error::Full { .. })
                ));
                return;
            }
            deque.insert(i, &mut ready).unwrap();
            let n = model.items.len() as isize;
            let place = if i < 0 { (i + n).max(0) } else { i.min(n) };
            model.items.insert(place as usize, v);
        }
        Step::Remove(i) => match model.place(i) {
            Some(place) => {
                let version = deque.version();
                if i < 0 {
                    deque.remove(i).unwrap();
                } else {
                    deque.remove_if(version, i as usize).unwrap();
                    assert!(matches!(
                        deque.remove_if(version, 0),
                        Err(Error::Modified { .. })
                    ));
                }
                model.items.remove(place);
            }
            None => outside(deque.remove(i)),
        },
        Step::TakeOut(i) => match model.place(i) {
            Some(place) => {
                let cell = deque.take_out(i, &mut out).unwrap();
                assert_eq!(Some(plain(cell, &mut out)), model.items.remove(place));
            }
            None => outside(deque.take_out(i, &mut out)),
        },
        Step::Rotate(n) => {
            deque.rotate(n).unwrap();
            if !model.items.is_empty() {
                let right = n.rem_euclid(model.items.len() as isize);
                model.items.rotate_right(right as usize);
            }
        }
        Step::Reverse => {
            deque.reverse().unwrap();
            model.items.make_contiguous().reverse();
        }
        Step::Clear => {
            deque.clear().unwrap();
            model.items.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
    fn a_deque_does_what_a_vec_deque_does(
        steps in steps(),
        bound in prop_oneof![3 => Just(None), 3 => (0usize..20).prop_map(Some), 1 => Just(Some(usize::MAX))],
    ) {
        let heap = heap();
        let deque = RawDeque::create(&heap, bound).unwrap();
        // A bound that no deque reaches is none.
        prop_assert_eq!(deque.bound(), bound.filter(|b| *b < usize::MAX));
        let mut model = Model { items: VecDeque::new(), bound: bound.unwrap_or(usize::MAX) };
        for step in steps {
            apply(&deque, &mut model, step);
            prop_assert_eq!(deque.len().unwrap(), model.items.len());
            prop_assert_eq!(&deque_items(&deque), &Vec::from(model.items.clone()));
        }
        prop_assert_eq!(deque.snapshot().unwrap().len(), model.items.len());
        sound(&heap);
        drop(deque);
        prop_assert_eq!(heap.check().live, 0);
    }
}

/// Bytes of the blocks in use.
fn live(heap: &pumasi::Heap<Sim>) -> u64 {
    heap.stats().live
}

#[test]
fn the_memory_comes_back_when_it_shrinks() {
    let heap = pumasi::Heap::format(Sim::new(8 << 20), 4096, u64::MAX, 1, 0).unwrap();
    let deque = RawDeque::create(&heap, None).unwrap();
    let empty = live(&heap);
    let mut out = Fetch::new();
    for (into, from) in [(End::Back, End::Front), (End::Front, End::Front)] {
        for i in 0..20_000 {
            deque
                .push(into, &mut prepare(&heap, &Plain::Int(i)).unwrap())
                .unwrap();
        }
        let full = live(&heap);
        assert!(full > 20_000 * 8);
        for left in (0..20_000u64).rev() {
            deque.pop(from, &mut out).unwrap();
            if left % 1000 == 0 {
                // A ring is never more than four times too large, rounded to whole chunks.
                let most = empty + (left * 4 + 64) * 8 + 8192;
                assert!(live(&heap) <= most, "{left} left in {} bytes", live(&heap));
            }
        }
        assert!(live(&heap) <= empty + 512);
    }
    // What is cleared comes back at once.
    deque
        .extend(
            End::Back,
            &mut prepare_all(&heap, &vec![Plain::Int(1); 20_000]),
        )
        .unwrap();
    deque.clear().unwrap();
    assert!(live(&heap) <= empty);
    sound(&heap);
}

#[test]
fn a_bounded_one_stays_as_small_as_its_bound() {
    let heap = heap();
    let deque = RawDeque::create(&heap, Some(8)).unwrap();
    let push = |i| {
        let v = prepare(&heap, &Plain::Text(format!("a text of some length {i}")));
        deque.push(End::Back, &mut v.unwrap()).unwrap();
    };
    (0..9).for_each(push);
    let after = live(&heap);
    (10..99).for_each(push);
    assert!(live(&heap) <= after + 64);
    // Positions count for ever: whatever passes through, the ring is the same.
    assert_eq!(deque.len().unwrap(), 8);
    sound(&heap);
}

#[test]
fn an_iteration_notices_what_moves_items_and_nothing_else() {
    let heap = heap();
    let deque = RawDeque::create(&heap, None).unwrap();
    let values: Vec<Plain> = (0..5).map(Plain::Int).collect();
    deque
        .extend(End::Back, &mut prepare_all(&heap, &values))
        .unwrap();
    let mut out = Fetch::new();
    let moves = deque.moves();
    deque
        .set(0, &mut prepare(&heap, &Plain::Int(7)).unwrap())
        .unwrap();
    let cell = deque.step(moves, 0, &mut out).unwrap().unwrap();
    assert_eq!(plain(cell, &mut out), Plain::Int(7));
    assert_eq!(deque.step(moves, 5, &mut out).unwrap(), None);
    let changes: [&dyn Fn(); 7] = [
        &|| deque.rotate(1).unwrap(),
        &|| deque.rotate(-2).unwrap(),
        &|| deque.reverse().unwrap(),
        &|| assert!(deque.pop(End::Back, &mut Fetch::new()).is_ok()),
        &|| deque.remove(1).unwrap(),
        &|| deque.clear().unwrap(),
        &|| {
            let mut v = prepare(&heap, &Plain::Int(1)).unwrap();
            deque.push(End::Front, &mut v).unwrap();
        },
    ];
    for change in changes {
        let moves = deque.moves();
        change();
        let found = deque.step(moves, 0, &mut out);
        assert!(matches!(found, Err(Error::Modified { .. })), "{found:?}");
    }
}
