//! Views of a vector's elements, where they lie.

use core::sync::atomic::Ordering;

use super::RawVector;
use crate::error::Result;
use crate::heap::cell::{Cell, Tag};
use crate::heap::elements::{Elements, VEC_EXPORTS};
use crate::heap::held::Held;
use crate::heap::layout::O_MOVES;
use crate::heap::object::{Kind, ObjectRef};
use crate::observer::Op;
use crate::sys::{Host, Real};

/// The elements that a vector has at one moment, where they lie: while this exists they are neither
/// moved nor removed, by nobody. A child of a fork has one of its own for each of its parent's.
pub struct Export<H: Host = Real> {
    /// Keeps the elements where they are (VEC-3).
    _view: ObjectRef<H>,
    vector: RawVector<H>,
    at: u64,
    len: u64,
}

impl<H: Host> core::fmt::Debug for Export<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Export")
            .field("vector", &self.vector)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<H: Host> Export<H> {
    /// The vector.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u32, 2])?;
    /// let view = vector.export()?;
    /// assert_eq!(view.vector().object(), vector.raw().object());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn vector(&self) -> &RawVector<H> {
        &self.vector
    }

    /// How many elements there are in the view.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u32, 2])?;
    /// vector.reserve(1)?;
    /// let view = vector.export()?;
    /// vector.push(3)?;
    /// assert_eq!(view.len(), 2); // those that there were
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    ///
    /// ```
    /// let vector = pumasi::Vector::<u32>::new()?;
    /// assert!(vector.export()?.is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Export<Real> {
    /// Where the elements are in this process, aligned to 64 bytes, in place for as long as this
    /// exists. Others read and write them meanwhile.
    ///
    /// ```
    /// let vector = pumasi::Vector::of([1u32, 2])?;
    /// let view = vector.export()?;
    /// assert!(view.ptr().cast::<u32>().is_aligned()); // of view.len() elements
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn ptr(&self) -> *mut u8 {
        let bytes = self.len * self.vector.item;
        self.vector.heap().host().mem().range(self.at, bytes)
    }
}

impl<H: Host> RawVector<H> {
    /// Makes a view of the elements that there are now. Until it is dropped, in every process that
    /// has it, whatever would move or remove elements fails with
    /// [`Error::Exported`](crate::Error::Exported); elements may be overwritten, and others added
    /// where there is room ([`RawVector::reserve`]).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), and as [`RawVector::len`].
    pub fn export(&self) -> Result<Export<H>> {
        let held = self.enter(Op::Get, "vector.export")?;
        let all = self.elements(&held)?;
        if Cell(held.get(all.block.off + VEC_EXPORTS)).tag() == Tag::Object {
            let view = self.view_of(&held, &all)?;
            return Ok(self.exported(&held, view, &all));
        }
        // Nobody ever had one: the object whose handles they are is to be made.
        let heap = held.heap;
        let ((made, mut edge), held) = held.outside(&self.object, "vector.export", || {
            let made = heap.create_object(Kind::Buffer, 0, None, 0)?;
            let edge = heap.prepare_object(&made)?;
            Ok((made, edge))
        })?;
        let all = self.elements(&held)?;
        let at = all.block.off + VEC_EXPORTS;
        let mut left = None;
        let view = if Cell(held.get(at)).tag() == Tag::Object {
            // Another was quicker; ours goes once the lock is given up.
            left = Some(made);
            self.view_of(&held, &all)?
        } else {
            held.host()
                .store64(at, edge.cell().bits(), Ordering::Release);
            edge.stored();
            made
        };
        let export = self.exported(&held, view, &all);
        drop(held);
        drop((left, edge));
        Ok(export)
    }

    fn view_of(&self, held: &Held<'_, H>, all: &Elements) -> Result<ObjectRef<H>> {
        let cell = Cell(held.get(all.block.off + VEC_EXPORTS));
        held.heap.handle_of(held.local, cell)
    }

    fn exported(&self, held: &Held<'_, H>, view: ObjectRef<H>, all: &Elements) -> Export<H> {
        let views = held.get(held.object + O_MOVES).wrapping_add(1);
        held.host()
            .store64(held.object + O_MOVES, views, Ordering::Relaxed);
        Export {
            _view: view,
            vector: self.clone(),
            at: all.at(0),
            len: all.len,
        }
    }
}
