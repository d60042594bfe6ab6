//! Operations on a set, the changes by several elements at once among them, and what a DefaultDict
//! does otherwise than a Dict.

use super::*;
use pumasi::containers::{Key, Member};
use pumasi::heap::cell::Tag;

fn keys(n: i64) -> Vec<Plain> {
    mixed_pairs(n).into_iter().map(|(key, _)| key).collect()
}

fn set(heap: &Heap<Sim>, elements: &[Plain]) -> ObjectRef<Sim> {
    let set = RawSet::create(heap).unwrap();
    combine(&set, Algebra::Union, elements).unwrap();
    set.object().clone()
}

fn add(heap: &Heap<Sim>, o: &Objects, element: Plain) {
    with_key(heap, &element, |key| as_set(&o[0]).add(key, None)).unwrap();
}

fn change(o: &Objects, how: Algebra, elements: &[Plain]) {
    assert!(combine(&as_set(&o[0]), how, elements).unwrap());
}

/// One of the elements of `keys(n)`, one that is new and long, one that is new and short.
fn some() -> Vec<Plain> {
    vec![
        text(10),
        Plain::Int(2),
        Plain::Int(77),
        Plain::Text("a key of some length 3".into()),
    ]
}

fn default_dict(heap: &Heap<Sim>, pairs: &[(Plain, Plain)]) -> ObjectRef<Sim> {
    let dict = RawDict::create_of(heap, Kind::DefaultDict).unwrap();
    let mut factory = heap.prepare_pickle(b"what makes a value", &[]).unwrap();
    dict.set_factory(&mut factory).unwrap();
    for (k, v) in pairs {
        let mut v = prepare(heap, v).unwrap();
        with_key(heap, k, |key| dict.insert(key, None, &mut v)).unwrap();
    }
    dict.object().clone()
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    use Algebra::{Difference, Intersection, SymmetricDifference, Union};
    let nesting = |name, setup, act| Case { nests: true, ..case(name, setup, act) };
    vec![
        case("add inline", |h| vec![set(h, &keys(3))], |h, o| add(h, o, int(99))),
        case("add a block", |h| vec![set(h, &keys(3))], |h, o| add(h, o, text(70))),
        case("add, table renewed", |h| vec![set(h, &keys(5))], |h, o| add(h, o, text(40))),
        case("remove an element", |h| vec![set(h, &keys(5))], |h, o| {
            let key = Plain::Text("a key of some length 3".into());
            assert!(with_key(h, &key, |key| as_set(&o[0]).remove(key)).unwrap());
        }),
        case("pop an element", |h| vec![set(h, &keys(4))], |_, o| {
            as_set(&o[0]).pop(&mut Fetch::new()).unwrap();
        }),
        case("clear a set", |h| vec![set(h, &keys(5))], |_, o| as_set(&o[0]).clear().unwrap()),
        case("union", |h| vec![set(h, &keys(2))], |_, o| {
            change(o, Union, &[text(10), int(0), int(77), text(1100)]);
        }),
        case("union, table renewed", |h| vec![set(h, &keys(4))], |_, o| change(o, Union, &some())),
        case("union with originals", |h| vec![set(h, &keys(2))], |h, o| {
            let forms = [b"a form that is long".as_slice(), b"another long form"];
            let mut members = forms.map(|form| Member {
                key: Key::long(h, Tag::Typed, form),
                original: Some(h.prepare_bytes(Tag::Str, b"given as this").unwrap()),
            });
            assert!(as_set(&o[0]).combine(Union, &mut members).unwrap());
        }),
        case("difference", |h| vec![set(h, &keys(5))], |_, o| change(o, Difference, &some())),
        case("intersection", |h| vec![set(h, &keys(5))], |_, o| change(o, Intersection, &some())),
        case("intersection with nothing", |h| vec![set(h, &keys(5))], |_, o| change(o, Intersection, &[])),
        case("symmetric difference", |h| vec![set(h, &keys(3))], |_, o| {
            change(o, SymmetricDifference, &some());
        }),
        case("symmetric difference, renewed", |h| vec![set(h, &keys(5))], |_, o| {
            change(o, SymmetricDifference, &some());
        }),
        nesting("difference of what refers to a list", |h| {
            let holder = RawSet::create(h).unwrap();
            for form in [b"a form that is long".as_slice(), b"another long form"] {
                let mut original = h.prepare_pickle(b"a pickle", &[&list(h, &mixed(2))]).unwrap();
                holder.add(&Key::long(h, Tag::Typed, form), Some(&mut original)).unwrap();
            }
            vec![holder.object().clone()]
        }, |_, o| change(o, Intersection, &[])),
        case("clear a DefaultDict", |h| vec![default_dict(h, &mixed_pairs(4))], |_, o| {
            as_dict(&o[0]).clear().unwrap();
        }),
        case("popitem of a DefaultDict", |h| vec![default_dict(h, &mixed_pairs(2))], |_, o| {
            as_dict(&o[0]).popitem(&mut Fetch::new(), &mut Fetch::new()).unwrap();
        }),
        case("another factory", |h| vec![default_dict(h, &mixed_pairs(2))], |h, o| {
            let mut factory = h.prepare_pickle(b"another", &[]).unwrap();
            as_dict(&o[0]).set_factory(&mut factory).unwrap();
        }),
    ]
}
