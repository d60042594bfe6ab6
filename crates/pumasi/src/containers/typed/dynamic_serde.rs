//! Dynamic values and serde: as arguments of tasks, to JSON and back.

use core::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeTuple, Serializer};

use crate::containers::typed::{BigInt, Dict, Dynamic, List, Typed};
use crate::heap::object::ObjectRef;

/// Containers within containers are written down to this depth; deeper ones, and those that lead
/// to themselves, are an error.
const DEEPEST: usize = 100;

/// In a format for people, JSON for instance, a value is written as what it is: lists, tuples, sets
/// and deques as arrays, dictionaries as objects, each with copies of what is in it at that moment.
/// What such a format has no form for is an error: complex numbers, locks, Python's own objects.
///
/// In a compact format, which is that of arguments and results of tasks, everything is written so
/// that the same comes back; shared objects go by reference, and only to a process.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pumasi::{Dynamic, List};
///
/// let list: List = List::new()?;
/// list.push("rice")?;
/// list.push((1, 2.5))?;
/// let text = serde_json::to_string(&Dynamic::from(list))?;
/// assert_eq!(text, r#"["rice",[1,2.5]]"#);
/// # Ok(())
/// # }
/// ```
impl Serialize for Dynamic {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            At(self, 0).serialize(to)
        } else {
            self.exactly(to)
        }
    }
}

// What a value is in a compact format: a number, and what belongs to it.
const NONE: u8 = 0;
const BOOL: u8 = 1;
const INT: u8 = 2;
const BIG_INT: u8 = 3;
const FLOAT: u8 = 4;
const COMPLEX: u8 = 5;
const STR: u8 = 6;
const BYTES: u8 = 7;
const TUPLE: u8 = 8;
const OBJECT: u8 = 9;
const TYPED: u8 = 10;

impl Dynamic {
    fn exactly<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut pair = to.serialize_tuple(2)?;
        macro_rules! pair {
            ($tag:expr, $value:expr) => {{
                pair.serialize_element(&$tag)?;
                pair.serialize_element($value)?;
            }};
        }
        match self {
            Dynamic::None => pair!(NONE, &()),
            Dynamic::Bool(b) => pair!(BOOL, b),
            Dynamic::Int(i) => pair!(INT, i),
            Dynamic::BigInt(big) => pair!(BIG_INT, big.to_le_bytes()),
            Dynamic::Float(float) => pair!(FLOAT, float),
            Dynamic::Complex(re, im) => pair!(COMPLEX, &(re, im)),
            Dynamic::Str(text) => pair!(STR, text),
            Dynamic::Bytes(bytes) => pair!(BYTES, bytes),
            Dynamic::Tuple(items) => pair!(TUPLE, items),
            Dynamic::List(list) => pair!(OBJECT, list),
            Dynamic::Dict(dict) => pair!(OBJECT, dict),
            Dynamic::Set(set) => pair!(OBJECT, set),
            Dynamic::Deque(deque) => pair!(OBJECT, deque),
            Dynamic::Object(object) => pair!(OBJECT, object),
            Dynamic::Opaque(_) => return Err(S::Error::custom("a Python object stays in Python")),
            Dynamic::Typed(Typed { id, bytes }) => pair!(TYPED, &(id, bytes)),
        }
        pair.end()
    }
}

/// A value for people, so deep within others.
struct At<'a>(&'a Dynamic, usize);

impl Serialize for At<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let At(value, depth) = *self;
        if depth > DEEPEST {
            return Err(S::Error::custom(format_args!(
                "containers nested more than {DEEPEST} deep, or one that leads to itself"
            )));
        }
        let within = depth + 1;
        match value {
            Dynamic::None => to.serialize_unit(),
            Dynamic::Bool(b) => to.serialize_bool(*b),
            Dynamic::Int(i) => to.serialize_i64(*i),
            Dynamic::BigInt(_) => match i128::try_from(value.clone()) {
                Ok(i) => to.serialize_i128(i),
                Err(_) => Err(S::Error::custom("an integer of more than 128 bits")),
            },
            Dynamic::Float(float) => to.serialize_f64(*float),
            Dynamic::Complex(..) => Err(S::Error::custom("a complex number has no form here")),
            Dynamic::Str(text) => to.serialize_str(text),
            Dynamic::Bytes(bytes) => to.serialize_bytes(bytes),
            Dynamic::Tuple(items) => to.collect_seq(items.iter().map(|item| At(item, within))),
            Dynamic::List(list) => all(to, within, list.to_vec()),
            Dynamic::Set(set) => all(to, within, set.to_vec()),
            Dynamic::Deque(deque) => all(to, within, deque.to_vec()),
            Dynamic::Dict(dict) => {
                let pairs = dict.to_vec().map_err(S::Error::custom)?;
                let mut map = to.serialize_map(Some(pairs.len()))?;
                for (key, value) in &pairs {
                    map.serialize_entry(&At(key, within), &At(value, within))?;
                }
                map.end()
            }
            Dynamic::Object(object) => object.serialize(to),
            Dynamic::Opaque(_) => Err(S::Error::custom("a Python object has no form here")),
            Dynamic::Typed(_) => Err(S::Error::custom(
                "a value of a type that derives Shareable: read it as that type first",
            )),
        }
    }
}

fn all<S: Serializer>(
    to: S,
    within: usize,
    items: crate::Result<Vec<Dynamic>>,
) -> Result<S::Ok, S::Error> {
    let items = items.map_err(S::Error::custom)?;
    to.collect_seq(items.iter().map(|item| At(item, within)))
}

/// From a format that describes itself, JSON for instance, or as [`Dynamic`] was written down in a
/// compact one. An array becomes a shared List, an object a shared Dict, in the default heap.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pumasi::{Dict, Dynamic};
///
/// let fields: Dynamic = serde_json::from_str(r#"{"crop": "rice", "rows": [4, 5]}"#)?;
/// let fields = Dict::try_from(fields)?;
/// assert_eq!(fields.get("crop")?, Some("rice".into()));
/// # Ok(())
/// # }
/// ```
impl<'de> Deserialize<'de> for Dynamic {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            from.deserialize_any(Anything)
        } else {
            from.deserialize_tuple(2, Exactly)
        }
    }
}

struct Exactly;

impl<'de> Visitor<'de> for Exactly {
    type Value = Dynamic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value as pumasi writes it down")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Dynamic, A::Error> {
        fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(pair: &mut A) -> Result<T, A::Error> {
            let item = pair.next_element()?;
            item.ok_or_else(|| de::Error::invalid_length(1, &Exactly))
        }
        let tag: u8 = next(&mut pair)?;
        Ok(match tag {
            NONE => {
                let () = next(&mut pair)?;
                Dynamic::None
            }
            BOOL => Dynamic::Bool(next(&mut pair)?),
            INT => Dynamic::Int(next(&mut pair)?),
            BIG_INT => BigInt::from_le_bytes(&next::<A, Vec<u8>>(&mut pair)?),
            FLOAT => Dynamic::Float(next(&mut pair)?),
            COMPLEX => {
                let (re, im) = next(&mut pair)?;
                Dynamic::Complex(re, im)
            }
            STR => Dynamic::Str(next(&mut pair)?),
            BYTES => Dynamic::Bytes(next(&mut pair)?),
            TUPLE => Dynamic::Tuple(next(&mut pair)?),
            OBJECT => {
                Dynamic::of_object(next::<A, ObjectRef>(&mut pair)?).map_err(de::Error::custom)?
            }
            TYPED => {
                let (id, bytes) = next(&mut pair)?;
                Dynamic::Typed(Typed { id, bytes })
            }
            other => return Err(de::Error::custom(format_args!("no sort of value: {other}"))),
        })
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Dynamic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Dynamic, D::Error> {
        from.deserialize_any(Anything)
    }

    fn visit_bool<E: de::Error>(self, b: bool) -> Result<Dynamic, E> {
        Ok(b.into())
    }

    fn visit_i64<E: de::Error>(self, i: i64) -> Result<Dynamic, E> {
        Ok(i.into())
    }

    fn visit_u64<E: de::Error>(self, i: u64) -> Result<Dynamic, E> {
        Ok(i.into())
    }

    fn visit_i128<E: de::Error>(self, i: i128) -> Result<Dynamic, E> {
        Ok(i.into())
    }

    fn visit_u128<E: de::Error>(self, i: u128) -> Result<Dynamic, E> {
        Ok(i.into())
    }

    fn visit_f64<E: de::Error>(self, float: f64) -> Result<Dynamic, E> {
        Ok(float.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Dynamic, E> {
        Ok(text.into())
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Dynamic, E> {
        Ok(bytes.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Dynamic, A::Error> {
        let list: List = List::new().map_err(de::Error::custom)?;
        while let Some(item) = items.next_element::<Dynamic>()? {
            list.push(item).map_err(de::Error::custom)?;
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Dynamic, A::Error> {
        let dict: Dict = Dict::new().map_err(de::Error::custom)?;
        while let Some((key, value)) = pairs.next_entry::<Dynamic, Dynamic>()? {
            dict.insert(key, value).map_err(de::Error::custom)?;
        }
        Ok(dict.into())
    }
}
