//! Value and Array in one process.

use pumasi::{Array, Error, Shareable, Value};

use crate::common::tidy;

#[derive(Clone, Copy, Debug, PartialEq, Shareable)]
#[repr(C)]
struct Account {
    euros: i64,
    cents: u8,
    open: bool,
    _gap: [u8; 6],
}

const EMPTY: Account = Account {
    euros: 0,
    cents: 0,
    open: true,
    _gap: [0; 6],
};

#[test]
fn values_of_every_size() {
    let _tidy = tidy();
    macro_rules! sizes {
        ($($t:ty)*) => {$(
            let value = Value::new(<$t>::MAX).unwrap();
            assert_eq!(value.get().unwrap(), <$t>::MAX);
            value.set(7 as $t).unwrap();
            assert_eq!(value.replace(9 as $t).unwrap(), 7 as $t);
            assert_eq!(value.fetch_add(1 as $t).unwrap(), 9 as $t);
            assert_eq!(value.fetch_max(100 as $t).unwrap(), 10 as $t);
            assert_eq!(value.fetch_min(50 as $t).unwrap(), 100 as $t);
            assert_eq!(value.compare_exchange(1 as $t, 2 as $t).unwrap(), 50 as $t);
            assert_eq!(value.compare_exchange(50 as $t, 3 as $t).unwrap(), 50 as $t);
            assert_eq!(value.get().unwrap(), 3 as $t);
        )*};
    }
    sizes! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 }
    let wraps = Value::new(255u8).unwrap();
    wraps.fetch_add(2).unwrap();
    assert_eq!(wraps.get().unwrap(), 1);
    let flag = Value::new(false).unwrap();
    flag.set(true).unwrap();
    assert!(flag.get().unwrap());
    let odd = Value::new([1u8, 2, 3]).unwrap();
    odd.update(|bytes| bytes[1] = 9).unwrap();
    assert_eq!(odd.get().unwrap(), [1, 9, 3]);
}

#[test]
fn a_struct_changes_as_one() {
    let _tidy = tidy();
    let account = Value::new(EMPTY).unwrap();
    for _ in 0..5 {
        let paid = account.update(|account| {
            account.euros += 10;
            account.cents += 5;
            account.euros
        });
        assert!(paid.unwrap() % 10 == 0);
    }
    let now = account.get().unwrap();
    assert_eq!((now.euros, now.cents, now.open), (50, 25, true));
    // A panic half-way leaves what was there, and the lock free.
    let half = std::panic::catch_unwind(|| {
        let _ = account.update(|account| {
            account.euros = 0;
            panic!("on purpose");
        });
    });
    assert!(half.is_err());
    assert_eq!(account.get().unwrap().euros, 50);
    let alone = account.locked().unwrap();
    alone.set(EMPTY).unwrap();
    assert_eq!(alone.get().unwrap(), EMPTY);
}

#[test]
fn threads_lose_no_update() {
    let _tidy = tidy();
    let (value, wide) = (Value::new(0i64).unwrap(), Value::new([0u64; 4]).unwrap());
    let array = Array::filled(3, 0u16).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    value.fetch_add(1).unwrap();
                    wide.update(|wide| wide.iter_mut().for_each(|n| *n += 1))
                        .unwrap();
                    array.fetch_add(1, 1).unwrap();
                    array.update(2, |n| *n += 1).unwrap();
                    let seen = wide.get().unwrap();
                    assert_eq!(seen, [seen[0]; 4]);
                }
            });
        }
    });
    assert_eq!(value.get().unwrap(), 8000);
    assert_eq!(wide.get().unwrap(), [8000; 4]);
    assert_eq!(array.to_vec().unwrap(), [0, 8000, 8000]);
}

#[test]
fn arrays_do_what_slices_do() {
    let _tidy = tidy();
    let array = Array::new(&[1.5, 2.5, 3.5]).unwrap();
    assert_eq!((array.len(), array.is_empty()), (3, false));
    array.set(0, 0.5).unwrap();
    assert_eq!(array.get(0).unwrap(), 0.5);
    array.copy_in(1, &[7.0, 8.0]).unwrap();
    assert_eq!(array.to_vec().unwrap(), [0.5, 7.0, 8.0]);
    assert!(matches!(
        array.copy_in(2, &[1.0, 2.0]),
        Err(Error::IndexOutOfRange { .. })
    ));
    assert!(matches!(array.get(3), Err(Error::IndexOutOfRange { .. })));
    assert!(matches!(
        array.set(usize::MAX, 1.0),
        Err(Error::IndexOutOfRange { .. })
    ));
    array.fill(4.0).unwrap();
    {
        let alone = array.locked().unwrap();
        let sum: f64 = alone.to_vec().unwrap().iter().sum();
        alone.set(0, sum).unwrap();
    }
    assert_eq!(array.to_vec().unwrap(), [12.0, 4.0, 4.0]);
    let accounts = Array::filled(2, EMPTY).unwrap();
    accounts.update(1, |account| account.open = false).unwrap();
    assert!(!accounts.get(1).unwrap().open && accounts.get(0).unwrap().open);
    let odd = Array::new(&[[1u8, 2, 3], [4, 5, 6]]).unwrap();
    assert_eq!(odd.get(1).unwrap(), [4, 5, 6]);
    let bytes = Array::new(b"abc").unwrap();
    bytes.set(1, b'x').unwrap();
    assert_eq!(bytes.to_vec().unwrap(), b"axc");
    assert!(Array::<u8>::new(&[]).unwrap().is_empty());
    assert!(
        Array::filled(usize::MAX, 1u64)
            .unwrap_err()
            .is_out_of_memory()
    );
}
