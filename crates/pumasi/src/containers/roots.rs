//! Named roots: the Dict of a heap by which programs that share nothing else find what they share.

use crate::containers::{Dict, Dynamic, Element, RawDict};
use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::cell::{Cell, Tag};
use crate::heap::layout::SB_ROOTS;
use crate::heap::object::ObjectRef;
use crate::sys::Host;

impl<H: Host> RawDict<H> {
    /// The Dict of the heap's roots, which is there from the first time that anybody asks for it
    /// until the heap is gone.
    ///
    /// NAME-5: the cell in the superblock is stored once, by compare-and-swap, with an edge that is
    /// never lowered; of two who make the Dict at once one gives its own up.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Corrupt`].
    pub fn roots(heap: &Heap<H>) -> Result<RawDict<H>> {
        let found = Cell(
            heap.host()
                .load64(SB_ROOTS, core::sync::atomic::Ordering::Acquire),
        );
        let object = if found == Cell::EMPTY {
            let made = RawDict::create(heap)?;
            let mut ready = heap.prepare_object(made.object())?;
            match heap
                .host()
                .cas64(SB_ROOTS, Cell::EMPTY.bits(), ready.cell().bits())
            {
                Ok(_) => {
                    ready.stored();
                    return Ok(made);
                }
                Err(other) => heap.root_object(Cell(other))?,
            }
        } else {
            heap.root_object(found)?
        };
        RawDict::from_object(object).map_err(|_| Error::corrupt(SB_ROOTS, "the roots are no Dict"))
    }
}

impl<H: Host> Heap<H> {
    /// A handle of what the superblock leads to, whose edge is never lowered.
    fn root_object(&self, cell: Cell) -> Result<ObjectRef<H>> {
        if cell.tag() != Tag::Object {
            return Err(Error::corrupt(SB_ROOTS, "the roots are no object"));
        }
        self.handle_of(self.local()?, cell)
    }
}

impl Heap {
    /// What programs find by name in this heap: a Dict like any other, of which each heap has one.
    /// A container that is stored there lives as long as the heap, or until it is removed.
    ///
    /// ```
    /// use pumasi::{Dict, Heap};
    ///
    /// let heap = Heap::builder().create()?;
    /// let counts: Dict<String, i64> = Dict::new_in(&heap)?;
    /// heap.roots()?.insert("counts", &counts)?;
    /// heap.roots()?.insert("version", 3)?;
    /// assert_eq!(heap.roots()?.len()?, 2);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where it has to be made; [`Error::Corrupt`].
    pub fn roots(&self) -> Result<Dict<String, Dynamic>> {
        RawDict::roots(self).map(Dict::from)
    }

    /// The root of that name as what it should be: a `Dict<String, i64>`, an `i64`. `None` when
    /// there is none.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// heap.roots()?.insert("version", 3)?;
    /// assert_eq!(heap.root::<i64>("version")?, Some(3));
    /// assert_eq!(heap.root::<i64>("nothing")?, None);
    /// assert!(heap.root::<String>("version").is_err()); // it is no text
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TypeMismatch`] when it is something else; as every operation on a Dict.
    pub fn root<T: Element>(&self, name: &str) -> Result<Option<T>> {
        RawDict::roots(self).map(Dict::<String, T>::from)?.get(name)
    }
}
