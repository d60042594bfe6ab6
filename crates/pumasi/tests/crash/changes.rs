//! Who waits for a change, and the deaths of those who change and of those who wait.

use super::*;
use pumasi::containers::Value;
use pumasi::sys::Host;
use std::time::Duration;

/// Whatever store a writer dies at: if the change is there, whoever sleeps has been called.
#[test]
fn who_waits_is_called_before_a_change_can_be_found() {
    let mut called = 0;
    for k in 0.. {
        let survivor = heap();
        survivor.join().unwrap();
        let object = dict(&survivor, &mixed_pairs(3));
        let seen = object.version();
        let expected = object.expect_change(seen).unwrap().unwrap();
        let victim = sibling(&survivor, 2);
        let theirs = [ObjectRef::from_token(&victim, object.token()).unwrap()];
        victim.host().crash_at(k);
        let done = catch_unwind(AssertUnwindSafe(|| put(&victim, &theirs, int(0), text(50))));
        victim.host().no_crash();
        survivor.recover();
        let same = describe(&object) == describe(&dict(&survivor, &mixed_pairs(3)));
        assert!(
            same || object.is_called(expected),
            "stopped at store {k}: a change of which nobody was told"
        );
        called += u64::from(object.is_called(expected));
        // Nobody waits for nothing: the next change calls, whatever the dead left behind.
        let seen = object.version();
        let expected = object.expect_change(seen).unwrap().unwrap();
        put(&survivor, core::slice::from_ref(&object), int(5), int(6));
        assert!(object.is_called(expected));
        assert!(object.wait_for_change(seen, None).unwrap());
        support::sound(&survivor);
        if done.is_ok() {
            break;
        }
        drop(done);
        core::mem::forget(theirs);
    }
    assert!(called >= 2, "no crash fell between the call and the end");
}

/// A waiter that dies at any store leaves nothing that keeps others from working or waiting.
#[test]
fn a_waiter_that_dies_leaves_nothing() {
    for k in 0.. {
        let survivor = heap();
        survivor.join().unwrap();
        let object = dict(&survivor, &mixed_pairs(3));
        let victim = sibling(&survivor, 2);
        let theirs = ObjectRef::from_token(&victim, object.token()).unwrap();
        victim.host().crash_at(k);
        let done = catch_unwind(AssertUnwindSafe(|| {
            let _ = theirs.expect_change(theirs.version()).unwrap();
        }));
        victim.host().no_crash();
        let seen = object.version();
        let expected = object.expect_change(seen).unwrap().unwrap();
        put(&survivor, core::slice::from_ref(&object), int(5), int(6));
        assert!(object.is_called(expected), "stopped at store {k}");
        survivor.recover();
        support::sound(&survivor);
        core::mem::forget(theirs);
        if done.is_ok() {
            assert!(k >= 3, "saying so takes some stores");
            break;
        }
    }
}

/// A wait ends with its time; the simulated clock goes on while somebody sleeps.
#[test]
fn a_wait_ends_with_its_time() {
    let heap = heap();
    let object = dict(&heap, &mixed_pairs(3));
    let seen = object.version();
    let start = heap.host().now();
    let second = std::time::Duration::from_secs(1);
    assert!(!object.wait_for_change(seen, Some(second)).unwrap());
    assert!(heap.host().now() - start >= second);
    assert!(
        !object
            .wait_for_change(seen, Some(std::time::Duration::ZERO))
            .unwrap()
    );
    put(&heap, core::slice::from_ref(&object), int(5), int(6));
    assert!(
        object
            .wait_for_change(seen, Some(std::time::Duration::ZERO))
            .unwrap()
    );
}

/// The same of a Value, which its own lock guards: whoever waits looks for what a dead writer did
/// not call for, and the next writer calls.
#[test]
fn who_waits_for_a_value_finds_what_a_dead_writer_wrote() {
    let (mut silent, mut called) = (0, 0);
    for k in 0.. {
        let survivor = heap();
        survivor.join().unwrap();
        let value = Value::new_in(&survivor, 1i64).unwrap();
        let (buffer, lock) = value.objects();
        let expected = buffer.expect_write();
        assert_eq!(value.get().unwrap(), 1);
        let victim = sibling(&survivor, 2);
        let there = |o: &ObjectRef<Sim>| ObjectRef::from_token(&victim, o.token()).unwrap();
        let theirs = Value::<i64, Sim>::from_objects(there(buffer), there(lock)).unwrap();
        victim.host().crash_at(k);
        let done = catch_unwind(AssertUnwindSafe(|| theirs.set(2).unwrap()));
        victim.host().no_crash();
        // A sleep ends after a slice at the latest, and then the wait looks.
        let slice = Duration::from_millis(50);
        buffer.sleep_until_written(expected, slice).unwrap();
        let changed = value.get().unwrap() == 2;
        assert!(changed || !buffer.is_called(expected), "called for nothing");
        silent += u64::from(changed && !buffer.is_called(expected));
        called += u64::from(buffer.is_called(expected));
        assert_eq!(value.wait(Some(slice), |n| n == 2).unwrap(), changed);
        let expected = buffer.expect_write();
        value.fetch_add(5).unwrap();
        assert!(buffer.is_called(expected));
        support::sound(&survivor);
        if done.is_ok() {
            break;
        }
        drop(done);
        core::mem::forget(theirs);
    }
    assert!(silent >= 1 && called >= 1, "{silent} {called}");
}
