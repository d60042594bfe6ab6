//! Operations on a dict.

use super::*;
use pumasi::containers::Part;

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        case("insert inline", |h| vec![dict(h, &mixed_pairs(3))], |h, o| put(h, o, int(99), int(1))),
        case("insert blocks", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            put(h, o, Plain::Text("another long key".into()), text(70));
        }),
        case("insert with an original key", |h| vec![dict(h, &mixed_pairs(2))], |h, o| {
            // As Python stores 7.0: canonically 7, given as a float.
            let mut original = h.prepare_bytes(pumasi::heap::cell::Tag::Str, b"given as this").unwrap();
            let mut value = prepare(h, &text(30)).unwrap();
            with_key(h, &int(7), |key| as_dict(&o[0]).insert(key, Some(&mut original), &mut value)).unwrap();
        }),
        case("insert a key too long to copy", |h| vec![dict(h, &mixed_pairs(2))], |h, o| {
            put(h, o, text(1500), int(1));
        }),
        case("insert, table renewed", |h| vec![dict(h, &mixed_pairs(5))], |h, o| put(h, o, int(99), text(40))),
        case("overwrite inline", |h| vec![dict(h, &mixed_pairs(5))], |h, o| put(h, o, int(2), int(-2))),
        case("overwrite block", |h| vec![dict(h, &mixed_pairs(5))], |h, o| put(h, o, int(0), text(80))),
        case("remove", |h| vec![dict(h, &mixed_pairs(5))], |h, o| {
            take(h, o, Plain::Text("a key of some length 3".into()));
        }),
        case("setdefault", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            let mut v = prepare(h, &text(44)).unwrap();
            with_key(h, &text(20), |key| as_dict(&o[0]).setdefault(key, None, &mut v, &mut Fetch::new())).unwrap();
        }),
        case("add", |h| vec![dict(h, &mixed_pairs(5))], |h, o| {
            with_key(h, &int(4), |key| as_dict(&o[0]).add(key, None, Number::Int(i64::MAX / 2))).unwrap();
        }),
        case("add to a number in a block", |h| vec![dict(h, &mixed_pairs(2))], |h, o| {
            with_key(h, &int(4), |key| as_dict(&o[0]).add(key, None, Number::Int(2))).unwrap();
        }),
        case("insert if still absent", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            let mut v = prepare(h, &text(44)).unwrap();
            with_key(h, &text(25), |key| assert!(as_dict(&o[0]).insert_if(key, None, None, &mut v).unwrap()));
        }),
        case("insert if unchanged", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            let mut v = prepare(h, &text(44)).unwrap();
            with_key(h, &int(0), |key| {
                let found = as_dict(&o[0]).get(key, &mut Fetch::new()).unwrap();
                assert!(as_dict(&o[0]).insert_if(key, found, None, &mut v).unwrap());
            });
        }),
        case("popitem", |h| vec![dict(h, &mixed_pairs(6))], |_, o| {
            as_dict(&o[0]).popitem(&mut Fetch::new(), &mut Fetch::new()).unwrap();
        }),
        case("clear a dict", |h| vec![dict(h, &mixed_pairs(9))], |_, o| as_dict(&o[0]).clear().unwrap()),
        case("add, a float", |h| vec![dict(h, &mixed_pairs(5))], |h, o| {
            with_key(h, &int(4), |key| as_dict(&o[0]).add(key, None, Number::Float(0.25))).unwrap();
        }),
        case("add, a float under a new key", |h| vec![dict(h, &mixed_pairs(2))], |h, o| {
            with_key(h, &text(33), |key| as_dict(&o[0]).add(key, None, Number::Float(0.25))).unwrap();
        }),
        case("add, a long integer, table renewed", |h| vec![dict(h, &mixed_pairs(5))], |h, o| {
            with_key(h, &text(33), |key| as_dict(&o[0]).add(key, None, Number::Int(i64::MAX))).unwrap();
        }),
        case("locked() of a dict", |h| vec![dict(h, &mixed_pairs(3))], |h, o| {
            assert!(as_dict(&o[0]).lock(None).unwrap().is_ours());
            put(h, o, int(1), int(-1));
            as_dict(&o[0]).unlock().unwrap();
        }),
        Case { found: Found::Before, ..case("read large values", |h| vec![dict(h, &[(int(1), text(3000)), (text(2000), int(2))])], |h, o| {
            let dict = as_dict(&o[0]);
            assert_eq!(dict.snapshot(Part::Items).unwrap().len(), 4);
            let mut out = Fetch::new();
            with_key(h, &int(1), |key| dict.get(key, &mut out)).unwrap();
            drop(out.take_pinned().unwrap());
        }) },
    ]
}
