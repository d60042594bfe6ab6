//! Operations on a deque, at its ends, in between, and where it is bounded.

use super::*;
use pumasi::containers::{End, RawDeque};
use pumasi::heap::value::Prepared;

pub fn as_deque(o: &ObjectRef<Sim>) -> RawDeque<Sim> {
    RawDeque::from_object(o.clone()).unwrap()
}

fn deque(heap: &Heap<Sim>, values: &[Plain], bound: Option<usize>) -> RawDeque<Sim> {
    let deque = RawDeque::create(heap, bound).unwrap();
    for v in values {
        deque
            .push(End::Back, &mut prepare(heap, v).unwrap())
            .unwrap();
    }
    deque
}

fn any(heap: &Heap<Sim>, values: &[Plain]) -> Vec<ObjectRef<Sim>> {
    vec![deque(heap, values, None).object().clone()]
}

/// Full.
fn bounded(heap: &Heap<Sim>, n: i64) -> Vec<ObjectRef<Sim>> {
    vec![deque(heap, &mixed(n), Some(n as usize)).object().clone()]
}

/// One whose items lie at both ends of its ring.
fn wrapped(heap: &Heap<Sim>, n: i64) -> Vec<ObjectRef<Sim>> {
    let deque = deque(heap, &mixed(n), None);
    for i in 0..3 {
        let mut v = prepare(heap, &int(-i)).unwrap();
        deque.push(End::Front, &mut v).unwrap();
    }
    vec![deque.object().clone()]
}

/// One in which little is left of much.
fn emptied(heap: &Heap<Sim>, n: i64, left: usize) -> Vec<ObjectRef<Sim>> {
    let deque = deque(heap, &mixed(n), None);
    while deque.len().unwrap() > left {
        deque.pop(End::Front, &mut Fetch::new()).unwrap();
    }
    vec![deque.object().clone()]
}

fn push(heap: &Heap<Sim>, o: &Objects, end: End, v: Plain) {
    let mut v = prepare(heap, &v).unwrap();
    as_deque(&o[0]).push(end, &mut v).unwrap();
}

fn pop(o: &Objects, end: End) {
    as_deque(&o[0]).pop(end, &mut Fetch::new()).unwrap();
}

fn extend(heap: &Heap<Sim>, o: &Objects, end: End, n: i64) {
    let mut all = prepare_all(heap, &mixed(n));
    as_deque(&o[0]).extend(end, &mut all).unwrap();
}

fn reference<'h>(heap: &'h Heap<Sim>, to: &ObjectRef<Sim>) -> Prepared<'h, Sim> {
    heap.prepare_object(to).unwrap()
}

/// A full one of two lists.
fn of_lists(heap: &Heap<Sim>) -> Vec<ObjectRef<Sim>> {
    let deque = deque(heap, &[], Some(2));
    for n in 0..2 {
        let inner = list(heap, &mixed(n + 2));
        deque.push(End::Back, &mut reference(heap, &inner)).unwrap();
    }
    vec![deque.object().clone()]
}

pub fn describe(object: &ObjectRef<Sim>) -> String {
    let deque = as_deque(object);
    let mut out = Fetch::new();
    let items: Vec<String> = (0..deque.len().unwrap() as isize)
        .map(|i| {
            let cell = deque.get(i, &mut out).unwrap();
            match out.take_object() {
                Some(inner) => super::describe(&inner),
                None => format!("{:?}", plain(cell, &mut out)),
            }
        })
        .collect();
    format!("deque {items:?} of {:?}", deque.bound())
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    use End::{Back, Front};
    let nesting = |name, setup, act| Case { nests: true, ..case(name, setup, act) };
    vec![
        case("deque: push inline", |h| any(h, &mixed(3)), |h, o| push(h, o, Back, int(9))),
        case("deque: push block in front", |h| any(h, &mixed(3)), |h, o| push(h, o, Front, text(50))),
        case("deque: push large", |h| any(h, &mixed(3)), |h, o| push(h, o, Back, text(5000))),
        case("deque: push, ring grows", |h| any(h, &mixed(8)), |h, o| push(h, o, Back, text(50))),
        case("deque: push in front, ring grows", |h| any(h, &mixed(8)), |h, o| push(h, o, Front, text(50))),
        case("deque: push, inline goes", |h| bounded(h, 4), |h, o| push(h, o, Back, int(50))),
        case("deque: push, a block goes", |h| bounded(h, 5), |h, o| push(h, o, Front, text(50))),
        case("deque: push, the ring was full", |h| bounded(h, 8), |h, o| push(h, o, Back, text(50))),
        case("deque: pop inline", |h| any(h, &mixed(3)), |_, o| pop(o, Front)),
        case("deque: pop block", |h| any(h, &mixed(5)), |_, o| pop(o, Back)),
        case("deque: pop large", |h| any(h, &[text(6000), int(1)]), |_, o| pop(o, Front)),
        case("deque: pop, ring shrinks", |h| emptied(h, 30, 8), |_, o| pop(o, Back)),
        case("deque: extend", |h| any(h, &mixed(2)), |h, o| extend(h, o, Back, 5)),
        case("deque: extend in front, wrapped", |h| any(h, &mixed(2)), |h, o| extend(h, o, Front, 5)),
        case("deque: extend, ring grows", |h| wrapped(h, 3), |h, o| extend(h, o, Back, 12)),
        case("deque: extend, some go", |h| bounded(h, 6), |h, o| extend(h, o, Back, 4)),
        case("deque: extend in front, some go", |h| bounded(h, 6), |h, o| extend(h, o, Front, 4)),
        case("deque: extend, all go", |h| bounded(h, 5), |h, o| extend(h, o, Back, 9)),
        case("deque: extend if unchanged", |h| bounded(h, 3), |h, o| {
            let deque = as_deque(&o[0]);
            deque.extend_if(deque.version(), Back, &mut prepare_all(h, &mixed(3))).unwrap();
        }),
        case("deque: set block over block", |h| any(h, &mixed(9)), |h, o| {
            as_deque(&o[0]).set(4, &mut prepare(h, &text(60)).unwrap()).unwrap();
        }),
        case("deque: set inline over large", |h| any(h, &[int(1), text(9000)]), |h, o| {
            as_deque(&o[0]).set(-1, &mut prepare(h, &int(2)).unwrap()).unwrap();
        }),
        case("deque: set if unchanged", |h| any(h, &mixed(4)), |h, o| {
            let deque = as_deque(&o[0]);
            deque.set_if(deque.version(), 1, &mut prepare(h, &text(33)).unwrap()).unwrap();
        }),
        case("deque: insert in the middle", |h| wrapped(h, 6), |h, o| {
            as_deque(&o[0]).insert(4, &mut prepare(h, &text(30)).unwrap()).unwrap();
        }),
        case("deque: insert at an end", |h| wrapped(h, 5), |h, o| {
            as_deque(&o[0]).insert(-99, &mut prepare(h, &text(30)).unwrap()).unwrap();
        }),
        case("deque: remove a block", |h| wrapped(h, 6), |_, o| as_deque(&o[0]).remove(4).unwrap()),
        case("deque: remove an end", |h| wrapped(h, 6), |_, o| as_deque(&o[0]).remove(-1).unwrap()),
        case("deque: take out a large one", |h| any(h, &[int(1), text(6000), int(2)]), |_, o| {
            as_deque(&o[0]).take_out(1, &mut Fetch::new()).unwrap();
        }),
        case("deque: rotate", |h| wrapped(h, 3), |_, o| as_deque(&o[0]).rotate(2).unwrap()),
        case("deque: rotate to the left", |h| wrapped(h, 3), |_, o| as_deque(&o[0]).rotate(-1).unwrap()),
        case("deque: rotate a full ring", |h| any(h, &mixed(8)), |_, o| as_deque(&o[0]).rotate(3).unwrap()),
        case("deque: rotate far", |h| wrapped(h, 4), |_, o| as_deque(&o[0]).rotate(3).unwrap()),
        case("deque: reverse", |h| wrapped(h, 6), |_, o| as_deque(&o[0]).reverse().unwrap()),
        case("deque: clear", |h| wrapped(h, 9), |_, o| as_deque(&o[0]).clear().unwrap()),
        nesting("deque: a list goes for another", of_lists, |h, o| {
            let new = list(h, &mixed(1));
            as_deque(&o[0]).push(Back, &mut reference(h, &new)).unwrap();
        }),
        nesting("deque: lists go for numbers", of_lists, |h, o| extend(h, o, Front, 2)),
        nesting("deque: clear lists", of_lists, |_, o| as_deque(&o[0]).clear().unwrap()),
        nesting("deque: a list goes to the other end", of_lists, |_, o| as_deque(&o[0]).rotate(1).unwrap()),
    ]
}
