//! What Rust stores Python reads, and the other way round.
//!
//! Needs a Python in which pumasi is installed, named by `PUMASI_PYTHON`; without it nothing is
//! tested here, and a line says so.

use std::process::Command;

use pumasi::containers::RawDict;
use pumasi::heap::object::{Kind, ObjectRef};
use pumasi::{
    Counter, DefaultDict, Deque, Dict, Dynamic, Error, Heap, List, Namespace, Queue, Set,
    Shareable, Vector,
};

use crate::common::tidy;

#[derive(Clone, Copy, Debug, Default, PartialEq, Shareable)]
#[repr(C)]
struct Point {
    x: f64,
    y: f64,
}

/// Runs Python lines in a process which joins this heap and has the object as `shared`; what they
/// print. `None` where there is no such Python.
fn python(object: &ObjectRef, lines: &str) -> Option<String> {
    let Some(python) = std::env::var_os("PUMASI_PYTHON") else {
        eprintln!("not tested: PUMASI_PYTHON names no Python with pumasi");
        return None;
    };
    let ticket = Heap::global().unwrap().ticket();
    let (offset, generation) = object.token();
    let class = object.kind().name();
    let program = format!(
        "import pumasi\nfrom pumasi._core import dereference\n\
         shared = pumasi.{class}(dereference({ticket:?}, {offset}, {generation}))\n{lines}"
    );
    let done = Command::new(python)
        .args(["-c", &program])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}\n{program}");
    Some(String::from_utf8(done.stdout).unwrap())
}

#[test]
fn python_reads_what_rust_stores() {
    let _tidy = tidy();
    let list: List = List::new().unwrap();
    list.push(Dynamic::None).unwrap();
    list.push(true).unwrap();
    list.push(-7).unwrap();
    list.push(u64::MAX).unwrap();
    list.push(i128::MIN).unwrap();
    list.push(2.5).unwrap();
    list.push('품').unwrap();
    list.push("a text which is longer than a cell").unwrap();
    list.push(b"\x00\xff".as_slice()).unwrap();
    list.push((1, ("a".to_owned(), None::<u8>), 0.5)).unwrap();
    list.push(Dynamic::Complex(1.0, -2.0)).unwrap();
    list.push(List::of([1, 2]).unwrap()).unwrap();
    list.push(Dict::of([("key".to_owned(), 1)]).unwrap())
        .unwrap();
    let expected = "[None, True, -7, 18446744073709551615, \
                    -170141183460469231731687303715884105728, 2.5, '품', \
                    'a text which is longer than a cell', b'\\x00\\xff', \
                    (1, ('a', None), 0.5), (1-2j), [1, 2], {'key': 1}]\n";
    let Some(printed) = python(list.raw().object(), "print(shared.to_plain())") else {
        return;
    };
    assert_eq!(printed, expected);

    // Of a type that only Rust has it says so.
    list.clear().unwrap();
    list.push(Point { x: 1.0, y: 2.0 }).unwrap();
    list.push((Point { x: 1.0, y: 2.0 }, 1)).unwrap();
    let lines =
        "for i in 0, 1:\n    try:\n        shared[i]\n    except TypeError as e:\n        print(e)";
    let printed = python(list.raw().object(), lines).unwrap();
    assert_eq!(printed.matches("Rust").count(), 2, "{printed}");
}

#[test]
fn rust_reads_what_python_stores() {
    let _tidy = tidy();
    let list: List = List::new().unwrap();
    let lines = "shared.extend([None, False, 1 << 62, 1 << 100, -(1 << 63) - 1, 0.1, 'a', 'x' * 2000, \
                 b'bytes', (1, (2.5, 'b'), ()), 1j, {'n': [1, 2]}, {1, 2}])\nprint(len(shared))";
    let Some(printed) = python(list.raw().object(), lines) else {
        return;
    };
    assert_eq!(printed, "13\n");
    let values = list.to_vec().unwrap();
    let tuple = |items: Vec<Dynamic>| Dynamic::Tuple(items);
    assert_eq!(
        values[..11],
        [
            Dynamic::None,
            false.into(),
            (1i64 << 62).into(),
            (1u128 << 100).into(),
            (i128::from(i64::MIN) - 1).into(),
            0.1.into(),
            "a".into(),
            "x".repeat(2000).into(),
            b"bytes".as_slice().into(),
            tuple(vec![
                1.into(),
                tuple(vec![2.5.into(), "b".into()]),
                tuple(vec![])
            ]),
            Dynamic::Complex(0.0, 1.0),
        ]
    );
    let Dynamic::Dict(nested) = &values[11] else {
        panic!("{}", values[11]);
    };
    let nested = nested.clone().cast::<String, List<i64>>();
    assert_eq!(nested.get("n").unwrap().unwrap().to_vec().unwrap(), [1, 2]);
    let Dynamic::Set(nested) = &values[12] else {
        panic!("{}", values[12]);
    };
    assert_eq!(nested.clone().cast::<i64>().to_vec().unwrap(), [1, 2]);
}

#[test]
fn sets_are_the_same_in_both() {
    let _tidy = tidy();
    let set: Set = Set::new().unwrap();
    set.extend([
        Dynamic::from(1),
        "a text which is longer than a cell".into(),
    ])
    .unwrap();
    let lines = "assert shared == {True, 'a text which is longer than a cell'}\n\
                 shared ^= {1.0, 2.5, (1, 'x')}\n\
                 print(sorted(map(repr, shared)))";
    let Some(printed) = python(set.raw().object(), lines) else {
        return;
    };
    let expected = "[\"'a text which is longer than a cell'\", \"(1, 'x')\", '2.5']\n";
    assert_eq!(printed, expected);
    assert!(set.contains(2.5).unwrap());
    assert!(set.contains((1, "x".to_owned())).unwrap());
    assert!(!set.contains(1).unwrap());
    assert!(!set.insert("a text which is longer than a cell").unwrap());
}

#[test]
fn deques_are_the_same_in_both() {
    let _tidy = tidy();
    let deque: Deque = Deque::bounded(4).unwrap();
    deque.extend([1, 2]).unwrap();
    deque
        .push_front("a text which is longer than a cell")
        .unwrap();
    let lines = "assert shared == type(shared.copy())(['a text which is longer than a cell', 1, 2], 4)\n\
                 shared.rotate(-1)\n\
                 shared.append((1, 'x'))\n\
                 shared.appendleft(2.5)\n\
                 print(shared, shared.maxlen)";
    let Some(printed) = python(deque.raw().object(), lines) else {
        return;
    };
    assert_eq!(
        printed,
        "deque([2.5, 1, 2, 'a text which is longer than a cell'], maxlen=4) 4\n"
    );
    assert_eq!(deque.pop_front().unwrap(), Some(2.5.into()));
    assert_eq!(
        deque.back().unwrap().as_ref().and_then(Dynamic::as_str),
        Some("a text which is longer than a cell")
    );
    let list: List = List::new().unwrap();
    list.push(deque.clone()).unwrap();
    let lines = "shared[0].insert(1, None)\nprint(shared)";
    let printed = python(list.raw().object(), lines).unwrap();
    assert_eq!(
        printed,
        "[deque([1, None, 2, 'a text which is longer than a cell'], maxlen=4)]\n"
    );
    assert_eq!(deque.get(1).unwrap(), Some(Dynamic::None));
}

#[test]
fn sorts_of_dicts_are_dicts_in_rust() {
    let _tidy = tidy();
    let list: List = List::new().unwrap();
    for kind in [Kind::Counter, Kind::DefaultDict, Kind::Namespace] {
        let raw = RawDict::create_of(Heap::global().unwrap(), kind).unwrap();
        list.push(Dict::<Dynamic, Dynamic>::from(raw)).unwrap();
    }
    let lines = "shared[0].update('aab')\n\
                 shared[1].default_factory = list\n\
                 shared[1]['x'].append(1)\n\
                 shared[2].a = 1\n\
                 print(*shared)";
    let Some(printed) = python(list.raw().object(), lines) else {
        return;
    };
    assert_eq!(
        printed,
        "Counter({'a': 2, 'b': 1}) defaultdict(<class 'list'>, {'x': [1]}) Namespace(a=1)\n"
    );
    let values = list.to_vec().unwrap();
    let dict = |i: usize| match &values[i] {
        Dynamic::Dict(dict) => dict.clone(),
        other => panic!("{other}"),
    };
    let counts = dict(0).cast::<String, i64>();
    assert_eq!(counts.add("a", 5).unwrap(), 7);
    let groups = dict(1).cast::<String, List<i64>>();
    groups.insert("y", List::of([2]).unwrap()).unwrap();
    assert_eq!(groups.keys().unwrap(), ["x", "y"]);
    groups.remove("x").unwrap();
    dict(2).insert("b", 2).unwrap();
    let lines = "print(*shared)\nprint(shared[1]['new'])";
    let printed = python(list.raw().object(), lines).unwrap();
    assert_eq!(
        printed,
        "Counter({'a': 7, 'b': 1}) defaultdict(<class 'list'>, {'y': [2]}) Namespace(a=1, b=2)\n[]\n"
    );
}

#[test]
fn what_rust_makes_for_a_missing_key_python_makes_too() {
    let _tidy = tidy();
    let sorts = Namespace::new().unwrap();
    macro_rules! sorts {
        ($($name:ident: $type:ty),+ $(,)?) => {
            $(sorts
                .set(stringify!($name), DefaultDict::<String, $type>::new().unwrap())
                .unwrap();)+
        };
    }
    sorts! {
        i: i64, u: u8, f: f32, t: bool, s: String, b: Vec<u8>, l: List<i64>, d: Dict<u8, u8>,
        e: Set<u8>, q: Deque<u8>, c: Counter<u8>, n: Namespace, w: Queue<u8>,
        g: DefaultDict<u8, i64>, v: Vector<u8>, p: Point, o: Option<u8>,
    }
    let lines = "for name in 'iuftsbldeqcn':\n    \
                 made = getattr(shared, name)\n    \
                 print(name, made.default_factory.__name__, repr(made['new']).split('(')[0])\n\
                 for name in 'powgv':\n    \
                 try:\n        getattr(shared, name)['new']\n    \
                 except KeyError as e:\n        print(name, repr(e))\n\
                 shared.l['new'].append(1)\n\
                 shared.i['new'] += 5\n\
                 shared.later = 'from Python'\n\
                 print(repr(shared.i))\n\
                 import pickle; assert pickle.loads(pickle.dumps(shared.l.copy())) == {'new': [1]}";
    let Some(printed) = python(sorts.as_dict().raw().object(), lines) else {
        return;
    };
    let expected = "i int 0\nu int 0\nf float 0.0\nt bool False\ns str ''\nb bytes b''\n\
                    l list []\nd dict {}\ne set set\nq Deque deque\nc Counter Counter\n\
                    n Namespace Namespace\np KeyError('new')\no KeyError('new')\n\
                    w KeyError('new')\ng KeyError('new')\nv KeyError('new')\n\
                    defaultdict(<class 'int'>, {'new': 5})\n";
    assert_eq!(printed, expected);
    type Lists = DefaultDict<String, List<i64>>;
    let lists = sorts.get::<Lists>("l").unwrap().unwrap();
    assert_eq!(lists.get("new").unwrap().to_vec().unwrap(), [1]);
    let later = sorts.get::<String>("later").unwrap();
    assert_eq!(later.as_deref(), Some("from Python"));
}

#[test]
fn vectors_are_the_same_in_both() {
    let _tidy = tidy();
    // Written in Python, of numbers.
    let list: List = List::new().unwrap();
    list.push(Vector::<i64>::new().unwrap()).unwrap();
    list.push(Vector::<f64>::new().unwrap()).unwrap();
    list.push(Vector::<u8>::new().unwrap()).unwrap();
    let lines = "shared[0].extend([1, -2])\nshared[0].append(1 << 62)\nshared[0].add(0, 10)\n\
                 shared[1].insert(0, 0.5)\nshared[2].frombytes(b'ab')\n\
                 print([v.typecode for v in shared])";
    let Some(printed) = python(list.raw().object(), lines) else {
        return;
    };
    assert_eq!(printed, "['q', 'd', 'B']\n");
    let integers: Vector<i64> = vector(&list, 0);
    assert_eq!(integers.to_vec().unwrap(), [11, -2, 1 << 62]);
    assert_eq!(vector::<f64>(&list, 1).to_vec().unwrap(), [0.5]);
    assert_eq!(vector::<u8>(&list, 2).to_vec().unwrap(), b"ab");
    let wrong = list.clone().cast::<Vector<u64>>().get(0);
    assert!(matches!(wrong, Err(Error::TypeMismatch { .. })));

    // And back: changed in Rust, seen in Python, with a view on each side.
    integers.push(i64::MIN).unwrap();
    integers.remove(1).unwrap();
    integers.fetch_add(0, -1).unwrap();
    let lines = "view = memoryview(shared)\nview[0] += 1\n\
                 print(shared.to_plain(), view.format, len(view))\n\
                 try:\n    shared.pop(0)\nexcept BufferError:\n    print('kept')";
    let printed = python(integers.raw().object(), lines).unwrap();
    let expected = "array('q', [11, 4611686018427387904, -9223372036854775808]) q 3\nkept\n";
    assert_eq!(printed, expected);
    assert_eq!(integers.get(0).unwrap(), Some(11));
    let view = integers.export().unwrap();
    let lines = "try:\n    shared.insert(0, 5)\nexcept BufferError:\n    print('kept')\n\
                 shared[0] = 12";
    assert_eq!(python(integers.raw().object(), lines).unwrap(), "kept\n");
    assert_eq!(integers.first().unwrap(), Some(12));
    drop(view);

    // Made in Rust, of numbers and of what Python can only count.
    let floats = Vector::from_slice(&[1.5_f32, 2.5]).unwrap();
    let lines = "shared.extend([3.5])\nprint(shared)";
    let printed = python(floats.raw().object(), lines).unwrap();
    assert_eq!(printed, "Vector('f', [1.5, 2.5, 3.5])\n");
    assert_eq!(floats.pop().unwrap(), Some(3.5));
}

/// An item that is a vector of these.
fn vector<T: Shareable>(list: &List, i: usize) -> Vector<T> {
    list.clone().cast::<Vector<T>>().get(i).unwrap().unwrap()
}

#[test]
fn keys_are_the_same_in_both() {
    let _tidy = tidy();
    let dict: Dict = Dict::new().unwrap();
    dict.insert(1, "int").unwrap();
    dict.insert("a key which is longer than a cell", "text")
        .unwrap();
    dict.insert((1, ("x".to_owned(), 2.0)), "tuple").unwrap();
    dict.insert(u64::MAX, "large").unwrap();
    dict.insert(0.5, "half").unwrap();
    dict.insert(b"bytes which are longer".as_slice(), "bytes")
        .unwrap();
    dict.insert(Dynamic::None, "none").unwrap();
    let lines = "assert shared[True] == shared[1.0] == 'int'\n\
                 assert shared['a key which is longer than a cell'] == 'text'\n\
                 assert shared[True, ('x', 2)] == 'tuple'\n\
                 assert shared[(1 << 64) - 1] == 'large'\n\
                 assert shared[0.5] == shared[0.5 + 0j] == 'half'\n\
                 assert shared[b'bytes which are longer'] == 'bytes' and shared[None] == 'none'\n\
                 shared[2.0] = 'two'\n\
                 shared['n'] = 1\n\
                 shared.add('n', 2)\n\
                 print(list(shared.to_plain()))";
    let Some(printed) = python(dict.raw().object(), lines) else {
        return;
    };
    assert_eq!(
        printed,
        "[1, 'a key which is longer than a cell', (1, ('x', 2.0)), 18446744073709551615, 0.5, \
         b'bytes which are longer', None, 2.0, 'n']\n"
    );
    assert_eq!(dict.get(2).unwrap(), Some("two".into()));
    assert_eq!(dict.add("n", 1.into()).unwrap(), 4.into());
    let keys = dict.keys().unwrap();
    assert_eq!(keys[7], Dynamic::Float(2.0));
}

#[test]
fn a_queue_between_both() {
    let _tidy = tidy();
    let orders = Queue::of(["rice", "salt"].map(String::from)).unwrap();
    let goods: Queue<(String, u32)> = Queue::new().unwrap();
    orders.close().unwrap();
    let both: List = List::new().unwrap();
    both.push(&orders).unwrap();
    both.push(&goods).unwrap();
    let lines = "orders, goods = shared[0], shared[1]\n\
                 goods.put((orders.get(), 1))\n\
                 goods.put((orders.get(), 2))\n\
                 print(orders.qsize(), goods.qsize())";
    let Some(printed) = python(both.raw().object(), lines) else {
        return;
    };
    assert_eq!(printed, "0 2\n");
    let found: Vec<_> = goods.drain().map(Result::unwrap).collect();
    assert_eq!(found, [("rice".to_owned(), 1), ("salt".to_owned(), 2)]);
}

#[test]
fn a_counter_of_both() {
    let _tidy = tidy();
    let letters = Counter::of(["a", "b", "a"].map(String::from)).unwrap();
    let outer: List = List::new().unwrap();
    outer.push(&letters).unwrap();
    let lines = "print(shared[0])\nshared[0].update('abc')";
    let Some(printed) = python(outer.raw().object(), lines) else {
        return;
    };
    assert_eq!(printed, "Counter({'a': 2, 'b': 1})\n");
    assert_eq!(letters.count("a").unwrap(), 3);
    assert_eq!(letters.total().unwrap(), 6);
}
