//! What a value of a type begins with, for a dictionary that makes missing ones.

use crate::containers::typed::{
    Counter, DefaultDict, Deque, Dict, DictKey, Element, List, Namespace, Queue, Set, Vector,
};
use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::Kind;
use crate::heap::shareable::{Native, Shareable};

/// A type whose missing values a [`DefaultDict`] makes: zero, an empty text, an empty container.
///
/// Every [`Shareable`] type that has a `Default` is one. For the others see the list of
/// implementations; where it lacks a type, [`Dict::get_or_insert_with`] makes what is missing.
///
/// ```
/// use pumasi::{DefaultDict, Shareable};
///
/// #[derive(Clone, Copy, Debug, Default, PartialEq, Shareable)]
/// #[repr(C)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
///
/// let corners = DefaultDict::<char, Point>::new()?;
/// assert_eq!(corners.get('a')?, Point { x: 0.0, y: 0.0 });
/// # Ok::<(), pumasi::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a `DefaultDict` does not know how a `{Self}` begins",
    note = "a type that derives `Shareable` needs a `Default`; of others use \
            `get_or_insert_with` of a `Dict`"
)]
pub trait Fresh: Element {
    /// What other languages make for a missing value, if they have it.
    #[doc(hidden)]
    const FACTORY: Option<Factory> = None;

    /// The value to begin with; a container is made in `heap`.
    ///
    /// ```
    /// use pumasi::containers::Fresh;
    /// use pumasi::{Heap, List};
    ///
    /// let heap = Heap::global()?;
    /// assert_eq!(i64::fresh(heap)?, 0);
    /// assert!(List::<String>::fresh(heap)?.is_empty()?);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), of a container.
    fn fresh(heap: &Heap) -> Result<Self>;
}

/// A sort of value that every language makes for itself: the factory of a DefaultDict that was made
/// in Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factory {
    /// The integer 0.
    Integer,
    /// The float 0.
    Float,
    /// False.
    Truth,
    /// An empty text.
    Text,
    /// No bytes.
    Bytes,
    /// An empty container of this kind.
    Object(Kind),
}

impl Factory {
    /// The number that stands for it in the heap: a part of the format.
    ///
    /// ```
    /// use pumasi::containers::Factory;
    ///
    /// assert_eq!(Factory::Integer.code(), -1);
    /// ```
    pub fn code(self) -> i64 {
        match self {
            Factory::Integer => -1,
            Factory::Float => -2,
            Factory::Truth => -3,
            Factory::Text => -4,
            Factory::Bytes => -5,
            Factory::Object(kind) => kind as i64,
        }
    }

    /// What a number stands for.
    ///
    /// ```
    /// use pumasi::containers::Factory;
    /// use pumasi::heap::object::Kind;
    ///
    /// let list = Factory::Object(Kind::List);
    /// assert_eq!(Factory::of_code(list.code()), Some(list));
    /// assert_eq!(Factory::of_code(-99), None);
    /// ```
    pub fn of_code(code: i64) -> Option<Factory> {
        Some(match code {
            -1 => Factory::Integer,
            -2 => Factory::Float,
            -3 => Factory::Truth,
            -4 => Factory::Text,
            -5 => Factory::Bytes,
            _ => Factory::Object(Kind::of(u64::try_from(code).ok()?)?),
        })
    }
}

impl<T: Shareable + Default> Fresh for T {
    const FACTORY: Option<Factory> = match T::NATIVE {
        Native::Signed | Native::Unsigned => Some(Factory::Integer),
        Native::Float => Some(Factory::Float),
        Native::Bool => Some(Factory::Truth),
        // Other languages have no letter to begin with, and do not know our types.
        Native::Char | Native::No => None,
    };

    fn fresh(_: &Heap) -> Result<Self> {
        Ok(T::default())
    }
}

impl Fresh for String {
    const FACTORY: Option<Factory> = Some(Factory::Text);

    fn fresh(_: &Heap) -> Result<Self> {
        Ok(String::new())
    }
}

impl Fresh for Vec<u8> {
    const FACTORY: Option<Factory> = Some(Factory::Bytes);

    fn fresh(_: &Heap) -> Result<Self> {
        Ok(Vec::new())
    }
}

/// `None`.
impl<T: Element> Fresh for Option<T> {
    fn fresh(_: &Heap) -> Result<Self> {
        Ok(None)
    }
}

macro_rules! containers {
    ($($name:ident $(<$($p:ident: $bound:ident),+>)? => $factory:expr,)+) => {$(
        /// A new one with nothing in it.
        impl $(<$($p: $bound),+>)? Fresh for $name $(<$($p),+>)? {
            const FACTORY: Option<Factory> = $factory;

            fn fresh(heap: &Heap) -> Result<Self> {
                $name::new_in(heap)
            }
        }
    )+};
}

containers! {
    List<T: Element> => Some(Factory::Object(Kind::List)),
    Deque<T: Element> => Some(Factory::Object(Kind::Deque)),
    Dict<K: DictKey, V: Element> => Some(Factory::Object(Kind::Dict)),
    Set<K: DictKey> => Some(Factory::Object(Kind::Set)),
    Counter<K: DictKey> => Some(Factory::Object(Kind::Counter)),
    Namespace => Some(Factory::Object(Kind::Namespace)),
    // What it makes, what its elements are, which sort of queue: others cannot know.
    DefaultDict<K: DictKey, V: Fresh> => None,
    Vector<T: Shareable> => None,
    Queue<T: Element> => None,
}
