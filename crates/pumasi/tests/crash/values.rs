//! Value and Array, with elements of every size: an operation on one is done or not, and only an
//! element of an Array that is no number of 1, 2, 4 or 8 bytes may be half written, of which the
//! next holder of the lock is told.

use core::fmt::Debug;

use pumasi::containers::{Array, Value};
use pumasi::heap::shareable::Shareable;
use pumasi::sync::Acquired;

use super::*;

/// Three numbers in one value.
type Three = [u64; 3];
/// Two numbers in one element.
type Two = [u64; 2];

fn value<T: Shareable>(heap: &Heap<Sim>, value: T) -> Vec<ObjectRef<Sim>> {
    let made = Value::new_in(heap, value).unwrap();
    let (buffer, lock) = made.objects();
    vec![buffer.clone(), lock.clone()]
}

fn array<T: Shareable>(heap: &Heap<Sim>, values: &[T]) -> Vec<ObjectRef<Sim>> {
    let made = Array::new_in(heap, values).unwrap();
    let (buffer, lock) = made.objects();
    vec![buffer.clone(), lock.clone()]
}

fn as_value<T: Shareable>(o: &Objects) -> Value<T, Sim> {
    Value::from_objects(o[0].clone(), o[1].clone()).unwrap()
}

fn as_array<T: Shareable>(o: &Objects) -> Array<T, Sim> {
    Array::from_objects(o[0].clone(), o[1].clone()).unwrap()
}

/// What is read, if the two objects are a Value or an Array of `T`. A Value of a number is one
/// word and one of something larger is two copies and a word; no Array here is as long.
fn read<T: Shareable + Debug>(o: &Objects) -> Option<String> {
    let size = size_of::<T>();
    let is_value = match RawBuffer::from_object(o[0].clone()).unwrap().len() {
        8 => true,
        n => size > 8 && n == 8 + 2 * size,
    };
    let array: Array<T, Sim> = Array::from_objects(o[0].clone(), o[1].clone()).ok()?;
    Some(if is_value {
        format!("{:?}", as_value::<T>(o).get().unwrap())
    } else {
        format!("{:?}", array.to_vec().unwrap())
    })
}

/// The state of a Value or Array, where the objects are one. (Its lock is free: it is taken.)
pub fn describe(objects: &Objects) -> Option<Vec<String>> {
    if !matches!(objects, [b, l] if b.kind() == Kind::Buffer && l.kind() == Kind::RLock) {
        return None;
    }
    let readers: [fn(&Objects) -> Option<String>; 9] = [
        read::<u8>,
        read::<u16>,
        read::<u32>,
        read::<u64>,
        read::<u128>,
        read::<i16>,
        read::<f32>,
        read::<Three>,
        read::<Two>,
    ];
    let found = readers.iter().find_map(|read| read(objects))?;
    Some(vec![found])
}

/// Every operation on a Value of numbers.
macro_rules! numbers {
    ($($t:ty: $old:literal, $other:literal;)*) => { vec![$(
        case(concat!(stringify!($t), ": set"), |h| value::<$t>(h, $old), |_, o| {
            as_value::<$t>(o).set($other).unwrap();
        }),
        case(concat!(stringify!($t), ": replace"), |h| value::<$t>(h, $old), |_, o| {
            assert_eq!(as_value::<$t>(o).replace($other).unwrap(), $old);
        }),
        case(concat!(stringify!($t), ": update"), |h| value::<$t>(h, $old), |_, o| {
            as_value::<$t>(o).update(|v| *v = $other).unwrap();
        }),
        case(concat!(stringify!($t), ": compare_exchange"), |h| value::<$t>(h, $old), |_, o| {
            assert_eq!(as_value::<$t>(o).compare_exchange($old, $other).unwrap(), $old);
        }),
        case(concat!(stringify!($t), ": fetch_add"), |h| value::<$t>(h, $old), |_, o| {
            as_value::<$t>(o).fetch_add($other).unwrap();
        }),
        case(concat!(stringify!($t), ": fetch_max"), |h| value::<$t>(h, $old), |_, o| {
            as_value::<$t>(o).fetch_max($other).unwrap();
        }),
        case(concat!(stringify!($t), ": fetch_min"), |h| value::<$t>(h, $other), |_, o| {
            as_value::<$t>(o).fetch_min($old).unwrap();
        }),
        case(concat!("an element, ", stringify!($t), ": set"), |h| array::<$t>(h, &[$old; 9]), |_, o| {
            as_array::<$t>(o).set(7, $other).unwrap();
        }),
        case(concat!("an element, ", stringify!($t), ": update"), |h| array::<$t>(h, &[$old; 9]), |_, o| {
            as_array::<$t>(o).update(1, |v| *v = $other).unwrap();
        }),
        case(concat!("an element, ", stringify!($t), ": fetch_add"), |h| array::<$t>(h, &[$old; 9]), |_, o| {
            as_array::<$t>(o).fetch_add(3, $other).unwrap();
        }),
    )*] };
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let mut cases = numbers! {
        u8: 7, 250;
        u16: 7, 65_000;
        u32: 7, 4_000_000_000;
        u64: 7, 0x0123_4567_89ab_cdef;
        i16: -7, 32_000;
        f32: 1.5, 1e30;
    };
    // Two copies of a value, and a word that says which of them counts; twice, once each way.
    const BIG: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
    cases.extend([
        case("u128: set", |h| value(h, 7u128), |_, o| as_value(o).set(BIG).unwrap()),
        case("u128: set once more", |h| {
            let o = value(h, 7u128);
            as_value(&o).set(8u128).unwrap();
            o
        }, |_, o| as_value(o).set(BIG).unwrap()),
        case("u128: replace", |h| value(h, 7u128), |_, o| { as_value(o).replace(BIG).unwrap(); }),
        case("u128: compare_exchange", |h| value(h, 7u128), |_, o| {
            assert_eq!(as_value(o).compare_exchange(7u128, BIG).unwrap(), 7);
        }),
        case("u128: fetch_add", |h| value(h, u128::from(u64::MAX)), |_, o| {
            as_value(o).fetch_add(BIG).unwrap();
        }),
        case("u128: fetch_max", |h| value(h, 7u128), |_, o| { as_value(o).fetch_max(BIG).unwrap(); }),
        case("u128: fetch_min", |h| value(h, BIG), |_, o| { as_value(o).fetch_min(7u128).unwrap(); }),
        case("three numbers: set", |h| value(h, [1u64, 2, 3]), |_, o| {
            as_value::<Three>(o).set([4, 5, 6]).unwrap();
        }),
        case("three numbers: update", |h| value(h, [1u64, 2, 3]), |_, o| {
            as_value::<Three>(o).update(|v| *v = [v[2], v[1] + 1, v[0]]).unwrap();
        }),
        Case {
            found: Found::OneOf(&["[1, 2, 3]", "[9, 2, 3]", "[9, 9, 3]", "[9, 9, 9]"]),
            ..case("u16: fill", |h| array(h, &[1u16, 2, 3]), |_, o| as_array(o).fill(9u16).unwrap())
        },
        Case {
            found: Found::OneOf(&["[1, 2, 3]", "[1, 8, 3]", "[1, 8, 9]"]),
            ..case("u8: copy in", |h| array(h, &[1u8, 2, 3]), |_, o| as_array(o).copy_in(1, &[8u8, 9]).unwrap())
        },
    ]);
    cases.push(case("make a Value and an Array", |h| vec![list(h, &[])], |h, _| {
        drop((value(h, BIG), array(h, &[[1u64, 2]; 3])));
    }));
    cases
}

/// An element of 16 bytes may be half written; then, and whenever its writer died with the lock,
/// the next holder is told.
#[test]
fn an_element_that_may_be_half_written_comes_with_the_news_of_a_death() {
    let mut halves = 0;
    for k in 0.. {
        let survivor = heap();
        survivor.join().unwrap();
        let objects = array(&survivor, &[[1u64, 2], [3, 4]]);
        let victim = sibling(&survivor, 2);
        victim.join().unwrap();
        let theirs: Vec<_> = objects
            .iter()
            .map(|o| ObjectRef::from_token(&victim, o.token()).unwrap())
            .collect();
        let theirs = as_array::<Two>(&theirs);
        victim.host().crash_at(k);
        let ended = catch_unwind(AssertUnwindSafe(|| theirs.set(1, [5, 6]).unwrap())).is_ok();
        victim.host().no_crash();
        if ended {
            break;
        }
        survivor.recover();
        let lock = RawRLock::from_object(objects[1].clone()).unwrap();
        let news = lock.try_acquire().unwrap();
        assert!(news.is_ours());
        let found = as_array::<Two>(&objects).to_vec().unwrap();
        assert_eq!(found[0], [1, 2], "only that one element is written");
        match found[1] {
            [3, 4] | [5, 6] => {}
            [5, 4] => {
                halves += 1;
                assert!(
                    matches!(news, Acquired::Abandoned(_)),
                    "stopped at store {k}"
                );
            }
            other => panic!("stopped at store {k}: {other:?}"),
        }
        lock.release().unwrap();
        support::sound(&survivor);
    }
    assert!(halves > 0, "no death fell into the middle of an element");
}
