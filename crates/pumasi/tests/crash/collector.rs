//! The collector: stopped at each of its stores, and interrupted before each of its accesses by
//! others, who may be killed in the middle of what they do.

use super::*;

fn link(heap: &Heap<Sim>, from: &ObjectRef<Sim>, to: &ObjectRef<Sim>) {
    let mut edge = heap.prepare_object(to).unwrap();
    match from.kind() {
        Kind::List => as_list(from).push(&mut edge).unwrap(),
        _ => with_key(heap, &text(to.offset() as usize % 7), |key| {
            as_dict(from).insert(key, None, &mut edge).unwrap();
        }),
    }
}

fn link_by_pickle(heap: &Heap<Sim>, from: &ObjectRef<Sim>, to: &ObjectRef<Sim>) {
    let mut pickle = heap.prepare_pickle(b"some pickled bytes", &[to]).unwrap();
    as_list(from).push(&mut pickle).unwrap();
}

/// A reachable list, and a circle of a list, a dict and a pickle, which leads to it.
fn circle(heap: &Heap<Sim>) -> Vec<ObjectRef<Sim>> {
    let (a, b, kept) = (
        list(heap, &mixed(20)),
        dict(heap, &mixed_pairs(3)),
        list(heap, &mixed(2)),
    );
    link(heap, &a, &b);
    link_by_pickle(heap, &a, &a);
    link(heap, &b, &a);
    link(heap, &b, &kept);
    vec![kept]
}

/// An object that a kill has left counted too high, and one that it leads to.
fn counted_too_high(heap: &Heap<Sim>) -> Vec<ObjectRef<Sim>> {
    let (inner, outer, kept) = (
        list(heap, &mixed(4)),
        list(heap, &[]),
        list(heap, &mixed(2)),
    );
    link(heap, &outer, &inner);
    link(heap, &outer, &kept);
    let killed = sibling(heap, 8);
    let theirs = ObjectRef::from_token(&killed, outer.token()).unwrap();
    std::mem::forget(killed.prepare_object(&theirs).unwrap());
    std::mem::forget(killed.prepare_pickle(b"lost", &[&theirs]).unwrap());
    killed.host().die();
    drop(theirs);
    assert_eq!(heap.recover(), 1);
    vec![kept]
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let collecting = |name, setup| Case { nests: true, ..case(name, setup, |h, _| {
        h.collect().unwrap();
    }) };
    vec![
        collecting("collect a circle", circle),
        collecting("collect what is counted too high", counted_too_high),
        collecting("collect nothing", |h| {
            let (outer, inner) = (list(h, &mixed(30)), list(h, &mixed(2)));
            link(h, &outer, &inner);
            link_by_pickle(h, &outer, &inner);
            vec![outer]
        }),
    ]
}

/// What another process does while a collection is under way. What it cannot do without waiting
/// for the collector it does not do.
type Act = fn(&Heap<Sim>, &Objects);

/// Root, a container in it, one in that, another root; a circle that nothing reaches.
fn graph(heap: &Heap<Sim>) -> Vec<ObjectRef<Sim>> {
    let [root, middle, inner, other] = [0, 1, 2, 3].map(|i| list(heap, &mixed(i)));
    link(heap, &root, &middle);
    link(heap, &middle, &inner);
    let [a, b] = [4, 5].map(|i| list(heap, &mixed(i)));
    link(heap, &a, &b);
    link(heap, &b, &a);
    vec![root, other]
}

fn nested(list: &RawList<Sim>) -> Option<ObjectRef<Sim>> {
    let mut out = Fetch::new();
    list.get(-1, &mut out).ok()?;
    out.take_object()
}

#[rustfmt::skip]
fn acts() -> Vec<(&'static str, Act)> {
    vec![
        // The inner one moves to a container that may have been looked at; its old way is cut.
        ("move", |h, o| {
            let Some(middle) = nested(&as_list(&o[0])) else { return };
            let Some(inner) = nested(&as_list(&middle)) else { return };
            let Ok(mut edge) = h.prepare_object(&inner) else { return };
            drop(inner);
            if as_list(&o[1]).push(&mut edge).is_ok() {
                let _ = as_list(&middle).pop(-1, &mut Fetch::new());
            }
        }),
        ("move by a pickle", |h, o| {
            let Some(middle) = nested(&as_list(&o[0])) else { return };
            let Some(inner) = nested(&as_list(&middle)) else { return };
            let Ok(mut edge) = h.prepare_pickle(b"pickled", &[&inner]) else { return };
            drop(inner);
            if as_list(&o[1]).push(&mut edge).is_ok() {
                let _ = as_list(&middle).pop(-1, &mut Fetch::new());
            }
        }),
        // It moves into a container that the mark does not know, and that into the old one.
        ("move into a new one", |h, o| {
            let Some(middle) = nested(&as_list(&o[0])) else { return };
            let Some(inner) = nested(&as_list(&middle)) else { return };
            let new = list(h, &[]);
            link(h, &new, &inner);
            drop(inner);
            if as_list(&middle).pop(-1, &mut Fetch::new()).is_ok() {
                let Ok(mut edge) = h.prepare_object(&new) else { return };
                let _ = as_list(&o[1]).push(&mut edge);
            }
        }),
        // While it is on its way nothing else leads to it.
        ("store a new one", |h, o| {
            let new = list(h, &mixed(3));
            let Ok(mut edge) = h.prepare_object(&new) else { return };
            drop(new);
            let _ = as_list(&o[1]).push(&mut edge);
        }),
        ("cut off", |_, o| {
            let _ = as_list(&o[0]).clear();
        }),
        ("turn around", |_, o| {
            let _ = as_list(&o[0]).reverse();
            let _ = as_list(&o[0]).insert(0, &mut o[0].heap().prepare_int(1).unwrap());
        }),
        ("make a circle", |h, _| {
            let [a, b] = [0, 1].map(|i| list(h, &mixed(i)));
            link(h, &a, &b);
            link(h, &b, &a);
        }),
        ("come by a handle", |_, o| {
            if let Some(middle) = nested(&as_list(&o[0]))
                && as_list(&o[0]).pop(-1, &mut Fetch::new()).is_ok()
            {
                std::mem::forget(middle);
            }
        }),
    ]
}

/// Lets `act` happen before the `n`-th access of a collection, and be killed at its `k`-th store;
/// whether the collection got that far, and the act as far as that.
fn interrupted(name: &'static str, act: Act, n: u64, k: u64) -> (bool, bool) {
    let heap = heap();
    heap.join().unwrap();
    let objects = graph(&heap);
    let tokens: Vec<_> = objects.iter().map(ObjectRef::token).collect();
    let collector = sibling(&heap, 2);
    collector.join().unwrap();
    let mutator = sibling(&heap, 3);
    mutator.join().unwrap();
    let theirs: Vec<_> = tokens
        .iter()
        .map(|&t| ObjectRef::from_token(&mutator, t).unwrap())
        .collect();
    let killed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = killed.clone();
    let world = mutator.clone();
    collector.host().interrupt_at(n, move || {
        world.host().crash_at(k);
        let done = catch_unwind(AssertUnwindSafe(|| {
            pumasi::sync::without_waiting(|| act(&world, &theirs));
            drop(theirs);
        }));
        world.host().no_crash();
        if let Err(payload) = done {
            assert!(payload.is::<Crash>(), "{name} before access {n}");
            told.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    collector.collect().unwrap();
    if collector.host().was_not_interrupted() {
        return (false, false);
    }
    let killed = killed.load(std::sync::atomic::Ordering::Relaxed);
    let place = || format!("{name} before access {n}, stopped at store {k}: {killed}");
    heap.recover();
    // What can be reached is whole.
    let report = heap.check();
    assert!(report.errors.is_empty(), "{}: {report:#?}", place());
    assert!(
        catch_unwind(AssertUnwindSafe(|| view(&heap, &tokens))).is_ok(),
        "{}: something is gone",
        place()
    );
    // And what nobody can reach goes.
    drop(objects);
    if !killed {
        mutator.host().die();
    }
    heap.recover();
    heap.collect().unwrap();
    assert_eq!(left(&heap), None, "{}", place());
    (true, killed)
}

#[test]
fn what_others_do_during_a_collection_is_neither_lost_nor_kept() {
    for (name, act) in acts() {
        let mut points = 0;
        while interrupted(name, act, points, u64::MAX).0 {
            points += 1;
        }
        assert!(points > 100, "{name}: only {points} accesses");
        println!("{name}: {points} accesses");
    }
}

#[test]
fn what_others_are_killed_in_during_a_collection_is_neither_lost_nor_kept() {
    let stride = if std::env::var_os("PUMASI_SOAK").is_some() {
        1
    } else {
        97
    };
    for (name, act) in acts() {
        let mut points = 0u64;
        'kills: for k in 0.. {
            for n in (k % stride..).step_by(stride as usize) {
                match interrupted(name, act, n, k) {
                    (false, _) => break,
                    (true, false) if n < stride => break 'kills,
                    (true, _) => points += 1,
                }
            }
        }
        assert!(points > 100, "{name}: only {points} points");
        println!("{name}: {points} points");
    }
}

/// Lets a whole collection happen before the `n`-th access of `act`; whether it got that far.
fn collected_in(name: &'static str, act: Act, n: u64) -> bool {
    let heap = heap();
    heap.join().unwrap();
    let objects = graph(&heap);
    let tokens: Vec<_> = objects.iter().map(ObjectRef::token).collect();
    let [mutator, collector] = [2, 3].map(|pid| sibling(&heap, pid));
    mutator.join().unwrap();
    collector.join().unwrap();
    let theirs: Vec<_> = tokens
        .iter()
        .map(|&t| ObjectRef::from_token(&mutator, t).unwrap())
        .collect();
    mutator.host().interrupt_at(n, move || {
        // Where it would have to wait for the interrupted one it gives up.
        let _ = pumasi::sync::without_waiting(|| collector.collect());
    });
    act(&mutator, &theirs);
    drop(theirs);
    let interrupted = !mutator.host().was_not_interrupted();
    let report = heap.check();
    assert!(report.errors.is_empty(), "{name}, access {n}: {report:#?}");
    let seen = catch_unwind(AssertUnwindSafe(|| view(&heap, &tokens)));
    assert!(seen.is_ok(), "{name}, access {n}: something is gone");
    drop(objects);
    mutator.host().die();
    heap.recover();
    heap.collect().unwrap();
    assert_eq!(left(&heap), None, "{name}, access {n}");
    interrupted
}

#[test]
fn what_is_under_way_while_another_collects_is_neither_lost_nor_kept() {
    for (name, act) in acts() {
        let points = (0..).take_while(|&n| collected_in(name, act, n)).count();
        assert!(points > 20, "{name}: only {points} accesses");
    }
}
