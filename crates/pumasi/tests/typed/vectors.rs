//! `Vector<T>`.

use std::time::Duration;

use pumasi::sync::LockError;
use pumasi::{Array, Dynamic, Error, List, Shareable, Vector};

use crate::common::tidy;

/// Of a size that no processor writes in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Shareable)]
#[repr(C)]
struct Point {
    x: f64,
    y: f64,
    name: [u8; 8],
}

fn point(n: u32) -> Point {
    Point {
        x: f64::from(n),
        y: -f64::from(n),
        name: [n as u8; 8],
    }
}

#[test]
fn it_grows_and_shrinks_at_its_end() {
    let _tidy = tidy();
    let vector: Vector<u64> = Vector::new().unwrap();
    assert!(vector.is_empty().unwrap());
    assert_eq!(vector.pop().unwrap(), None);
    for i in 0..1000 {
        vector.push(i).unwrap();
    }
    assert_eq!(vector.len().unwrap(), 1000);
    assert!(vector.capacity().unwrap() >= 1000);
    assert_eq!(vector.get(700).unwrap(), Some(700));
    assert_eq!(vector.get(1000).unwrap(), None);
    assert_eq!(vector.get(usize::MAX).unwrap(), None);
    assert_eq!(
        (vector.first().unwrap(), vector.last().unwrap()),
        (Some(0), Some(999))
    );
    assert_eq!(vector.pop().unwrap(), Some(999));
    vector.truncate(10).unwrap();
    assert_eq!(vector.to_vec().unwrap(), (0..10).collect::<Vec<_>>());
    vector.extend(10..20).unwrap();
    vector.extend_from_slice(&[20, 21]).unwrap();
    assert_eq!(vector.range(18..).unwrap(), [18, 19, 20, 21]);
    assert_eq!(vector.range(..=1).unwrap(), [0, 1]);
    assert_eq!(vector.range(30..40).unwrap(), [0; 0]);
    vector.reserve(500).unwrap();
    assert!(vector.capacity().unwrap() >= 522);
    vector.shrink_to_fit().unwrap();
    assert!(vector.capacity().unwrap() < 100);
    vector.clear().unwrap();
    assert_eq!(vector.to_vec().unwrap(), [0; 0]);
}

#[test]
fn the_middle_is_reached_too() {
    let _tidy = tidy();
    let vector = Vector::from_slice(&[1.5f32, 2.5, 3.5]).unwrap();
    vector.insert(1, 9.0).unwrap();
    vector.insert(99, 10.0).unwrap();
    assert_eq!(vector.to_vec().unwrap(), [1.5, 9.0, 2.5, 3.5, 10.0]);
    assert_eq!(vector.remove(1).unwrap(), 9.0);
    vector.set(0, 0.25).unwrap();
    assert_eq!(vector.fetch_add(0, 0.5).unwrap(), 0.25);
    assert_eq!(
        vector.update(1, |x| std::mem::replace(x, 7.0)).unwrap(),
        2.5
    );
    vector.copy_in(2, &[4.0, 5.0]).unwrap();
    assert_eq!(vector.to_vec().unwrap(), [0.75, 7.0, 4.0, 5.0]);
    for outside in [
        vector.set(4, 1.0).err(),
        vector.remove(4).err(),
        vector.fetch_add(4, 1.0).err(),
        vector.update(4, |_| ()).err(),
        vector.copy_in(3, &[1.0, 2.0]).err(),
    ] {
        assert!(
            matches!(outside, Some(Error::IndexOutOfRange { .. })),
            "{outside:?}"
        );
    }
    let large: Vector<u128> = Vector::from_slice(&[u128::MAX]).unwrap();
    assert_eq!(large.fetch_add(0, 3).unwrap(), u128::MAX);
    assert_eq!(large.get(0).unwrap(), Some(2));
}

#[test]
fn elements_of_any_size_are_whole() {
    let _tidy = tidy();
    let vector: Vector<Point> = Vector::with_capacity(4).unwrap();
    vector.extend((0..50).map(point)).unwrap();
    vector.set(7, point(99)).unwrap();
    assert_eq!(vector.get(7).unwrap(), Some(point(99)));
    assert_eq!(vector.pop().unwrap(), Some(point(49)));
    vector.insert(0, point(100)).unwrap();
    assert_eq!(vector.remove(8).unwrap(), point(99));
    assert_eq!(vector.len().unwrap(), 49);
    // A byte that is no value of the type is told.
    let flags: Vector<bool> = Vector::from_slice(&[true, false]).unwrap();
    flags.raw().set(1, &[7]).unwrap();
    assert!(matches!(flags.get(1), Err(Error::Corrupt { .. })));
}

#[test]
fn a_view_keeps_the_elements_where_they_are() {
    let _tidy = tidy();
    let vector = Vector::from_slice(&[1u64, 2, 3]).unwrap();
    vector.reserve(2).unwrap();
    let view = vector.export().unwrap();
    assert_eq!(view.len(), 3);
    vector.push(4).unwrap();
    vector.set(0, 10).unwrap();
    // SAFETY: the view keeps three aligned words in place, and only this thread uses them.
    let first = unsafe { view.ptr().cast::<u64>().read_volatile() };
    assert_eq!(first, 10);
    for refused in [
        vector.pop().err(),
        vector.clear().err(),
        vector.insert(0, 1).err(),
        vector.reserve(1 << 20).err(),
        vector.shrink_to_fit().err(),
    ] {
        assert!(
            matches!(refused, Some(Error::Exported { processes: 1 })),
            "{refused:?}"
        );
    }
    let text = vector.pop().unwrap_err().to_string();
    assert!(text.starts_with("existing exports of data"), "{text}");
    let another = vector.export().unwrap();
    drop(view);
    assert!(vector.pop().is_err());
    drop(another);
    assert_eq!(vector.pop().unwrap(), Some(4));
}

#[test]
fn it_is_locked_nested_and_checked() {
    let _tidy = tidy();
    let vector = Vector::from_slice(&[1i64, 2]).unwrap();
    {
        let guard = vector.locked().map_err(LockError::accept).unwrap();
        guard.push(3).unwrap();
        let other = vector.clone();
        let taken = std::thread::spawn(move || {
            matches!(other.locked_timeout(Duration::from_millis(1)), Ok(None))
        });
        assert!(taken.join().unwrap());
    }
    let list: List<Vector<i64>> = List::new().unwrap();
    list.push(&vector).unwrap();
    assert_eq!(list.get(0).unwrap().unwrap(), vector);
    let wrong = list.cast::<Vector<f64>>().get(0);
    assert!(
        matches!(wrong, Err(Error::TypeMismatch { .. })),
        "{wrong:?}"
    );
    let list: List<Dynamic> = List::new().unwrap();
    list.push(vector.clone()).unwrap();
    assert!(matches!(list.get(0).unwrap(), Some(Dynamic::Object(_))));
    // An Array is another kind of thing.
    let array = Array::new(&[1i64]).unwrap();
    let (buffer, _) = array.objects();
    assert!(pumasi::containers::RawVector::from_object(buffer.clone()).is_err());
    assert!(format!("{vector:?}").starts_with("Vector@"));
}

#[test]
fn threads_lose_nothing_while_it_grows() {
    let _tidy = tidy();
    let vector = Vector::from_slice(&[0u64; 4]).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let vector = vector.clone();
            std::thread::spawn(move || {
                for i in 0..2000u64 {
                    vector.fetch_add(n, 1).unwrap();
                    if i % 4 == 0 {
                        vector.push(i).unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(vector.range(..4).unwrap(), [2000; 4]);
    assert_eq!(vector.len().unwrap(), 4 + 4 * 500);
}
