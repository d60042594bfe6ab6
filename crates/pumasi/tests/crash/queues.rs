//! Operations on a queue: what is taken out and has not arrived goes back.

use super::*;
use pumasi::containers::{ItemRef, Order, RawQueue};
use std::time::Duration;

/// Long enough to sleep, and to ask after the dead.
const BRIEFLY: Option<Duration> = Some(Duration::from_millis(9));

fn queue(heap: &Heap<Sim>, values: &[Plain], order: Order, tasks: bool) -> ObjectRef<Sim> {
    let queue = RawQueue::create(heap, 0, order, tasks).unwrap();
    for v in values {
        assert!(put(heap, &queue, v));
    }
    queue.object().clone()
}

fn fifo(heap: &Heap<Sim>, values: &[Plain]) -> Vec<ObjectRef<Sim>> {
    vec![queue(heap, values, Order::FirstFirst, false)]
}

fn put(heap: &Heap<Sim>, queue: &RawQueue<Sim>, v: &Plain) -> bool {
    queue.put(&mut prepare(heap, v).unwrap(), None).unwrap()
}

pub fn as_queue(o: &ObjectRef<Sim>) -> RawQueue<Sim> {
    RawQueue::from_object(o.clone()).unwrap()
}

fn known(item: ItemRef<'_, Sim>) -> Plain {
    match item {
        ItemRef::Inline(cell) => plain(cell, &mut Fetch::new()),
        ItemRef::Bytes(_, bytes) => Plain::Text(String::from_utf8(bytes.to_vec()).unwrap()),
        ItemRef::Object(inner) => Plain::Text(super::describe(inner)),
        _ => panic!("no plain value"),
    }
}

/// The state: a fate of an item is in it exactly once.
pub fn describe(object: &ObjectRef<Sim>) -> String {
    let queue = as_queue(object);
    let items = queue.snapshot().unwrap();
    assert_eq!(items.len(), queue.len());
    let items: Vec<Plain> = items.iter().map(known).collect();
    format!(
        "queue {items:?} {} {}",
        queue.unfinished(),
        queue.is_closed()
    )
}

fn get(o: &Objects) {
    let mut out = Fetch::new();
    let queue = as_queue(&o[0]);
    let taken = queue.get(None, &mut out).unwrap().unwrap();
    drop(out);
    drop(taken);
}

fn get_many(o: &Objects, n: usize) {
    let queue = as_queue(&o[0]);
    let (items, taken) = queue.get_many(n, None).unwrap();
    assert_eq!(items.len(), n);
    drop(taken);
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let back = |name, setup, act| Case { found: Found::Before, ..case(name, setup, act) };
    let nesting = |name, setup, act| Case { nests: true, ..case(name, setup, act) };
    vec![
        case("queue: put inline", |h| fifo(h, &mixed(3)), |h, o| { put(h, &as_queue(&o[0]), &int(9)); }),
        case("queue: put block", |h| fifo(h, &mixed(3)), |h, o| { put(h, &as_queue(&o[0]), &text(50)); }),
        case("queue: put large", |h| fifo(h, &mixed(3)), |h, o| { put(h, &as_queue(&o[0]), &text(5000)); }),
        case("queue: put, ring grows", |h| fifo(h, &mixed(8)), |h, o| { put(h, &as_queue(&o[0]), &text(50)); }),
        case("queue: put a task", |h| vec![queue(h, &mixed(2), Order::FirstFirst, true)], |h, o| {
            put(h, &as_queue(&o[0]), &text(50));
        }),
        case("queue: put many", |h| {
            let o = fifo(h, &mixed(6));
            for _ in 0..5 { get(&o); }
            o
        }, |h, o| {
            assert_eq!(as_queue(&o[0]).put_many(&mut prepare_all(h, &mixed(6)), None).unwrap(), 6);
        }),
        case("queue: get inline", |h| fifo(h, &mixed(3)), |_, o| get(o)),
        case("queue: get block", |h| fifo(h, &[text(30), int(1)]), |_, o| get(o)),
        case("queue: get large", |h| fifo(h, &[text(6000), int(1)]), |_, o| get(o)),
        case("queue: get large, kept in place", |h| fifo(h, &[text(6000)]), |_, o| {
            let mut out = Fetch::new();
            let queue = as_queue(&o[0]);
            drop(queue.get(None, &mut out).unwrap().unwrap());
            drop(out.take_pinned().unwrap());
        }),
        case("queue: get the last in", |h| vec![queue(h, &[int(1), text(30)], Order::LastFirst, false)], |_, o| get(o)),
        case("queue: get a task", |h| vec![queue(h, &[text(30), int(1)], Order::FirstFirst, true)], |_, o| {
            get(o);
            as_queue(&o[0]).task_done().unwrap();
        }),
        case("queue: get many", |h| fifo(h, &[int(1), text(30), text(5000), int(2)]), |_, o| get_many(o, 3)),
        case("queue: get many of the last", |h| {
            vec![queue(h, &[int(1), text(30), text(50), int(2)], Order::LastFirst, false)]
        }, |_, o| get_many(o, 3)),
        case("queue: put in between", |h| {
            let o = fifo(h, &mixed(8));
            get(&o);
            o
        }, |h, o| {
            let queue = as_queue(&o[0]);
            let version = queue.snapshot().unwrap().version;
            assert!(queue.put_at(version, 3, &mut prepare(h, &text(40)).unwrap()).unwrap());
        }),
        case("queue: close", |h| fifo(h, &mixed(2)), |_, o| as_queue(&o[0]).close().unwrap()),
        case("queue: get many tasks", |h| vec![queue(h, &mixed(3), Order::FirstFirst, true)], |_, o| {
            get_many(o, 3);
            for _ in 0..3 { as_queue(&o[0]).task_done().unwrap(); }
        }),
        case("queue: say that another's task is done", |h| {
            let o = vec![queue(h, &mixed(3), Order::FirstFirst, true)];
            get(&o);
            o
        }, |_, o| as_queue(&o[0]).task_done().unwrap()),
        nesting("queue: get a nested list", |h| {
            let o = fifo(h, &[]);
            let queue = as_queue(&o[0]);
            assert!(queue.put(&mut h.prepare_object(&list(h, &mixed(3))).unwrap(), None).unwrap());
            o
        }, |_, o| get(o)),
        nesting("queue: get pickles that refer to a list", |h| {
            let o = fifo(h, &[]);
            let queue = as_queue(&o[0]);
            for _ in 0..2 {
                let mut pickle = h.prepare_pickle(b"some pickled bytes", &[&list(h, &mixed(3))]).unwrap();
                assert!(queue.put(&mut pickle, None).unwrap());
            }
            o
        }, |_, o| get_many(o, 2)),
        back("queue: find nothing", |h| fifo(h, &[]), |_, o| {
            let queue = as_queue(&o[0]);
            assert!(queue.get(BRIEFLY, &mut Fetch::new()).unwrap().is_none());
            assert!(queue.get_many(2, BRIEFLY).unwrap().1.is_none());
            assert!(!queue.wait_for_item(BRIEFLY).unwrap());
        }),
        back("queue: find no room", |h| {
            let queue = RawQueue::create(h, 1, Order::FirstFirst, true).unwrap();
            assert!(put(h, &queue, &text(30)));
            vec![queue.object().clone()]
        }, |h, o| {
            let queue = as_queue(&o[0]);
            assert!(!queue.put(&mut prepare(h, &text(50)).unwrap(), BRIEFLY).unwrap());
            assert_eq!(queue.put_many(&mut prepare_all(h, &mixed(2)), BRIEFLY).unwrap(), 0);
            assert!(!queue.wait_for_room(BRIEFLY).unwrap());
            assert!(!queue.join(BRIEFLY).unwrap().0);
        }),
        back("queue: look", |h| fifo(h, &[int(1), text(30), text(3000)]), |_, o| {
            let queue = as_queue(&o[0]);
            assert!(queue.wait_for_item(BRIEFLY).unwrap() && queue.wait_for_room(BRIEFLY).unwrap());
            assert!(queue.join(BRIEFLY).unwrap().0);
            assert_eq!(queue.snapshot().unwrap().len(), 3);
        }),
        back("queue: make and drop", |h| fifo(h, &[]), |h, _| {
            drop(queue(h, &mixed(9), Order::LastFirst, true));
        }),
    ]
}

/// Every item of a process that died with leases of several kinds comes back, in order.
#[test]
fn what_several_threads_had_taken_goes_back() {
    let survivor = heap();
    survivor.join().unwrap();
    let object = queue(
        &survivor,
        &[int(1), text(30), text(5000), int(2), int(3)],
        Order::FirstFirst,
        true,
    );
    let before = describe(&object);
    let victim = sibling(&survivor, 2);
    let theirs = as_queue(&ObjectRef::from_token(&victim, object.token()).unwrap());
    let mut out = Fetch::new();
    let one = theirs.get(None, &mut out).unwrap();
    let (_, two) = theirs.get_many(3, None).unwrap();
    assert_eq!(as_queue(&object).len(), 1);
    victim.host().crash_at(0);
    // The leases are the dead process's: dropping them here must not end them.
    core::mem::forget((one, two, out));
    let died = catch_unwind(AssertUnwindSafe(|| list(&victim, &[])));
    assert!(died.is_err());
    survivor.recover();
    // Items that were taken together come back together, and nothing is lost or doubled.
    let after = describe(&object);
    let sorted = |text: &str| {
        let mut parts: Vec<char> = text.chars().collect();
        parts.sort_unstable();
        parts
    };
    assert_eq!(sorted(&after), sorted(&before));
    support::sound(&survivor);
}

/// A nested object arrives, its taker having let go of it, while another process collects and makes
/// a new object in the place of the one it has freed: at no access is the edge of another lowered.
#[test]
fn what_arrives_while_another_collects_lowers_no_edge_but_its_own() {
    for (by_pickle, many) in [(false, false), (true, false), (false, true), (true, true)] {
        for n in 0.. {
            let survivor = heap();
            survivor.join().unwrap();
            let object = queue(&survivor, &[], Order::FirstFirst, false);
            for _ in 0..2 {
                let inner = list(&survivor, &mixed(3));
                let mut item = if by_pickle {
                    survivor.prepare_pickle(b"a pickle", &[&inner]).unwrap()
                } else {
                    survivor.prepare_object(&inner).unwrap()
                };
                assert!(as_queue(&object).put(&mut item, None).unwrap());
            }
            let holder = list(&survivor, &[]);
            let taker = sibling(&survivor, 2);
            taker.join().unwrap();
            let theirs = as_queue(&ObjectRef::from_token(&taker, object.token()).unwrap());
            let taken = if many {
                let (items, taken) = theirs.get_many(2, None).unwrap();
                drop(items);
                taken.unwrap()
            } else {
                let mut out = Fetch::new();
                let taken = theirs.get(None, &mut out).unwrap().unwrap();
                drop(out);
                taken
            };
            let (world, place) = (survivor.clone(), holder.clone());
            taker.host().interrupt_at(n, move || {
                let _ = pumasi::sync::without_waiting(|| world.collect());
                for _ in 0..2 {
                    let new = list(&world, &mixed(4));
                    let mut edge = world.prepare_object(&new).unwrap();
                    as_list(&place).push(&mut edge).unwrap();
                }
            });
            drop(taken);
            let interrupted = !taker.host().was_not_interrupted();
            let report = survivor.check();
            assert!(report.errors.is_empty(), "access {n}: {report:#?}");
            if !interrupted {
                break;
            }
            let items: Vec<String> = (0..4).map(|i| format!("{:?}", mixed(4)[i])).collect();
            let one = format!("list {items:?} false");
            let expected = format!("list {:?} false", [&one, &one]);
            assert_eq!(super::describe(&holder), expected, "access {n}");
            drop((holder, theirs, object));
            survivor.collect().unwrap();
            assert_eq!(left(&survivor), None, "access {n}");
        }
    }
}

/// As many items can be on their way as there are leases. Another waits, in vain while their takers
/// live, and has one once they are found dead, whose items all come back.
#[test]
fn what_finds_no_lease_is_not_taken() {
    const LEASES: usize = 120;
    let survivor = heap();
    survivor.join().unwrap();
    let values: Vec<Plain> = (0..LEASES as i64 + 3).map(int).collect();
    let object = queue(&survivor, &values, Order::FirstFirst, true);
    let before = describe(&object);
    let victim = sibling(&survivor, 2);
    let theirs = as_queue(&ObjectRef::from_token(&victim, object.token()).unwrap());
    let mut out = Fetch::new();
    for _ in 0..LEASES {
        std::mem::forget(theirs.get(None, &mut out).unwrap().unwrap());
    }
    let ours = as_queue(&object);
    let fewer = describe(&object);
    assert_eq!(ours.len(), 3);
    for timeout in [Some(Duration::ZERO), BRIEFLY] {
        assert!(ours.get(timeout, &mut out).unwrap().is_none());
        let (items, taken) = ours.get_many(2, timeout).unwrap();
        assert!(items.is_empty() && taken.is_none());
    }
    assert_eq!(describe(&object), fewer);
    victim.host().die();
    std::mem::forget(theirs);
    let first = ours.get(BRIEFLY, &mut out).unwrap().unwrap();
    let value = plain(first.cell, &mut out);
    drop(first);
    assert_eq!(ours.len(), LEASES + 2);
    ours.task_done().unwrap();
    assert!(put(&survivor, &ours, &value));
    let sorted = |text: String| {
        let mut parts: Vec<char> = text.chars().collect();
        parts.sort_unstable();
        parts
    };
    let after = describe(&object);
    let items = |text: &str| sorted(text.split(']').next().unwrap().to_owned());
    assert_eq!(items(&after), items(&before));
    support::sound(&survivor);
}
