//! Who waits at a Condition or a Barrier: a table of places, one for each waiting thread.
//!
//! ```text
//! node (form 20):  word | meta | 0 | next node, a cell | (word(32), 0(32), ticket)[capacity]
//! place's word:    state(2) | owner(30), an owner as in a lock word        0: nobody's
//! ```
//!
//! SYNC-4: a place is taken under the object's internal lock, and its word is stored last. From
//! then on two may change the word, each by compare-and-swap: whoever wakes, under the lock
//! (WAITING to CALLED or TURNED_AWAY), and the one who waits there, who gives the place up
//! without the lock. A place is taken again only under the lock, so that who has the lock and
//! finds a word knows whose ticket is beside it.
//!
//! Nodes are only ever added, in front, and go with the object: a thread sleeps at the word of
//! its place, and others look through the table without the lock.
//!
//! SYNC-5: a call is lost with nobody. The place of one who dies is cleared by `estate`, and a
//! call that it had not answered (CALLED is still there) goes to the next who was waiting when
//! the call was made: the ticket of a called place is the last one given out until then. A
//! settler that is killed between the two may call one too many, never one too few.

use core::ops::ControlFlow;
use core::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{Cell, Tag};
use crate::heap::held::Held;
use crate::heap::layout::{O_AUX, O_ROOT, OWNER};
use crate::heap::log::Action;
use crate::heap::node::{Form, NewNode};
use crate::heap::object::{Kind, ObjectRef};
use crate::heap::{Heap, Local};
use crate::observer::Op;
use crate::sys::Host;

/// The next node of the table, a cell.
pub(crate) const WAITERS_NEXT: u64 = 24;
const PLACES: u64 = 32;
const PLACE: u64 = 16;
const TICKET: u64 = 8;
/// Fills a block of 256 bytes.
const FIRST: u64 = 14;
/// Fills the largest class.
const LARGEST: u64 = 2046;
/// More nodes than this only a damaged heap has.
const NODES: usize = 64;

/// Nobody has called yet.
pub(crate) const WAITING: u32 = 1 << 30;
/// Called: a notification, an open barrier.
pub(crate) const CALLED: u32 = 2 << 30;
/// Called in vain: a barrier that was reset.
pub(crate) const TURNED_AWAY: u32 = 3 << 30;
/// The state in a place's word.
pub(crate) const STATE: u32 = 3 << 30;

/// Bits of a barrier's word `O_AUX`, below the number of the phase.
pub(crate) const BROKEN: u64 = 1;
/// The last phase before this one ended by a reset and not by opening.
pub(crate) const WAS_RESET: u64 = 2;
/// All have come, and one of them runs the action.
pub(crate) const ACTING: u64 = 4;
/// How far up the phase is.
pub(crate) const PHASE: u32 = 3;

/// Where a thread waits: the place and what its word is as long as nobody has called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) word: u32,
    pub(crate) ticket: u64,
}

impl Place {
    /// The slot of the one who waits there.
    pub(crate) fn slot(self) -> u64 {
        u64::from((self.word & OWNER) >> 20)
    }
}

impl<H: Host> Heap<H> {
    /// A node of places that nobody has.
    pub(crate) fn new_places(&self, local: &'static Local, after: u64) -> Result<NewNode<'_, H>> {
        let capacity = (after * 2 + 2).clamp(FIRST, LARGEST);
        let node = self.new_node(local, Form::Waiters, capacity, PLACES + capacity * PLACE)?;
        self.host().zero_words(
            node.block.off + WAITERS_NEXT,
            (PLACES - WAITERS_NEXT + capacity * PLACE) / 8,
        );
        Ok(node)
    }

    /// Calls `f` with each place that somebody has, as it was at some moment. Needs no lock.
    pub(crate) fn each_waiter<B>(
        &self,
        object: u64,
        mut f: impl FnMut(Place) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        self.each_place(object, |at| {
            let word = self.host().load32(at, Ordering::Acquire);
            if word & STATE == 0 {
                return ControlFlow::Continue(());
            }
            let ticket = self.get(at + TICKET);
            f(Place { at, word, ticket })
        })
    }

    /// The nodes of a table behind the one at `off`, as far as they are sound.
    pub(crate) fn waiters_after(&self, off: u64) -> Vec<BlockRef> {
        let mut nodes: Vec<BlockRef> = Vec::new();
        let mut next = Cell(self.get(off + WAITERS_NEXT));
        while nodes.len() < NODES && next.tag() == Tag::Node {
            match self.resolve(next) {
                Ok(node) if node.off != off && !nodes.contains(&node) => nodes.push(node),
                _ => break,
            }
            next = nodes
                .last()
                .map_or(Cell::EMPTY, |n| Cell(self.get(n.off + WAITERS_NEXT)));
        }
        nodes
    }

    fn each_place<B>(
        &self,
        object: u64,
        mut f: impl FnMut(u64) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        let mut next = Cell(self.get(object + O_ROOT));
        for _ in 0..NODES {
            if next.tag() != Tag::Node {
                return Ok(None);
            }
            let node: BlockRef = self.resolve(next)?;
            let (form, capacity) = self.node(node.off)?;
            if form != Form::Waiters || capacity > LARGEST {
                return Err(Error::corrupt(node.off, "no table of those who wait"));
            }
            for i in 0..capacity {
                if let ControlFlow::Break(found) = f(node.off + PLACES + i * PLACE) {
                    return Ok(Some(found));
                }
            }
            next = Cell(self.get(node.off + WAITERS_NEXT));
        }
        Ok(None)
    }

    /// Takes the object's internal lock and makes sure that a place is free there: `f` gets one.
    pub(crate) fn with_free_place<R>(
        &self,
        object: &ObjectRef<H>,
        op: Op,
        section: &'static str,
        f: impl FnOnce(&mut Held<'_, H>, u64) -> Result<R>,
    ) -> Result<R> {
        let mut larger = None;
        loop {
            let mut held = self.enter(object, op, section)?;
            let mut places = 0;
            let free = self.each_place(object.offset(), |at| {
                places += 1;
                if self.host().load32(at, Ordering::Acquire) == 0 {
                    ControlFlow::Break(at)
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            if let Some(at) = free {
                return f(&mut held, at);
            }
            match larger.take() {
                None => {
                    drop(held);
                    if places >= LARGEST * (NODES as u64 - 16) {
                        return Err(Error::Unsupported {
                            what: format!("{places} threads already wait for this object"),
                        });
                    }
                    larger = Some(self.new_places(self.local()?, places)?);
                }
                Some(node) => {
                    let root = object.offset() + O_ROOT;
                    node.set(WAITERS_NEXT, self.get(root));
                    held.commit(root, node.cell().bits(), &[Action::Publish(node.block)])?;
                    node.used();
                }
            }
        }
    }

    /// Takes a free place; the internal lock is held (SYNC-4).
    pub(crate) fn take_place(&self, local: &Local, at: u64, ticket: u64) -> Place {
        let word = WAITING | local.token;
        self.host().store64(at + TICKET, ticket, Ordering::Relaxed);
        self.host().store32(at, word, Ordering::Release);
        Place { at, word, ticket }
    }

    /// Changes what a waiter finds in its place, unless it has given it up; the internal lock is
    /// held.
    pub(crate) fn call_waiter(&self, place: Place, state: u32, ticket: u64) -> bool {
        // Nobody takes the place meanwhile, so that the ticket is still this waiter's.
        self.host()
            .store64(place.at + TICKET, ticket, Ordering::Relaxed);
        let called = state | (place.word & OWNER);
        self.host().cas32(place.at, place.word, called).is_ok()
    }

    /// Gives a place up; what its word was.
    pub(crate) fn leave_place(&self, place: Place) -> u32 {
        let mut word = self.host().load32(place.at, Ordering::Acquire);
        loop {
            match self.host().cas32(place.at, word, 0) {
                Ok(word) => return word,
                Err(found) => word = found,
            }
        }
    }

    /// Calls the one who has waited longest of those with a ticket up to `limit`, other than
    /// `but`; the internal lock is held. Where it waits, for a wake-up once the lock is free.
    pub(crate) fn call_next(&self, object: u64, limit: u64, but: u32) -> Option<u64> {
        loop {
            let mut first: Option<Place> = None;
            let _ = self.each_waiter::<()>(object, |place| {
                if place.word & STATE == WAITING
                    && place.word & OWNER != but
                    && place.ticket <= limit
                    && first.is_none_or(|f| place.ticket < f.ticket)
                {
                    first = Some(place);
                }
                ControlFlow::Continue(())
            });
            let place = first?;
            if self.call_waiter(place, CALLED, limit) {
                return Some(place.at);
            }
        }
    }

    /// Clears the places of one who has ended; the internal lock is held. Where others are to be
    /// woken; `true` where all are.
    pub(crate) fn clear_places(&self, object: u64, kind: Kind, owner: u32) -> (Vec<u64>, bool) {
        let (mut called, mut all) = (Vec::new(), false);
        let _ = self.each_waiter::<()>(object, |place| {
            if place.word & OWNER != owner {
                return ControlFlow::Continue(());
            }
            match kind {
                Kind::Condition if place.word & STATE == CALLED => {
                    called.extend(self.call_next(object, place.ticket, owner));
                }
                Kind::Barrier if place.word & STATE == WAITING => {
                    let word = self.get(object + O_AUX);
                    if word >> PHASE == place.ticket && word & BROKEN == 0 {
                        let broken = (word | BROKEN) & !ACTING;
                        self.host()
                            .store64(object + O_AUX, broken, Ordering::Release);
                    }
                    all = true;
                }
                _ => {}
            }
            self.leave_place(place);
            ControlFlow::Continue(())
        });
        (called, all)
    }
}
