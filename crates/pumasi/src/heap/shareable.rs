//! Which Rust types may lie in shared memory byte for byte, and how their bytes are read.
//!
//! A shared value is a run of plain bytes: no addresses, no padding, one layout. Other processes
//! write them, so reading is a check and a copy, never a cast: there is no Rust reference to
//! shared bytes, and a byte pattern that the type does not have (a `bool` of 2) is noticed.
//!
//! The type's layout travels as [`Shareable::TYPE_ID`], which a typed container stores when it
//! is made and compares when it is opened. The numbers are part of the heap's format: FNV-1a
//! (Fowler, Noll, Vo; 64 bits) over names, sizes, alignments and offsets, see [`TypeHash`].

/// A type whose bytes mean the same in every process: plain data, without padding.
///
/// Integers, floats, `bool`, `char`, arrays of these and types which derive it are `Shareable`.
/// Everything that points somewhere (references, `Box`, `Vec`, `String`, the handles of shared
/// objects) is not, and the derive says what to use instead.
///
/// ```
/// use pumasi::Shareable;
///
/// #[derive(Clone, Copy, Debug, PartialEq, Shareable)]
/// #[repr(C)]
/// struct Particle {
///     position: [f64; 3],
///     mass: f32,
///     kind: Kind,
///     alive: bool,
///     _gap: [u8; 2], // without it the compiler would leave two bytes unnamed
/// }
///
/// #[derive(Clone, Copy, Debug, PartialEq, Shareable)]
/// #[repr(u8)]
/// enum Kind {
///     Electron,
///     Proton,
/// }
///
/// let particle = Particle {
///     position: [1.0, 2.0, 3.0],
///     mass: 0.5,
///     kind: Kind::Proton,
///     alive: true,
///     _gap: [0; 2],
/// };
/// let mut bytes = pumasi::heap::shareable::to_bytes(&particle).to_vec();
/// assert_eq!(pumasi::heap::shareable::from_bytes(&bytes), Some(particle));
///
/// // Another process wrote what is no `bool`: told, not believed.
/// bytes[29] = 2;
/// assert_eq!(pumasi::heap::shareable::from_bytes::<Particle>(&bytes), None);
/// ```
///
/// A type parameter is bound automatically: `struct Pair<T> { a: T, b: T }` is `Shareable`
/// whenever `T` is. The missing padding is then checked for each `T` it is used with.
///
/// # Safety
/// The implementer promises that
/// - the layout is fixed: `repr(C)`, `repr(transparent)` or an integer `repr`;
/// - no byte of a value is padding, for every combination of type parameters for which
///   evaluating `TYPE_ID` compiles (whoever turns a value into bytes evaluates it first);
/// - no byte is part of an address, a descriptor or anything else private to one process;
/// - `is_valid` returns true only for bytes that are a valid value of the type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory byte for byte",
    label = "not `Shareable`",
    note = "shareable are integers, floats, `bool`, `char`, arrays of these, and types with `#[derive(Clone, Copy, Shareable)]` and `#[repr(C)]`",
    note = "what points into the memory of one process (references, `Box`, `Vec`, `String`, handles) is stored in a shared container instead, or as an array"
)]
pub unsafe trait Shareable: Copy + 'static {
    /// A hash of the type's name and layout, and of those of its fields. Two programs that
    /// agree on it lay the type out alike.
    const TYPE_ID: u64;

    /// Whether these bytes are a value of this type. False, too, when their number is not its
    /// size.
    fn is_valid(bytes: &[u8]) -> bool;

    /// As what a container of any values stores it. Not for implementers.
    #[doc(hidden)]
    const NATIVE: Native = Native::No;
}

/// Which form that every language reads a [`Shareable`] type has in a container of any values.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// None: its bytes behind its [`Shareable::TYPE_ID`].
    No,
    /// A signed integer.
    Signed,
    /// An integer without sign.
    Unsigned,
    /// A float of 32 or 64 bits.
    Float,
    /// A truth value.
    Bool,
    /// A string of one letter.
    Char,
}

/// The bytes of a value, in the byte order of the machine.
///
/// ```
/// use pumasi::heap::shareable::to_bytes;
///
/// assert_eq!(to_bytes(&[1u8, 2]), [1, 2]);
/// assert_eq!(to_bytes(&1u32).len(), 4);
/// ```
pub fn to_bytes<T: Shareable>(value: &T) -> &[u8] {
    const { assert_laid_out::<T>() };
    // SAFETY: a Shareable value has no padding (the promise of the trait, for which TYPE_ID was
    // evaluated above), so that all its bytes are initialised; they are borrowed with the value.
    unsafe { core::slice::from_raw_parts((&raw const *value).cast::<u8>(), size_of::<T>()) }
}

/// The value that these bytes are, or `None` if they are none of the type's or too few or many.
///
/// The bytes are a private copy; they need no alignment.
///
/// ```
/// use pumasi::heap::shareable::from_bytes;
///
/// assert_eq!(from_bytes::<bool>(&[1]), Some(true));
/// assert_eq!(from_bytes::<bool>(&[2]), None); // no bool
/// assert_eq!(from_bytes::<u32>(&[1]), None); // too few
/// ```
pub fn from_bytes<T: Shareable>(bytes: &[u8]) -> Option<T> {
    const { assert_laid_out::<T>() };
    if bytes.len() != size_of::<T>() || !T::is_valid(bytes) {
        return None;
    }
    // SAFETY: there are as many bytes as a T has, `is_valid` says that they are one (the promise
    // of the trait), and a T is Copy, so that making another owns nothing twice.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The bytes of values that lie one behind the other.
pub(crate) fn bytes_of<T: Shareable>(values: &[T]) -> &[u8] {
    const { assert_laid_out::<T>() };
    // SAFETY: as for `to_bytes`; between the elements of a slice there is nothing.
    unsafe { core::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) }
}

/// The values that these bytes are one behind the other, or `None` if one of them is none of the
/// type's, or the bytes end within one.
pub(crate) fn values_of<T: Shareable>(bytes: &[u8]) -> Option<Vec<T>> {
    const { assert_laid_out::<T>() };
    let size = size_of::<T>();
    if size == 0 || !bytes.len().is_multiple_of(size) {
        return None;
    }
    if !bytes.chunks_exact(size).all(T::is_valid) {
        return None;
    }
    let count = bytes.len() / size;
    let mut values: Vec<T> = Vec::with_capacity(count);
    // SAFETY: there is room for so many, they do not overlap with bytes that are borrowed, and each
    // is a value, as for `from_bytes`.
    unsafe {
        core::ptr::copy_nonoverlapping(
            bytes.as_ptr(),
            values.as_mut_ptr().cast::<u8>(),
            bytes.len(),
        );
        values.set_len(count);
    }
    Some(values)
}

/// Has the compiler run the checks which an implementation makes in its `TYPE_ID`.
const fn assert_laid_out<T: Shareable>() {
    let _ = T::TYPE_ID;
}

/// Builds a [`Shareable::TYPE_ID`]: the name and size of a type, then each of its parts.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TypeHash(u64);

impl TypeHash {
    /// Begins with the type's name, without the path to it, and its size and alignment in bytes.
    ///
    /// ```
    /// use pumasi::heap::shareable::TypeHash;
    ///
    /// let hash = TypeHash::new("Point", 16, 8);
    /// assert_ne!(hash.finish(), TypeHash::new("Place", 16, 8).finish());
    /// ```
    pub const fn new(name: &str, size: usize, align: usize) -> TypeHash {
        // The offset basis that the algorithm's authors chose.
        TypeHash(0xcbf2_9ce4_8422_2325)
            .text(name)
            .number(size as u64)
            .number(align as u64)
    }

    /// Adds a field (its name, offset in bytes and type) or a variant (name, number, integer).
    ///
    /// ```
    /// use pumasi::{Shareable, heap::shareable::TypeHash};
    ///
    /// let hash = |at| TypeHash::new("Point", 16, 8).part("x", at, f64::TYPE_ID).finish();
    /// assert_ne!(hash(0), hash(8)); // the field lies elsewhere: another type
    /// ```
    pub const fn part(self, name: &str, place: u64, type_id: u64) -> TypeHash {
        self.text(name).number(place).number(type_id)
    }

    /// The hash.
    ///
    /// ```
    /// use pumasi::{Shareable, heap::shareable::TypeHash};
    ///
    /// assert_eq!(TypeHash::new("u64", 8, 8).finish(), u64::TYPE_ID); // in every program
    /// ```
    pub const fn finish(self) -> u64 {
        self.0
    }

    const fn text(self, text: &str) -> TypeHash {
        let bytes = text.as_bytes();
        // The length first, so that no two lists of texts run into the same bytes.
        let mut hash = self.number(bytes.len() as u64);
        let mut at = 0;
        while at < bytes.len() {
            hash = hash.byte(bytes[at]);
            at += 1;
        }
        hash
    }

    const fn number(self, number: u64) -> TypeHash {
        let bytes = number.to_le_bytes();
        let mut hash = self;
        let mut at = 0;
        while at < bytes.len() {
            hash = hash.byte(bytes[at]);
            at += 1;
        }
        hash
    }

    const fn byte(self, byte: u8) -> TypeHash {
        TypeHash((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

/// The types that every pattern of bytes is a value of.
macro_rules! numbers {
    ($native:ident: $($number:ty)*) => {$(
        // SAFETY: a primitive number has no padding, no address and no invalid pattern.
        unsafe impl Shareable for $number {
            const TYPE_ID: u64 =
                TypeHash::new(stringify!($number), size_of::<$number>(), align_of::<$number>())
                    .finish();

            fn is_valid(bytes: &[u8]) -> bool {
                bytes.len() == size_of::<$number>()
            }

            const NATIVE: Native = Native::$native;
        }
    )*};
}

numbers! { Unsigned: u8 u16 u32 u64 u128 usize }
numbers! { Signed: i8 i16 i32 i64 i128 isize }
numbers! { Float: f32 f64 }

// SAFETY: one byte, which `is_valid` believes only when it is 0 or 1.
unsafe impl Shareable for bool {
    const TYPE_ID: u64 = TypeHash::new("bool", 1, 1).finish();

    fn is_valid(bytes: &[u8]) -> bool {
        matches!(bytes, [0 | 1])
    }

    const NATIVE: Native = Native::Bool;
}

// SAFETY: four bytes without padding, which `is_valid` believes only when they are a character.
unsafe impl Shareable for char {
    const TYPE_ID: u64 = TypeHash::new("char", size_of::<char>(), align_of::<char>()).finish();

    fn is_valid(bytes: &[u8]) -> bool {
        bytes
            .try_into()
            .is_ok_and(|bytes| char::from_u32(u32::from_ne_bytes(bytes)).is_some())
    }

    const NATIVE: Native = Native::Char;
}

// SAFETY: the elements of an array lie side by side without gaps, and each is Shareable.
unsafe impl<T: Shareable, const N: usize> Shareable for [T; N] {
    const TYPE_ID: u64 = TypeHash::new("array", size_of::<[T; N]>(), align_of::<T>())
        .part("", N as u64, T::TYPE_ID)
        .finish();

    fn is_valid(bytes: &[u8]) -> bool {
        bytes.len() == size_of::<[T; N]>()
            // Elements without a size have no bytes that could be wrong.
            && (size_of::<T>() == 0 || bytes.chunks_exact(size_of::<T>()).all(T::is_valid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_part_of_the_format() {
        // Worked out by another program. Changing one makes every stored type unknown.
        assert_eq!(u64::TYPE_ID, 0x846d_9a31_fd6b_b05b);
        assert_eq!(<[f64; 3]>::TYPE_ID, 0x46c8_f5f9_1f26_ebfb);
        assert_ne!(u64::TYPE_ID, i64::TYPE_ID);
        assert_ne!(<[u8; 4]>::TYPE_ID, <[[u8; 2]; 2]>::TYPE_ID);
    }

    #[test]
    fn texts_do_not_run_together() {
        let one = TypeHash::new("T", 2, 1).part("ab", 0, 1).part("c", 1, 1);
        let two = TypeHash::new("T", 2, 1).part("a", 0, 1).part("bc", 1, 1);
        assert_ne!(one.finish(), two.finish());
    }

    #[test]
    fn numbers_come_back() {
        assert_eq!(from_bytes(to_bytes(&-7i64)), Some(-7i64));
        assert_eq!(from_bytes(to_bytes(&[1.5f32, 2.5])), Some([1.5f32, 2.5]));
        assert_eq!(from_bytes(to_bytes(&'품')), Some('품'));
        assert_eq!(from_bytes(to_bytes(&[true, false])), Some([true, false]));
        assert_eq!(from_bytes::<[u64; 0]>(&[]), Some([]));
    }

    #[test]
    fn several_come_back_together() {
        let numbers = [1.5f64, -0.0, f64::INFINITY];
        assert_eq!(
            bytes_of(&numbers),
            numbers.map(|n| n.to_ne_bytes()).concat()
        );
        assert_eq!(values_of(bytes_of(&numbers)), Some(numbers.to_vec()));
        assert_eq!(values_of::<u32>(&[]), Some(Vec::new()));
        assert_eq!(values_of::<u32>(&[0; 6]), None);
        assert_eq!(values_of::<bool>(&[0, 1, 1]), Some(vec![false, true, true]));
        assert_eq!(values_of::<bool>(&[0, 2, 1]), None);
        assert_eq!(values_of::<[u64; 0]>(&[]), None);
    }

    #[test]
    fn bytes_of_another_length_or_without_a_value_are_refused() {
        assert_eq!(from_bytes::<u32>(&[0; 3]), None);
        assert_eq!(from_bytes::<u32>(&[0; 5]), None);
        assert_eq!(from_bytes::<bool>(&[2]), None);
        assert_eq!(from_bytes::<[bool; 2]>(&[1, 255]), None);
        assert_eq!(from_bytes::<char>(&0xd800u32.to_ne_bytes()), None);
        assert_eq!(from_bytes::<char>(&0x11_0000u32.to_ne_bytes()), None);
    }

    #[test]
    fn reading_needs_no_alignment() {
        let mut bytes = vec![0];
        bytes.extend_from_slice(to_bytes(&0x0123_4567_89ab_cdefu64));
        assert_eq!(from_bytes::<u64>(&bytes[1..]), Some(0x0123_4567_89ab_cdef));
    }
}
