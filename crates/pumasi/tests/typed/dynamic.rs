//! Dynamic: from and into Rust's own values, in words, and nested tuples.

use pumasi::containers::Element;
use pumasi::{Dict, Dynamic, Error, List, Shareable};

use crate::common::tidy;

#[derive(Clone, Copy, Debug, PartialEq, Shareable)]
#[repr(C)]
struct Point {
    x: f64,
    y: f64,
}

#[test]
fn values_turn_into_dynamic_and_back() {
    assert_eq!(Dynamic::from(5u8).as_int(), Some(5));
    assert_eq!(Dynamic::from(u64::MAX).as_int(), None);
    assert_eq!(u64::try_from(Dynamic::from(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(i128::try_from(Dynamic::from(i128::MIN)).unwrap(), i128::MIN);
    assert_eq!(i64::try_from(Dynamic::from(-5i128)).unwrap(), -5);
    assert_eq!(Dynamic::from(2.5).as_float(), Some(2.5));
    assert_eq!(Dynamic::from(2).as_float(), Some(2.0));
    assert_eq!(Dynamic::from(true).as_bool(), Some(true));
    assert_eq!(Dynamic::from("rice").as_str(), Some("rice"));
    assert_eq!(Dynamic::from('쌀').as_str(), Some("쌀"));
    assert!(Dynamic::from(None::<u8>).is_none());
    assert_eq!(String::try_from(Dynamic::from("rice")).unwrap(), "rice");
    assert_eq!(Vec::<u8>::try_from(Dynamic::from(vec![1u8])).unwrap(), [1]);
    let error = u8::try_from(Dynamic::from("rice")).unwrap_err();
    assert!(matches!(error, Error::TypeMismatch { .. }), "{error}");
    assert_ne!(Dynamic::from(1), Dynamic::from(1.0));
}

#[test]
fn values_print_as_in_python() {
    let _tidy = tidy();
    for (value, text) in [
        (Dynamic::None, "None"),
        (true.into(), "True"),
        ((-7).into(), "-7"),
        (u64::MAX.into(), "18446744073709551615"),
        (i128::MIN.into(), "-170141183460469231731687303715884105728"),
        (u128::MAX.into(), "340282366920938463463374607431768211455"),
        (1.0.into(), "1.0"),
        (Dynamic::Complex(1.5, -2.0), "(1.5-2.0j)"),
        ("rice".into(), "rice"),
        (vec![b'a', 0xff].into(), "b\"a\\xff\""),
        (Dynamic::Tuple(vec![1.into()]), "(1,)"),
        (Dynamic::Tuple(vec![]), "()"),
        (Dynamic::Tuple(vec!["a".into(), 2.5.into()]), "(\"a\", 2.5)"),
    ] {
        assert_eq!(value.to_string(), text);
    }
    let list = Dynamic::from(List::<i64>::new().unwrap());
    assert!(list.to_string().starts_with("<List@0x"), "{list}");
}

#[test]
fn everything_comes_back_from_a_list() {
    let _tidy = tidy();
    let values = [
        Dynamic::None,
        true.into(),
        1.into(),
        i64::MAX.into(),
        (1u128 << 80).into(),
        0.1.into(),
        Dynamic::Complex(0.0, 1.0),
        "short".into(),
        "a text which is longer than a cell".into(),
        vec![0u8; 2000].into(),
        Dynamic::Tuple(vec![
            Dynamic::Tuple(vec![]),
            (1u128 << 80).into(),
            Dynamic::None,
        ]),
        Dynamic::from(List::of([1]).unwrap()),
        Dynamic::from(Dict::of([(1, 2)]).unwrap()),
    ];
    let list: List = List::of(values.clone()).unwrap();
    assert_eq!(list.to_vec().unwrap(), values);
    for (i, value) in values.iter().enumerate() {
        assert_eq!(list.get(i).unwrap().as_ref(), Some(value));
    }
}

#[test]
fn a_typed_value_is_read_by_who_knows_its_type() {
    let _tidy = tidy();
    let point = Point { x: 1.0, y: 2.0 };
    let list: List = List::new().unwrap();
    list.push(point).unwrap();
    let found = list.get(0).unwrap().unwrap();
    let Dynamic::Typed(typed) = &found else {
        panic!("{found}");
    };
    assert_eq!(typed.get::<Point>().unwrap(), point);
    assert!(typed.get::<[f64; 2]>().is_err() && typed.get::<f64>().is_err());
    // It can be stored on without knowing the type.
    list.push(&found).unwrap();
    assert_eq!(list.cast::<Point>().get(1).unwrap(), Some(point));
}

#[test]
fn tuples_have_a_deepest() {
    let _tidy = tidy();
    let nested = |depth| (0..depth).fold(Dynamic::None, |inner, _| Dynamic::Tuple(vec![inner]));
    let list: List = List::new().unwrap();
    list.push(nested(150)).unwrap();
    assert_eq!(list.get(0).unwrap().unwrap(), nested(150));
    assert!(matches!(
        list.push(nested(300)),
        Err(Error::Unsupported { .. })
    ));
    assert_eq!(list.len().unwrap(), 1);
}

/// What does not fit any type must not compile; here only that the bound is there.
#[test]
fn elements_are_what_the_table_says() {
    fn element<T: Element>() {}
    element::<Option<(String, Vec<u8>, List<Dict<String, f64>>)>>();
    element::<[Point; 3]>();
}

#[pumasi::task]
fn twice(value: Dynamic) -> (Dynamic, Dynamic) {
    (value.clone(), value)
}

#[test]
fn dynamic_values_are_arguments_and_results() {
    let _tidy = tidy();
    let list: List = List::new().unwrap();
    list.push(1).unwrap();
    let values = [
        Dynamic::None,
        true.into(),
        (-7).into(),
        i128::MIN.into(),
        2.5.into(),
        Dynamic::Complex(0.5, -1.0),
        "text".into(),
        vec![0u8, 255].into(),
        vec![1.into(), Dynamic::Tuple(vec![Dynamic::None])].into(),
        list.clone().into(),
        Dict::<u8, u8>::new().unwrap().into(),
        Dynamic::Object(pumasi::Event::new().unwrap().raw().object().clone()),
    ];
    for value in values {
        let (one, two) = twice::spawn(value.clone()).unwrap().join().unwrap();
        assert_eq!(one, value);
        assert_eq!(two, value);
    }
    let points: List = List::new().unwrap();
    points.push(Point { x: 1.0, y: 2.0 }).unwrap();
    let point = points.get(0).unwrap().unwrap();
    let (Dynamic::Typed(back), _) = twice::spawn(point).unwrap().join().unwrap() else {
        panic!("no value of a type of its own");
    };
    assert_eq!(back.get::<Point>().unwrap(), Point { x: 1.0, y: 2.0 });
}

#[test]
fn dynamic_values_and_json() {
    let _tidy = tidy();
    let text =
        r#"{"crop":"rice","rows":[1,[2.5,null]],"more":{"much":18446744073709551615,"ok":true}}"#;
    let value: Dynamic = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), text);
    let dict = Dict::try_from(value).unwrap();
    assert_eq!(dict.get("crop").unwrap(), Some("rice".into()));
    let rows = List::try_from(dict.get("rows").unwrap().unwrap()).unwrap();
    rows.push((1, 'x')).unwrap();
    rows.push(pumasi::Set::of([7_u8]).unwrap()).unwrap();
    rows.push(pumasi::Deque::of([8_u8]).unwrap()).unwrap();
    rows.push(b"\x01\x02".as_slice()).unwrap();
    let rows = Dynamic::from(rows);
    let text = serde_json::to_string(&rows).unwrap();
    assert_eq!(text, r#"[1,[2.5,null],[1,"x"],[7],[8],[1,2]]"#);
    let numbered: Dict = Dict::new().unwrap();
    numbered.insert(1, Dynamic::None).unwrap();
    let text = serde_json::to_string(&Dynamic::from(numbered)).unwrap();
    assert_eq!(text, r#"{"1":null}"#);

    let said = |value: Dynamic| serde_json::to_string(&value).unwrap_err().to_string();
    assert!(said(Dynamic::Complex(1.0, 2.0)).contains("complex"));
    let event = pumasi::Event::new().unwrap();
    let event = Dynamic::Object(event.raw().object().clone());
    assert!(said(event).contains("a shared Event"));
    let points: List = List::new().unwrap();
    points.push(Point { x: 1.0, y: 2.0 }).unwrap();
    assert!(said(points.into()).contains("Shareable"));
    let itself: List = List::new().unwrap();
    itself.push(&itself).unwrap();
    assert!(said(itself.clone().into()).contains("leads to itself"));
    itself.clear().unwrap();
    assert!(serde_json::from_str::<Dynamic>("[1, }").is_err());
}
