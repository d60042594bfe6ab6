//! Objects that come and go, and those stored in others.

use super::*;

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let nesting = |name, setup, act| Case { nests: true, ..case(name, setup, act) };
    vec![
        case("create and drop", |h| vec![list(h, &[])], |h, _| {
            drop((list(h, &mixed(30)), dict(h, &mixed_pairs(12))));
        }),
        case("create and drop a buffer", |h| vec![list(h, &[])], |h, _| {
            drop((RawBuffer::create(h, 100, 0).unwrap(), RawBuffer::create(h, 20_000, 0).unwrap()));
        }),
        case("read a large value", |h| vec![list(h, &[text(7000)])], |_, o| {
            let mut out = Fetch::new();
            as_list(&o[0]).get(0, &mut out).unwrap();
            assert!(out.bytes().len() >= 7000);
        }),
        nesting("store a nested list", |h| vec![list(h, &mixed(2)), list(h, &mixed(3))], |h, o| {
            as_list(&o[0]).push(&mut h.prepare_object(&o[1]).unwrap()).unwrap();
        }),
        nesting("replace a nested list", |h| {
            let outer = list(h, &mixed(2));
            let inner = list(h, &mixed(20));
            as_list(&outer).push(&mut h.prepare_object(&inner).unwrap()).unwrap();
            vec![outer]
        }, |h, o| as_list(&o[0]).set(2, &mut prepare(h, &int(0)).unwrap()).unwrap()),
        nesting("clear nested lists", |h| {
            let outer = list(h, &[]);
            for _ in 0..3 {
                let inner = list(h, &mixed(4));
                as_list(&inner).push(&mut h.prepare_object(&list(h, &[text(20)])).unwrap()).unwrap();
                as_list(&outer).push(&mut h.prepare_object(&inner).unwrap()).unwrap();
            }
            vec![outer]
        }, |_, o| as_list(&o[0]).clear().unwrap()),
        nesting("store a pickle that refers to a list", |h| vec![list(h, &[]), list(h, &mixed(2))], |h, o| {
            as_list(&o[0]).push(&mut h.prepare_pickle(b"some pickled bytes", &[&o[1]]).unwrap()).unwrap();
        }),
        nesting("remove a pickle that refers to a list", |h| {
            let outer = list(h, &[]);
            as_list(&outer).push(&mut h.prepare_pickle(b"some pickled bytes", &[&list(h, &mixed(9))]).unwrap()).unwrap();
            vec![outer]
        }, |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
    ]
}
