//! A queue and what it should be: a `VecDeque`.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use pumasi::containers::{ItemRef, Order, RawQueue};
use pumasi::heap::value::Fetch;
use pumasi::sys::sim::Sim;

use crate::support::{Plain, heap, plain, prepare, prepare_all, sound};

#[derive(Clone, Debug)]
enum Step {
    Put(Plain),
    PutMany(Vec<Plain>),
    PutAt(usize, Plain),
    Get,
    GetMany(usize),
}

fn value() -> impl Strategy<Value = Plain> {
    prop_oneof![
        4 => any::<i64>().prop_map(Plain::Int),
        2 => "[a-z]{0,40}".prop_map(Plain::Text),
        1 => (1000usize..3000).prop_map(|n| Plain::Text("x".repeat(n))),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => value().prop_map(Step::Put),
        1 => proptest::collection::vec(value(), 0..20).prop_map(Step::PutMany),
        1 => (any::<usize>(), value()).prop_map(|(i, v)| Step::PutAt(i, v)),
        4 => Just(Step::Get),
        1 => (1usize..12).prop_map(Step::GetMany),
    ];
    proptest::collection::vec(step, 1..80)
}

fn known(item: ItemRef<'_, Sim>) -> Plain {
    match item {
        ItemRef::Inline(cell) => plain(cell, &mut Fetch::new()),
        // A long integer is as many bytes.
        ItemRef::Bytes(pumasi::heap::cell::Tag::BigInt, bytes) => {
            Plain::Int(i64::from_le_bytes(bytes.try_into().unwrap()))
        }
        ItemRef::Bytes(_, bytes) => Plain::Text(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => panic!("no plain value"),
    }
}

fn take(model: &mut VecDeque<Plain>, order: Order) -> Option<Plain> {
    match order {
        Order::LastFirst => model.pop_back(),
        _ => model.pop_front(),
    }
}

fn run(steps: Vec<Step>, order: Order, bound: u64) {
    let heap = heap();
    let queue = RawQueue::create(&heap, bound, order, bound == 0).unwrap();
    let room = |model: &VecDeque<Plain>| match bound {
        0 => usize::MAX,
        bound => bound as usize - model.len(),
    };
    let now = Some(Duration::ZERO);
    let mut model = VecDeque::new();
    for step in steps {
        match step {
            Step::Put(v) => {
                let put = queue.put(&mut prepare(&heap, &v).unwrap(), now).unwrap();
                assert_eq!(put, room(&model) > 0);
                if put {
                    model.push_back(v);
                }
            }
            Step::PutMany(all) => {
                let n = queue.put_many(&mut prepare_all(&heap, &all), now).unwrap();
                assert_eq!(n, all.len().min(room(&model)));
                model.extend(all.into_iter().take(n));
            }
            Step::PutAt(i, v) => {
                let i = i % (model.len() + 1);
                let (version, len) = queue.moment().unwrap();
                assert_eq!(len, model.len() as u64);
                let mut out = Fetch::new();
                for (place, item) in model.iter().enumerate() {
                    let cell = queue.peek(version, place as u64, &mut out).unwrap();
                    assert_eq!(&plain(cell.expect("nothing changed"), &mut out), item);
                }
                assert!(queue.peek(version, len, &mut out).is_err());
                let mut ready = prepare(&heap, &v).unwrap();
                let put = queue.put_at(version, i, &mut ready).unwrap();
                assert_eq!(put, room(&model) > 0);
                if put {
                    model.insert(i, v);
                    assert_eq!(queue.peek(version, 0, &mut out).unwrap(), None);
                    assert!(queue.put_at(version, 0, &mut ready).is_err());
                }
            }
            Step::Get => {
                let mut out = Fetch::new();
                let taken = queue.get(now, &mut out).unwrap();
                let found = taken.as_ref().map(|taken| plain(taken.cell, &mut out));
                assert_eq!(found, take(&mut model, order));
            }
            Step::GetMany(most) => {
                let (items, taken) = queue.get_many(most, now).unwrap();
                let found: Vec<Plain> = items.iter().map(known).collect();
                drop(taken);
                let n = most.min(model.len());
                let wanted: Vec<Plain> = (0..n).filter_map(|_| take(&mut model, order)).collect();
                assert_eq!(found, wanted);
            }
        }
        assert_eq!(queue.len(), model.len());
        let items: Vec<Plain> = queue.snapshot().unwrap().iter().map(known).collect();
        assert_eq!(items, Vec::from(model.clone()));
    }
    sound(&heap);
    drop(queue);
    assert_eq!(heap.check().live, 0, "everything comes back");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(60)))]

    #[test]
    fn a_queue_is_a_deque_of_its_items(steps in steps(), last in any::<bool>(), bounded in any::<bool>()) {
        let order = if last { Order::LastFirst } else { Order::FirstFirst };
        run(steps, order, if bounded { 9 } else { 0 });
    }
}
