//! Room for elements: growing, shrinking, and replacing a range by one of another length.
//!
//! A new node is asked for outside the lock where the system would have to be asked for memory,
//! and the elements are copied into it there, too. If nobody has written meanwhile the copy is
//! right: every write raises the version, and views, by which elements are written without the
//! lock, are counted in `O_MOVES` when they are taken. Otherwise it is made again under the lock.

use core::sync::atomic::Ordering;

use super::{RawVector, modified, no_room, root_at};
use crate::error::{Error, Result};
use crate::heap::cell::{Cell, Tag};
use crate::heap::elements::{Elements, VEC_CELLS, VEC_CELLS_COUNT, VEC_EXPORTS};
use crate::heap::held::Held;
use crate::heap::layout::{BUFFER_DATA, O_MOVES};
use crate::heap::log::Action;
use crate::heap::look::Words;
use crate::heap::node::{N_LENGTH, NewNode};
use crate::observer::Op;
use crate::sys::Host;

/// Smaller nodes stay as they are when elements go.
const SHRINKS_FROM: u64 = 1024;

/// By what it is seen whether elements were written.
#[derive(PartialEq)]
struct Seen {
    version: u64,
    views: u64,
}

impl Seen {
    fn of<H: Host>(held: &Held<'_, H>) -> Seen {
        Seen {
            version: held.version(),
            views: held.get(held.object + O_MOVES),
        }
    }
}

impl<H: Host> RawVector<H> {
    /// Makes room for `more` elements behind the last, so that as many can be added without the
    /// vector moving, also while somebody has a view.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Exported`] where there is no room and somebody has a view;
    /// and as [`RawVector::len`].
    pub fn reserve(&self, more: usize) -> Result<()> {
        let held = self.enter(Op::Splice, "vector.reserve")?;
        self.make_room(held, more as u64)?;
        Ok(())
    }

    /// Gives the room behind the last element back.
    ///
    /// # Errors
    /// As [`RawVector::reserve`].
    pub fn shrink(&self) -> Result<()> {
        let held = self.enter(Op::Splice, "vector.shrink")?;
        let held = self.unexported(held)?;
        let all = self.elements(&held)?;
        let size = self.size_of(all.len)?;
        if size < self.size_now(&all) {
            self.resize(held, |all| Some((all.len, all.len)))?;
        }
        Ok(())
    }

    /// Bytes of a node for so many elements.
    fn size_of(&self, n: u64) -> Result<u64> {
        let heap = self.heap();
        heap.elements_size(n.max(1), self.item)
            .ok_or_else(|| no_room(heap, n.saturating_mul(self.item)))
    }

    fn size_now(&self, all: &Elements) -> u64 {
        BUFFER_DATA + (all.capacity * self.item).next_multiple_of(8)
    }

    /// Comes back with room for `more` elements.
    #[cold]
    pub(super) fn make_room<'s>(&'s self, held: Held<'s, H>, more: u64) -> Result<Held<'s, H>> {
        self.resize(held, |all| {
            let need = all.len.saturating_add(more);
            let ample = need.max(all.len.saturating_add(all.len / 2));
            (all.capacity < need).then_some((need, ample))
        })
    }

    /// Puts the elements into a node of another capacity: `wanted` says how many it must have room
    /// for and how many would be good, or nothing where the one there is will do.
    fn resize<'s>(
        &'s self,
        mut held: Held<'s, H>,
        wanted: impl Fn(&Elements) -> Option<(u64, u64)>,
    ) -> Result<Held<'s, H>> {
        loop {
            let all = self.elements(&held)?;
            let Some((need, ample)) = wanted(&all) else {
                return Ok(held);
            };
            if self.views(&held)?.is_some() {
                held = self.unexported(held)?;
                continue;
            }
            let need = self.size_of(need)?;
            let ample = self.size_of(ample).unwrap_or(need);
            if held.heap.in_stock(held.local, ample) {
                let node = held
                    .heap
                    .new_elements(held.local, ample, self.item, false)?;
                copy(&held, &all, &node, 0, all.len, 0);
                install(&mut held, &all, node, all.len)?;
                return Ok(held);
            }
            let seen = Seen::of(&held);
            let (heap, local) = (held.heap, held.local);
            let (node, again) = held.outside(&self.object, "vector.resize", || {
                let node = heap
                    .new_elements(local, ample, self.item, true)
                    .or_else(|_| heap.new_elements(local, need, self.item, true))?;
                heap.copy_bytes(all.at(0), node.block.off + BUFFER_DATA, all.len * self.item);
                Ok(node)
            })?;
            held = again;
            let now = self.elements(&held)?;
            let room = heap.elements_in(node.block)?.capacity;
            let fits = wanted(&now).is_some_and(|(need, _)| need <= room);
            if !fits || self.views(&held)?.is_some() {
                continue;
            }
            if seen != Seen::of(&held) {
                copy(&held, &now, &node, 0, now.len, 0);
            }
            install(&mut held, &now, node, now.len)?;
            return Ok(held);
        }
    }

    /// Replaces the range of elements that `range` says by others, in one step. `range` may be
    /// asked again when the lock was given up in between.
    pub(super) fn splice_in<'s>(
        &'s self,
        mut held: Held<'s, H>,
        version: Option<u64>,
        mut range: impl FnMut(&Held<'_, H>, &Elements) -> Result<(u64, u64)>,
        new: &[u8],
    ) -> Result<()> {
        let n = new.len() as u64 / self.item;
        let mut ready: Option<NewNode<'_, H>> = None;
        loop {
            if version.is_some_and(|version| version != held.version()) {
                return Err(modified());
            }
            let all = self.elements(&held)?;
            let (from, to) = range(&held, &all)?;
            if from == to && n == 0 {
                return Ok(());
            }
            if from == all.len && n <= all.capacity - all.len {
                return self.append(held, new, n);
            }
            if self.views(&held)?.is_some() {
                held = self.unexported(held)?;
                continue;
            }
            if n == 0 && to == all.len {
                held.changed();
                held.host()
                    .store64(all.block.off + N_LENGTH, from, Ordering::Release);
                self.shrink_if_empty(held);
                return Ok(());
            }
            let len = all.len - (to - from) + n;
            // As much room as an append would make; what becomes shorter needs none.
            let ample = if n > to - from {
                len.saturating_add(len / 2)
            } else {
                len
            };
            let need = self.size_of(len)?;
            let ample = self.size_of(ample).unwrap_or(need);
            let found = ready.take().filter(|node| {
                let room = held.heap.elements_in(node.block);
                room.is_ok_and(|room| room.capacity >= len)
            });
            let node = match found {
                Some(node) => node,
                None if held.heap.in_stock(held.local, ample) => held
                    .heap
                    .new_elements(held.local, ample, self.item, false)?,
                None => {
                    let (heap, local) = (held.heap, held.local);
                    let (node, again) = held.outside(&self.object, "vector.splice", || {
                        heap.new_elements(local, ample, self.item, true)
                            .or_else(|_| heap.new_elements(local, need, self.item, true))
                    })?;
                    ready = Some(node);
                    held = again;
                    continue;
                }
            };
            copy(&held, &all, &node, 0, from, 0);
            let start = node.block.off + BUFFER_DATA;
            held.host().copy_in(start + from * self.item, new);
            copy(&held, &all, &node, to, all.len - to, from + n);
            return install(&mut held, &all, node, len);
        }
    }

    /// Gives memory back when three quarters of a node are empty, if there is memory for a smaller
    /// one now.
    fn shrink_if_empty(&self, held: Held<'_, H>) {
        let Ok(all) = self.elements(&held) else {
            return;
        };
        if all.capacity * self.item >= SHRINKS_FROM && all.len <= all.capacity / 4 {
            let _ = self.resize_to(held, &all);
        }
    }

    /// Half as much again as there is, from what this process has in stock: otherwise later.
    fn resize_to(&self, mut held: Held<'_, H>, all: &Elements) -> Result<()> {
        let size = self.size_of(all.len + all.len / 2)?;
        let heap = held.heap;
        let node =
            heap.a_little_beyond(|| heap.new_elements(held.local, size, self.item, false))?;
        copy(&held, all, &node, 0, all.len, 0);
        install(&mut held, all, node, all.len)
    }

    // ---- views -----------------------------------------------------------------------------

    /// The object whose handles are the views, if there are any.
    pub(super) fn views(&self, held: &Held<'_, H>) -> Result<Option<u64>> {
        let all = self.elements(held)?;
        let cell = Cell(held.get(all.block.off + VEC_EXPORTS));
        if cell.tag() != Tag::Object {
            return Ok(None);
        }
        let object = held.resolve(cell)?.off;
        Ok((!held.heap.holders(object).is_empty()).then_some(object))
    }

    /// Comes back when nobody has a view: those of processes that have died are forgotten.
    ///
    /// # Errors
    /// [`Error::Exported`] while living processes have views.
    #[cold]
    pub(super) fn unexported<'s>(&'s self, held: Held<'s, H>) -> Result<Held<'s, H>> {
        let Some(object) = self.views(&held)? else {
            return Ok(held);
        };
        let heap = held.heap;
        let slots = heap.holders(object);
        let ((), held) = held.outside(&self.object, "vector.views", || {
            slots.iter().try_for_each(|&slot| heap.settle_dead(slot))
        })?;
        match self.views(&held)? {
            None => Ok(held),
            Some(object) => Err(Error::Exported {
                processes: held.heap.holders(object).len().max(1),
            }),
        }
    }
}

/// Copies `n` elements from `first` on to the place `to` of a new node.
fn copy<H: Host>(
    held: &Held<'_, H>,
    all: &Elements,
    node: &NewNode<'_, H>,
    first: u64,
    n: u64,
    to: u64,
) {
    let target = node.block.off + BUFFER_DATA + to * all.item;
    held.heap.copy_bytes(all.at(first), target, n * all.item);
}

/// Puts a node with `len` elements in the place of the old one (VEC-1).
fn install<H: Host>(
    held: &mut Held<'_, H>,
    all: &Elements,
    node: NewNode<'_, H>,
    len: u64,
) -> Result<()> {
    for at in (0..VEC_CELLS_COUNT).map(|i| VEC_CELLS + i * 8) {
        node.set(at, held.get(all.block.off + at));
    }
    node.set(N_LENGTH, len);
    held.changed();
    let actions = [Action::Publish(node.block), Action::FreeNode(all.block)];
    held.commit(root_at(held.object), node.cell().bits(), &actions)?;
    node.used();
    Ok(())
}
