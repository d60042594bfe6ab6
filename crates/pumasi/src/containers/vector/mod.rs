//! A vector: elements of one size side by side, as many as there are, as the untyped face that both
//! languages build on. The file is long because each operation is one function here.
//!
//! ```text
//! header --O_ROOT--> ELEMENTS: length, exports, type, elements (`heap::elements`)
//! ```
//!
//! VEC-1: the commit word of an append and of a removal at the end is the length in the node; of one
//! element of 1, 2, 4 or 8 bytes, the element; of everything that moves elements, the root cell in
//! the header: a new node is built beside the old one and takes its place at once.
//! VEC-2: larger elements, and several at once, are written into a block beside, and overwritten from
//! it by the log, whose commit word is `O_AUX`.
//! VEC-3: views of the elements are handles of an object that the node leads to, taken under the
//! vector's lock. While there is one, elements are neither moved nor removed; they may be
//! overwritten, and others may be added behind them where there is room.
//!
//! Every write takes the vector's lock, so that none goes to a node that has just been replaced.
//!
//! If a process dies in an operation: before the commit word nothing has happened and the new
//! blocks are PENDING of the dead; after it the log has what is still to do. Its handles, and with
//! them its views, are gone when its estate is settled.

mod export;
mod room;

use core::sync::atomic::Ordering;

pub use export::Export;

use crate::containers::face::face;
use crate::containers::locked::user_lock;
use crate::containers::slice::{Slice, Span, index};
use crate::error::{Error, Fast, Result};
use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::elements::{Elements, VEC_TYPE, is_whole};
use crate::heap::held::Held;
use crate::heap::layout::{O_AUX, O_ITEM, O_META, O_ROOT};
use crate::heap::log::Action;
use crate::heap::look::Words;
use crate::heap::node::{N_LENGTH, NewNode};
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::value::{Fetch, Prepared};
use crate::observer::Op;
use crate::sys::{Host, Real};

/// How many bytes are copied in one hold of the lock before others get a turn.
const BATCH: u64 = 256 << 10;
/// Most bytes of an element.
const LARGEST: u64 = u32::MAX as u64;
/// What an index outside is called.
const WHAT: &str = "vector";

/// Elements of one size in shared memory, as many as there are.
pub struct RawVector<H: Host = Real> {
    object: ObjectRef<H>,
    /// Bytes of an element.
    item: u64,
}

impl<H: Host> Clone for RawVector<H> {
    fn clone(&self) -> Self {
        RawVector {
            object: self.object.clone(),
            item: self.item,
        }
    }
}

face!(RawVector);
user_lock!(RawVector);

impl<H: Host> RawVector<H> {
    /// An empty vector of elements of `item` bytes. `tag` is the caller's, to be found again by
    /// [`RawVector::tag`], and so is `kind`, a value by which others know what the elements are.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Unsupported`] for elements of no bytes.
    pub fn create(
        heap: &Heap<H>,
        item: usize,
        tag: u32,
        kind: &mut Prepared<'_, H>,
    ) -> Result<Self> {
        let item = item as u64;
        if item == 0 {
            return Err(Error::Unsupported {
                what: "elements of a vector have at least one byte".into(),
            });
        }
        let local = heap.local()?;
        let size = heap.elements_size(1, item).filter(|_| item <= LARGEST);
        let size = size.ok_or_else(|| no_room(heap, item))?;
        let node = heap.new_elements(local, size, item, true)?;
        let publish = kind.publish();
        if publish.is_none() {
            node.set(VEC_TYPE, kind.cell().bits());
        }
        let root = (node.cell(), node.block);
        node.used();
        let object = heap.create_object(Kind::Vector, tag, Some(root), 0)?;
        heap.host()
            .store32(object.offset() + O_ITEM, item as u32, Ordering::Release);
        let vector = RawVector { object, item };
        if let Some(publish) = publish {
            let mut held = vector.enter(Op::Set, "vector.create")?;
            held.commit(root.1.off + VEC_TYPE, kind.cell().bits(), &[publish])?;
            kind.stored();
        } else {
            kind.stored();
        }
        Ok(vector)
    }

    /// The vector that a handle leads to.
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when it is something else, [`Error::Corrupt`].
    pub fn from_object(object: ObjectRef<H>) -> Result<Self> {
        object.expect(Kind::Vector)?;
        let at = object.offset() + O_ITEM;
        let item = object.heap().host().load32(at, Ordering::Acquire);
        if item == 0 {
            return Err(Error::corrupt(at, "elements of no bytes"));
        }
        Ok(RawVector {
            object,
            item: u64::from(item),
        })
    }

    #[inline(always)]
    fn elements(&self, held: &Held<'_, H>) -> Fast<Elements> {
        let found = held.heap.elements_in(held.root()?)?;
        if found.item != self.item {
            return Err(Error::corrupt(found.block.off, "elements of another size").into());
        }
        Ok(found)
    }

    // ---- reading ---------------------------------------------------------------------------

    /// Bytes of an element.
    pub fn item_size(&self) -> usize {
        self.item as usize
    }

    /// What the maker noted about the elements.
    pub fn tag(&self) -> u32 {
        self.heap().get(self.object.offset() + O_META) as u32
    }

    /// The value by which the maker told what the elements are.
    ///
    /// # Errors
    /// As [`RawVector::len`].
    pub fn kind(&self, out: &mut Fetch<H>) -> Result<Cell> {
        let held = self.enter(Op::Get, "vector.kind")?;
        let at = self.elements(&held)?.block.off + VEC_TYPE;
        Ok(held.heap.fetch(held.local, at, Cell(held.get(at)), out)?)
    }

    /// How many elements there are.
    ///
    /// # Errors
    /// As every operation: [`Error::StaleReference`], [`Error::Corrupt`], [`Error::WouldBlock`].
    pub fn len(&self) -> Result<usize> {
        let held = self.enter(Op::Len, "vector.len")?;
        Ok(self.elements(&held)?.len as usize)
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As [`RawVector::len`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// How many elements there is room for before the vector has to move.
    ///
    /// # Errors
    /// As [`RawVector::len`].
    pub fn capacity(&self) -> Result<usize> {
        let held = self.enter(Op::Len, "vector.capacity")?;
        Ok(self.elements(&held)?.capacity as usize)
    }

    /// The version: it changes with every change.
    pub fn version(&self) -> u64 {
        self.object.version()
    }

    /// Copies the element at `i` into `out`, which is as long as an element; negative counts from
    /// the end.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`], and as [`RawVector::len`].
    pub fn get(&self, i: isize, out: &mut [u8]) -> Result<()> {
        self.one(out.len())?;
        let held = self.enter(Op::Get, "vector.get")?;
        let all = self.elements(&held)?;
        let i = index(i, all.len).ok_or(Error::IndexOutOfRange { what: WHAT })?;
        read(&held, all.at(i), out);
        Ok(())
    }

    /// The bytes of a slice of elements as they were at one moment, and the version they are of.
    /// What is written through views meanwhile may be in it or not.
    ///
    /// # Errors
    /// [`Error::ZeroStep`], and as [`RawVector::len`].
    pub fn read(&self, slice: Slice) -> Result<(Vec<u8>, u64)> {
        let mut out = Vec::new();
        'again: for round in 0.. {
            out.clear();
            let mut begun: Option<(u64, Span)> = None;
            loop {
                let held = self.enter(Op::Snapshot, "vector.read")?;
                let all = self.elements(&held)?;
                let (version, span) = match begun {
                    Some(begun) => begun,
                    None => (held.version(), slice.resolve(all.len as usize)?),
                };
                if version != held.version() {
                    continue 'again;
                }
                begun = Some((version, span));
                // One that changes all the time is copied in one hold in the end.
                let most = if round < 3 {
                    BATCH.max(self.item)
                } else {
                    u64::MAX
                };
                let from = out.len() / self.item as usize;
                let until = span
                    .count
                    .min(from.saturating_add((most / self.item) as usize));
                if span.step == 1 && from < until {
                    let n = (until - from) as u64;
                    held.heap
                        .read_bytes(all.at(span.at(from) as u64), n * self.item, &mut out);
                } else {
                    for i in from..until {
                        held.heap
                            .read_bytes(all.at(span.at(i) as u64), self.item, &mut out);
                    }
                }
                if until == span.count {
                    return Ok((out, version));
                }
            }
        }
        unreachable!("the loop above ends by returning")
    }

    // ---- the end ---------------------------------------------------------------------------

    /// Adds an element at the end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Exported`] where there is no room and somebody has a view;
    /// and as [`RawVector::len`].
    pub fn push(&self, element: &[u8]) -> Result<()> {
        self.one(element.len())?;
        let held = self.enter(Op::Append, "vector.push")?;
        self.append(held, element, 1)
    }

    /// Adds elements at the end, all in one step.
    ///
    /// # Errors
    /// As [`RawVector::push`].
    pub fn extend(&self, elements: &[u8]) -> Result<()> {
        let n = self.several(elements.len())?;
        let held = self.enter(Op::Extend, "vector.extend")?;
        self.append(held, elements, n)
    }

    fn append<'s>(&'s self, mut held: Held<'s, H>, bytes: &[u8], n: u64) -> Result<()> {
        let mut all = self.elements(&held)?;
        if n == 0 {
            return Ok(());
        }
        if n > all.capacity - all.len {
            held = self.make_room(held, n)?;
            all = self.elements(&held)?;
        }
        held.changed();
        // VEC-1: behind the last, they are nobody's.
        if n == 1 {
            held.heap.write_element(all.at(all.len), bytes);
        } else {
            held.host().copy_in(all.at(all.len), bytes);
        }
        held.host()
            .store64(all.block.off + N_LENGTH, all.len + n, Ordering::Release);
        Ok(())
    }

    /// Takes the element at `i` out, into `out`; negative counts from the end.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::IndexOutOfRange`]; [`Error::Exported`] while somebody has a view;
    /// [`Error::OutOfMemory`] in the middle; and as [`RawVector::len`].
    pub fn pop(&self, i: isize, out: &mut [u8]) -> Result<()> {
        self.one(out.len())?;
        let held = self.enter(Op::Pop, "vector.pop")?;
        let range = |held: &Held<'_, H>, all: &Elements| {
            if all.len == 0 {
                return Err(Error::Empty {
                    what: "pop from empty vector",
                });
            }
            let i = index(i, all.len).ok_or(Error::IndexOutOfRange { what: "pop" })?;
            read(held, all.at(i), out);
            Ok((i, i + 1))
        };
        self.splice_in(held, None, range, &[])
    }

    /// Removes the elements from `len` on; those before stay, however few they are.
    ///
    /// # Errors
    /// [`Error::Exported`] while somebody has a view, and as [`RawVector::len`].
    pub fn truncate(&self, len: usize) -> Result<()> {
        let held = self.enter(Op::Splice, "vector.truncate")?;
        let len = len as u64;
        self.splice_in(held, None, |_, all| Ok((len.min(all.len), all.len)), &[])
    }

    /// Removes all elements.
    ///
    /// # Errors
    /// As [`RawVector::truncate`].
    pub fn clear(&self) -> Result<()> {
        let held = self.enter(Op::Clear, "vector.clear")?;
        self.splice_in(held, None, |_, all| Ok((0, all.len)), &[])
    }

    // ---- overwriting -----------------------------------------------------------------------

    /// Overwrites the element at `i`; negative counts from the end.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`]; [`Error::OutOfMemory`] for elements that are not of 1, 2, 4 or 8
    /// bytes; and as [`RawVector::len`].
    pub fn set(&self, i: isize, element: &[u8]) -> Result<()> {
        self.overwrite_one(Op::Set, None, i, element)
    }

    /// Overwrites the element at `i` if the vector still has `version`: the second half of a change
    /// that was computed outside the lock.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawVector::set`].
    pub fn set_if(&self, version: u64, i: isize, element: &[u8]) -> Result<()> {
        self.overwrite_one(Op::Update, Some(version), i, element)
    }

    fn overwrite_one(&self, op: Op, version: Option<u64>, i: isize, element: &[u8]) -> Result<()> {
        self.one(element.len())?;
        let new = match is_whole(self.item) {
            true => None,
            false => Some(self.heap().new_data(element)?),
        };
        let mut held = self.enter(op, "vector.set")?;
        unchanged(&held, version)?;
        let all = self.elements(&held)?;
        let i = index(i, all.len).ok_or(Error::IndexOutOfRange {
            what: "vector assignment",
        })?;
        held.changed();
        match &new {
            None => held.heap.write_element(all.at(i), element),
            Some(new) => overwrite(&mut held, new, i, 1)?,
        }
        drop(held);
        Ok(())
    }

    /// Replaces a slice by these elements, in one step, as Python does: without a step, or with one
    /// of 1, they may be more or fewer than were there.
    ///
    /// # Errors
    /// [`Error::SliceSize`], [`Error::ZeroStep`], [`Error::OutOfMemory`]; [`Error::Exported`] where
    /// elements would move while somebody has a view; and as [`RawVector::len`].
    pub fn set_slice(&self, slice: Slice, elements: &[u8]) -> Result<()> {
        let n = self.several(elements.len())?;
        // Outside the lock, for the case that it replaces as many.
        let new = self.heap().new_data(elements)?;
        let mut held = self.enter(Op::Splice, "vector.splice")?;
        let all = self.elements(&held)?;
        let span = slice.resolve(all.len as usize)?;
        if span.count as u64 == n {
            if n > 0 {
                held.changed();
                overwrite(&mut held, &new, span.first as u64, span.step as i64)?;
            }
            drop(held);
            return Ok(());
        }
        if slice.step != 1 {
            return Err(Error::SliceSize {
                found: n as usize,
                expected: span.count,
            });
        }
        let range = |_: &Held<'_, H>, all: &Elements| {
            let span = slice.resolve(all.len as usize)?;
            Ok((span.first as u64, (span.first + span.count) as u64))
        };
        self.splice_in(held, None, range, elements)
    }

    /// Replaces the elements `from..to` by these in one step, if the vector still has `version`
    /// where one is given.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed; [`Error::IndexOutOfRange`]; and as
    /// [`RawVector::set_slice`].
    pub fn splice(
        &self,
        version: Option<u64>,
        from: usize,
        to: usize,
        elements: &[u8],
    ) -> Result<()> {
        self.several(elements.len())?;
        let held = self.enter(Op::Splice, "vector.splice")?;
        let range = |_: &Held<'_, H>, all: &Elements| {
            if from > to || to as u64 > all.len {
                return Err(Error::IndexOutOfRange { what: WHAT });
            }
            Ok((from as u64, to as u64))
        };
        self.splice_in(held, version, range, elements)
    }

    /// Adds an element before the one at `i`, by Python's rules: an index outside is the nearest
    /// end.
    ///
    /// # Errors
    /// As [`RawVector::push`]; in the middle [`Error::Exported`] while somebody has a view.
    pub fn insert(&self, i: isize, element: &[u8]) -> Result<()> {
        self.one(element.len())?;
        let held = self.enter(Op::Insert, "vector.insert")?;
        let range = |_: &Held<'_, H>, all: &Elements| {
            let len = all.len as isize;
            let i = match i {
                i if i < 0 => i.saturating_add(len).max(0),
                i => i.min(len),
            };
            Ok((i as u64, i as u64))
        };
        self.splice_in(held, None, range, element)
    }

    /// Overwrites all elements if there are still as many and the vector still has `version`: what
    /// puts them into another order.
    ///
    /// # Errors
    /// [`Error::Modified`] when it has changed, and as [`RawVector::set_slice`].
    pub fn reorder(&self, version: u64, elements: &[u8]) -> Result<()> {
        let n = self.several(elements.len())?;
        let new = self.heap().new_data(elements)?;
        let mut held = self.enter(Op::Reorder, "vector.reorder")?;
        unchanged(&held, Some(version))?;
        if n != self.elements(&held)?.len {
            return Err(modified());
        }
        if n > 0 {
            held.changed();
            overwrite(&mut held, &new, 0, 1)?;
        }
        drop(held);
        Ok(())
    }

    /// Replaces the element at `i`, of 1, 2, 4 or 8 bytes, by what `compute` makes of its bits, in
    /// one step: what it was, and what it is. `compute` does nothing but compute: it runs under the
    /// lock.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`]; [`Error::Unsupported`] for other sizes; and as
    /// [`RawVector::len`].
    pub fn step(&self, i: isize, compute: impl FnOnce(u64) -> u64) -> Result<(u64, u64)> {
        if !is_whole(self.item) {
            return Err(Error::Unsupported {
                what: "elements of this size cannot be changed in one step; use locked()".into(),
            });
        }
        let held = self.enter(Op::Add, "vector.step")?;
        let all = self.elements(&held)?;
        let i = index(i, all.len).ok_or(Error::IndexOutOfRange { what: WHAT })?;
        let (at, size) = (all.at(i), self.item as usize);
        let old = held.host().load_whole(at, size);
        let new = compute(old);
        if new != old {
            held.changed();
            held.host().store_whole(at, size, new);
        }
        Ok((old, new))
    }

    // ---- what callers give -----------------------------------------------------------------

    fn one(&self, bytes: usize) -> Result<()> {
        if bytes as u64 == self.item {
            return Ok(());
        }
        Err(self.wrong_size(bytes))
    }

    fn several(&self, bytes: usize) -> Result<u64> {
        let bytes = bytes as u64;
        if bytes.is_multiple_of(self.item) {
            return Ok(bytes / self.item);
        }
        Err(self.wrong_size(bytes as usize))
    }

    #[cold]
    fn wrong_size(&self, bytes: usize) -> Error {
        Error::Unsupported {
            what: format!("{bytes} bytes are no elements of {} bytes", self.item),
        }
    }
}

/// Copies one element out.
fn read<H: Host>(held: &Held<'_, H>, at: u64, out: &mut [u8]) {
    let size = out.len();
    if is_whole(size as u64) {
        let whole = held.host().load_whole(at, size).to_le_bytes();
        out.copy_from_slice(&whole[..size]);
        return;
    }
    let mut bytes = Vec::new();
    held.heap.read_bytes(at, size as u64, &mut bytes);
    out.copy_from_slice(&bytes);
}

/// Overwrites elements from `first` on, every `step`-th (VEC-2).
fn overwrite<H: Host>(
    held: &mut Held<'_, H>,
    new: &NewNode<'_, H>,
    first: u64,
    step: i64,
) -> Result<()> {
    held.heap.aim(new, first, step);
    let at = held.object + O_AUX;
    let times = held.get(at).wrapping_add(1);
    held.commit(at, times, &[Action::Overwrite(new.block)])
}

fn unchanged<H: Host>(held: &Held<'_, H>, version: Option<u64>) -> Result<()> {
    if version.is_some_and(|version| version != held.version()) {
        return Err(modified());
    }
    Ok(())
}

fn modified() -> Error {
    Error::Modified {
        what: "vector modified during the operation",
    }
}

#[cold]
fn no_room<H: Host>(heap: &Heap<H>, bytes: u64) -> Error {
    Error::OutOfMemory {
        requested: bytes,
        limit: heap.limit(),
        used: heap.used(),
    }
}

/// The node's own words, for whoever builds another one.
fn root_at(object: u64) -> u64 {
    object + O_ROOT
}
