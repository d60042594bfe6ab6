//! Random graphs of containers against a plain model: after a collection exactly those objects
//! stay that a handle reaches, whatever circles there are and whoever was killed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use pumasi::Heap;
use pumasi::containers::RawList;
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Fetch;
use pumasi::sys::sim::Sim;

use crate::support::{heap, sibling, sound};

type Token = (u64, u64);

#[derive(Clone, Debug)]
enum Op {
    New,
    /// The first leads to the second, directly or by a pickle.
    Link(usize, usize, bool),
    /// The last item of a list goes.
    Cut(usize),
    /// A new handle, of what the last item of a list is.
    Follow(usize),
    LetGo(usize),
    /// Another process is killed while it stores the object somewhere.
    Kill(usize),
    Collect,
}

fn op() -> impl Strategy<Value = Op> {
    let which = 0usize..64;
    prop_oneof![
        6 => Just(Op::New),
        8 => (which.clone(), which.clone(), any::<bool>()).prop_map(|(a, b, p)| Op::Link(a, b, p)),
        3 => which.clone().prop_map(Op::Cut),
        2 => which.clone().prop_map(Op::Follow),
        6 => which.clone().prop_map(Op::LetGo),
        1 => which.prop_map(Op::Kill),
        2 => Just(Op::Collect),
    ]
}

struct Graph {
    heap: Heap<Sim>,
    handles: Vec<RawList<Sim>>,
    edges: BTreeMap<Token, Vec<Token>>,
    killed: u32,
}

impl Graph {
    fn at(&self, i: usize) -> Option<(usize, RawList<Sim>)> {
        let i = i.checked_rem(self.handles.len())?;
        Some((i, self.handles[i].clone()))
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::New => {
                let list = RawList::create(&self.heap).unwrap();
                self.edges.insert(list.object().token(), Vec::new());
                self.handles.push(list);
            }
            Op::Link(a, b, pickle) => {
                let (Some((_, a)), Some((_, b))) = (self.at(a), self.at(b)) else {
                    return;
                };
                let mut edge = if pickle {
                    self.heap.prepare_pickle(b"a pickle", &[b.object()])
                } else {
                    self.heap.prepare_object(b.object())
                }
                .unwrap();
                a.push(&mut edge).unwrap();
                let to = b.object().token();
                self.edges.get_mut(&a.object().token()).unwrap().push(to);
            }
            Op::Cut(a) => {
                if let Some((_, a)) = self.at(a) {
                    let known = self.edges.get_mut(&a.object().token()).unwrap().pop();
                    assert_eq!(a.pop(-1, &mut Fetch::new()).is_ok(), known.is_some());
                }
            }
            Op::Follow(a) => {
                let Some((_, a)) = self.at(a) else { return };
                let mut out = Fetch::new();
                if a.get(-1, &mut out).is_ok()
                    && let Some(object) = out.take_object()
                {
                    self.handles.push(RawList::from_object(object).unwrap());
                }
            }
            Op::LetGo(a) => {
                if let Some((i, _)) = self.at(a) {
                    self.handles.swap_remove(i);
                }
            }
            Op::Kill(a) => {
                let Some((_, a)) = self.at(a) else { return };
                self.killed += 1;
                let other = sibling(&self.heap, 100 + self.killed);
                let theirs = ObjectRef::from_token(&other, a.object().token()).unwrap();
                core::mem::forget(other.prepare_object(&theirs).unwrap());
                other.host().die();
            }
            Op::Collect => self.collect(),
        }
    }

    fn reachable(&self) -> BTreeSet<Token> {
        let mut reached = BTreeSet::new();
        let mut todo: Vec<Token> = self.handles.iter().map(|l| l.object().token()).collect();
        while let Some(token) = todo.pop() {
            if reached.insert(token) {
                todo.extend(&self.edges[&token]);
            }
        }
        reached
    }

    fn collect(&mut self) {
        let before = self.heap.objects();
        let collected = self.heap.collect().unwrap();
        let reachable = self.reachable();
        assert_eq!(self.heap.objects(), reachable.len());
        assert!(collected.objects <= before - reachable.len());
        assert!(collected.bytes >= collected.objects as u64 * 384);
        for &token in &reachable {
            let list = RawList::from_object(ObjectRef::from_token(&self.heap, token).unwrap());
            assert_eq!(list.unwrap().len().unwrap(), self.edges[&token].len());
        }
        self.edges.retain(|token, _| reachable.contains(token));
        sound(&self.heap);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri more than ten minutes")]
    fn after_a_collection_exactly_what_is_reachable_stays(ops in proptest::collection::vec(op(), 1..120)) {
        let heap = heap();
        let mut graph = Graph { heap: heap.clone(), handles: Vec::new(), edges: BTreeMap::new(), killed: 0 };
        for op in &ops {
            graph.apply(op);
        }
        graph.collect();
        graph.handles.clear();
        graph.collect();
        prop_assert_eq!(heap.check().live, 0);
    }
}

#[test]
fn a_circle_of_long_containers_is_looked_at_in_several_holds() {
    // More cells than one hold takes, in leaves and in a table.
    let heap = pumasi::Heap::format(Sim::new(8 << 20), 65536, u64::MAX, 1, 0).unwrap();
    let list = RawList::create(&heap).unwrap();
    let dict = pumasi::containers::RawDict::create(&heap).unwrap();
    for i in 0..6000 {
        list.push(&mut heap.prepare_int(i).unwrap()).unwrap();
        let mut value = heap.prepare_int(i).unwrap();
        crate::support::with_key(&heap, &crate::support::Plain::Int(i), |key| {
            dict.insert(key, None, &mut value).unwrap();
        });
    }
    let end = RawList::create(&heap).unwrap();
    let mut value = heap.prepare_object(end.object()).unwrap();
    crate::support::with_key(&heap, &crate::support::Plain::Int(-1), |key| {
        dict.insert(key, None, &mut value).unwrap();
    });
    list.push(&mut heap.prepare_object(dict.object()).unwrap())
        .unwrap();
    end.push(&mut heap.prepare_object(list.object()).unwrap())
        .unwrap();
    drop((end, dict));
    assert_eq!(heap.collect().unwrap().objects, 0);
    assert_eq!(heap.objects(), 3);
    drop(list);
    let collected = heap.collect().unwrap();
    assert_eq!((collected.objects, heap.objects()), (3, 0));
    assert!(collected.bytes > 6000 * 5 * 8, "{collected:?}");
    assert_eq!(heap.check().live, 0);
}

#[test]
fn one_who_makes_many_circles_collects_by_itself() {
    let heap = pumasi::Heap::format(Sim::new(32 << 20), 65536, u64::MAX, 1, 0).unwrap();
    let kept = RawList::create(&heap).unwrap();
    for _ in 0..25_000 {
        let list = RawList::create(&heap).unwrap();
        list.push(&mut heap.prepare_object(list.object()).unwrap())
            .unwrap();
    }
    assert!(heap.objects() < 10_100, "{} objects", heap.objects());
    assert!(kept.is_empty().unwrap());
}

#[test]
fn an_allocation_that_finds_no_memory_collects() {
    let limit = 256 << 10;
    let heap = pumasi::Heap::format(Sim::new(crate::support::SIZE), 4096, limit, 1, 0).unwrap();
    for _ in 0..1000 {
        let list = RawList::create(&heap).unwrap();
        let mut text = heap
            .prepare_bytes(pumasi::heap::cell::Tag::Str, &[b'x'; 900])
            .unwrap();
        list.push(&mut text).unwrap();
        list.push(&mut heap.prepare_object(list.object()).unwrap())
            .unwrap();
    }
}
