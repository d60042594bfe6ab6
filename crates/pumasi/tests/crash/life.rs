//! The life of a process beside its operations: leaving in order, the slot that is reserved for the
//! child of a fork, memory that goes back to the system; and the words of a buffer, which Value
//! and Array store their elements in.

use super::*;

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let back = |name, setup, act| Case { found: Found::Before, ..case(name, setup, act) };
    vec![
        back("leave in order", |h| vec![list(h, &mixed(5))], |h, _| {
            h.leave();
            h.leave();
        }),
        case("leave in order with a lock", |h| vec![RawLock::create(h, OnDeath::Auto).unwrap().object().clone()], |h, o| {
            assert!(RawLock::from_object(o[0].clone()).unwrap().acquire(None).unwrap().is_ours());
            h.leave();
        }),
        back("give memory back", |h| vec![list(h, &mixed(5))], |h, _| {
            drop((list(h, &[]), RawBuffer::create(h, 20_000, 0).unwrap()));
            assert!(h.collect().unwrap().returned > 0);
        }),
        back("reserve a slot for a child", |h| vec![list(h, &mixed(5))], |h, _| {
            assert!(h.reserve_for_child().is_some());
        }),
        back("a child takes its slot over", |h| vec![list(h, &mixed(5))], |h, _| {
            let (slot, generation) = h.reserve_for_child().unwrap();
            assert!(h.adopt_slot(slot, generation));
        }),
        back("take back the slot of a child that never was", |h| vec![list(h, &mixed(5))], |h, _| {
            let (slot, generation) = h.reserve_for_child().unwrap();
            h.unreserve(slot, generation);
            assert_eq!(h.participants(), 2);
        }),
        case("add to an element", |h| vec![RawBuffer::create(h, 64, 0).unwrap().object().clone()], |_, o| {
            RawBuffer::from_object(o[0].clone()).unwrap().fetch_add(8, 7).unwrap();
        }),
        case("store an element under the lock", |h| {
            let lock = RawRLock::create(h, OnDeath::Auto).unwrap();
            vec![RawBuffer::create(h, 64, 0).unwrap().object().clone(), lock.object().clone()]
        }, |_, o| {
            let lock = RawRLock::from_object(o[1].clone()).unwrap();
            let buffer = RawBuffer::from_object(o[0].clone()).unwrap();
            let _held = lock.hold().unwrap();
            buffer.fetch_add(16, 5).unwrap();
        }),
        // Bytes that are no number are copied, and half of a copy stays.
        Case {
            found: Found::OneOf(&["buffer [0, 0]", "buffer [0, 7]", "buffer [0, 1799]"]),
            ..case("write into a buffer", |h| vec![RawBuffer::create(h, 16, 0).unwrap().object().clone()], |_, o| {
                RawBuffer::from_object(o[0].clone()).unwrap().write(8, &[7; 2]).unwrap();
            })
        },
        case("what is counted", |h| {
            h.count_operations(true);
            vec![list(h, &mixed(3)), dict(h, &mixed_pairs(2))]
        }, |h, o| {
            push(h, o, text(50));
            h.count_operations(false);
        }),
        Case { nests: true, ..back("prepare and give up", |h| vec![list(h, &mixed(3))], |h, o| {
            drop((h.prepare_object(&o[0]).unwrap(), prepare(h, &text(2000)).unwrap()));
            drop(h.prepare_pickle(b"some pickled bytes", &[&o[0]]).unwrap());
            drop((h.prepare_float(0.5).unwrap(), h.prepare_int(i64::MAX).unwrap()));
        }) },
        back("read large values", |h| vec![list(h, &[text(3000), int(1), text(7000)])], |_, o| {
            let list = as_list(&o[0]);
            assert_eq!(list.snapshot().unwrap().len(), 3);
            assert_eq!(list.get_slice(Slice { start: Some(1), stop: None, step: 1 }).unwrap().len(), 2);
        }),
        back("say how a child ended", |h| vec![list(h, &[])], |h, _| {
            h.record_exit(1, 9, 4096);
            h.set_limit(h.limit() - 4096);
        }),
    ]
}
