//! The Dict of a heap's roots is made once, whoever dies while it is made, and whoever makes it at the
//! same time.

use pumasi::heap::cell::Cell;
use pumasi::heap::layout::SB_ROOTS;
use pumasi::sys::Host;

use super::*;

/// The case: the first use of the roots, which stores the list there.
fn first_use() -> Case {
    Case {
        nests: true,
        ..case(
            "the first use of the roots",
            |h| vec![list(h, &mixed(3))],
            |h, o| {
                let roots = RawDict::roots(h).unwrap();
                let mut value = h.prepare_object(&o[0]).unwrap();
                with_key(h, &text(20), |key| roots.insert(key, None, &mut value)).unwrap();
            },
        )
    }
}

/// Makes sure that the roots can be used, and gives back what they hold.
fn use_roots(heap: &Heap<Sim>) -> u64 {
    let roots = RawDict::roots(heap).unwrap();
    let kept = roots.len().unwrap();
    assert!(kept <= 1);
    let mut out = Fetch::new();
    with_key(heap, &text(20), |key| {
        let found = roots.get(key, &mut out)?.is_some();
        assert_eq!(found, kept == 1);
        roots.insert(key, None, &mut heap.prepare_int(7)?)
    })
    .unwrap();
    let other = sibling(heap, 5);
    assert_eq!(
        RawDict::roots(&other).unwrap().object().token(),
        roots.object().token()
    );
    other.host().die();
    heap.recover();
    roots.clear().unwrap();
    heap.host()
        .load64(SB_ROOTS, std::sync::atomic::Ordering::Acquire)
}

#[test]
fn the_roots_are_made_once_whoever_dies() {
    let case = first_use();
    let (mut made, mut not_made) = (0, 0);
    for k in 0.. {
        let stage = stage(&case);
        if run(&case, &stage, k).is_none() {
            break;
        }
        let before = stage
            .survivor
            .host()
            .load64(SB_ROOTS, std::sync::atomic::Ordering::Acquire);
        *(if before == 0 {
            &mut not_made
        } else {
            &mut made
        }) += 1;
        stage.survivor.recover();
        let report = stage.survivor.check();
        assert!(
            report.errors.is_empty() && report.pending == 0,
            "store {k}: {report:#?}"
        );
        let after = use_roots(&stage.survivor);
        assert!(before == 0 || before == after, "store {k}: other roots");
        // The Dict and its table, and nothing else, stay.
        let Stage {
            survivor, objects, ..
        } = stage;
        drop(objects);
        survivor.collect().unwrap();
        let report = survivor.check();
        assert!(
            report.errors.is_empty() && report.objects == 1,
            "store {k}: {report:#?}"
        );
        assert_eq!(report.live, 2, "store {k}: {report:#?}");
    }
    assert!(made > 10 && not_made > 10, "{made} {not_made}");
}

#[test]
fn of_two_who_make_the_roots_one_gives_its_own_up() {
    let first = heap();
    let second = sibling(&first, 2);
    let (list_at, value) = (list(&first, &mixed(4)), text(15));
    // What the second one makes while the first is about to store its cell.
    let made = RawDict::roots(&second).unwrap();
    let roots = RawDict::roots(&first).unwrap();
    assert_eq!(roots.object().token(), made.object().token());
    let mut stored = first.prepare_object(&list_at).unwrap();
    with_key(&first, &value, |key| roots.insert(key, None, &mut stored)).unwrap();
    drop((roots, made, list_at));
    // Nobody has a handle of anything, and it is all there.
    assert_eq!(first.collect().unwrap().objects, 0);
    second.collect().unwrap();
    let roots = RawDict::roots(&second).unwrap();
    let mut out = Fetch::new();
    with_key(&second, &value, |key| roots.get(key, &mut out)).unwrap();
    assert_eq!(as_list(&out.take_object().unwrap()).len().unwrap(), 4);
    assert_eq!(first.check().errors, [""; 0]);
}

#[test]
fn roots_that_are_damaged_are_an_error() {
    let heap = heap();
    let list = list(&heap, &mixed(2));
    let block = |off: u64, generation: u64, tag: u64| {
        ((generation & 0xf_ffff) << 44) | (off / 16) << 4 | tag
    };
    let (off, generation) = list.token();
    let damaged = [
        Cell::int(7).unwrap().bits(),
        Cell::NONE.bits(),
        block(off, generation, 12),
        block(off, generation + 1, 12),
        block(off, generation, 13),
        block(off + 16, generation, 12),
        block(0x1000, 0, 12),
        block(1 << 43, 1, 12),
        u64::MAX,
    ];
    for bits in damaged {
        heap.host().poke(SB_ROOTS, bits);
        let found = RawDict::roots(&heap);
        assert!(
            matches!(
                found,
                Err(Error::Corrupt { .. } | Error::StaleReference { .. })
            ),
            "{bits:#x}: {:?}",
            found.err()
        );
    }
    // And what it was taken for is as it was.
    heap.host().poke(SB_ROOTS, 0);
    assert_eq!(as_list(&list).len().unwrap(), 2);
    assert_eq!(heap.check().errors, [""; 0]);
}
