//! Objects: what processes share by name of a handle. Headers, handles, in-edges, destruction. The
//! file is long because these are one protocol, and the kinds of objects are listed here, too.
//!
//! The header is one block of class 0 (`layout::O_*`). An object lives while a container's cell
//! leads to it (an in-edge) or a participant holds a handle (one bit each; how many handles a
//! process has is its private affair).
//!
//! REFS: the word `sequence(32) | dead(1) | edges(31)`. HEAP-3: every raise of an edge and every
//! handle bit that is set changes the sequence *after* it is in force, and each happens while
//! the object is still held by something else (the cell it was read from, a handle). So whoever
//! reads no edges, then sees no handle bit, then swaps the unchanged word to DEAD, knows that
//! nothing leads to the object: it alone destroys it.
//! HEAP-4: an edge is raised before the commit of the cell that holds it and lowered after the
//! commit that removes the cell. A kill can only leave the count too high, until the collector
//! (`collect`) finds that nothing reaches the object.
//!
//! If the destroyer dies: the object is DEAD, its lock names the dead, and `estate` goes on.

use core::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::heap::alloc::BlockRef;
use crate::heap::cell::{BlockWord, Cell, State, Tag};
use crate::heap::hash::OffsetMap;
use crate::heap::layout::{
    BUFFER_DATA, MAX_PARTICIPANTS, O_HANDLES, O_LOCK, O_META, O_REFS, O_ROOT, O_VERSION,
    OBJECT_SIZE,
};
use crate::heap::lock::Taken;
use crate::heap::log::Doomed;
use crate::heap::{Heap, Local};
use crate::sys::{Host, Real};

/// What a shared object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// A list of values.
    List = 1,
    /// A dictionary.
    Dict = 2,
    /// Bytes of fixed size that never move: what Value and Array lie in.
    Buffer = 3,
    /// A lock that any process may release.
    Lock = 4,
    /// A lock that its owner may take again.
    RLock = 5,
    /// A counting semaphore.
    Semaphore = 6,
    /// A semaphore that knows who holds its permits.
    BoundedSemaphore = 7,
    /// A flag that can be waited for.
    Event = 8,
    /// Where threads wait to be notified.
    Condition = 9,
    /// Where threads wait for each other.
    Barrier = 10,
    /// A lock that many hold to read or one to write.
    RwLock = 11,
    /// A set of keys.
    Set = 12,
    /// A dictionary of counts.
    Counter = 13,
    /// A dictionary that makes missing values.
    DefaultDict = 14,
    /// Attributes by name.
    Namespace = 15,
    /// A list with two ends.
    Deque = 16,
    /// Items that wait for whoever takes them.
    Queue = 17,
    /// Elements of one size side by side, as many as there are.
    Vector = 18,
}

impl Kind {
    /// The kind with that number.
    pub(crate) fn of(number: u64) -> Option<Kind> {
        Some(match number {
            1 => Kind::List,
            2 => Kind::Dict,
            3 => Kind::Buffer,
            4 => Kind::Lock,
            5 => Kind::RLock,
            6 => Kind::Semaphore,
            7 => Kind::BoundedSemaphore,
            8 => Kind::Event,
            9 => Kind::Condition,
            10 => Kind::Barrier,
            11 => Kind::RwLock,
            12 => Kind::Set,
            13 => Kind::Counter,
            14 => Kind::DefaultDict,
            15 => Kind::Namespace,
            16 => Kind::Deque,
            17 => Kind::Queue,
            18 => Kind::Vector,
            _ => return None,
        })
    }

    /// Whether an object of this kind may hold references to others: whether the collector has to
    /// look into it.
    pub(crate) fn leads(self) -> bool {
        !matches!(
            self,
            Kind::Buffer
                | Kind::Lock
                | Kind::RLock
                | Kind::Semaphore
                | Kind::BoundedSemaphore
                | Kind::Event
        )
    }

    /// Whether it is a container, whose user's lock is `locked()`.
    pub(crate) fn is_container(self) -> bool {
        matches!(self, Kind::List | Kind::Deque | Kind::Set | Kind::Vector) || self.is_dict()
    }

    /// Whether it is a dictionary of some sort, with keys and values.
    ///
    /// ```
    /// use pumasi::heap::object::Kind;
    ///
    /// assert!(Kind::Counter.is_dict() && !Kind::Set.is_dict());
    /// ```
    pub fn is_dict(self) -> bool {
        matches!(
            self,
            Kind::Dict | Kind::Counter | Kind::DefaultDict | Kind::Namespace
        )
    }

    /// Its name, as users write it.
    ///
    /// ```
    /// let list = pumasi::List::of([1])?;
    /// assert_eq!(list.raw().object().kind().name(), "List");
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Kind::List => "List",
            Kind::Dict => "Dict",
            Kind::Buffer => "Buffer",
            Kind::Lock => "Lock",
            Kind::RLock => "RLock",
            Kind::Semaphore => "Semaphore",
            Kind::BoundedSemaphore => "BoundedSemaphore",
            Kind::Event => "Event",
            Kind::Condition => "Condition",
            Kind::Barrier => "Barrier",
            Kind::RwLock => "RwLock",
            Kind::Set => "Set",
            Kind::Counter => "Counter",
            Kind::DefaultDict => "DefaultDict",
            Kind::Namespace => "Namespace",
            Kind::Deque => "Deque",
            Kind::Queue => "Queue",
            Kind::Vector => "Vector",
        }
    }
}

/// The handles of this process: generation and number by offset of the object.
pub(crate) type Handles = OffsetMap<(u64, u32)>;

pub(crate) const ONE_SEQUENCE: u64 = 1 << 32;
pub(crate) const DEAD: u64 = 1 << 31;
pub(crate) const EDGES: u64 = DEAD - 1;

/// A handle: while it lives, so does the object, whichever process frees the rest.
pub struct ObjectRef<H: Host = Real> {
    heap: Heap<H>,
    off: u64,
    generation: u64,
    kind: Kind,
}

impl<H: Host> ObjectRef<H> {
    /// The heap the object is in.
    #[inline(always)]
    pub fn heap(&self) -> &Heap<H> {
        &self.heap
    }
    /// Where it is, in bytes from the start of the heap.
    #[inline(always)]
    pub fn offset(&self) -> u64 {
        self.off
    }
    /// Tells it from everything that was or will be at the same place.
    pub fn generation(&self) -> u64 {
        self.generation
    }
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Offset and generation, by which another process that has the heap open can find the
    /// object. A token keeps nothing alive.
    pub fn token(&self) -> (u64, u64) {
        (self.off, self.generation)
    }

    /// A handle of the object that `token` names.
    ///
    /// # Errors
    /// [`Error::StaleReference`] when it no longer exists.
    pub fn from_token(heap: &Heap<H>, token: (u64, u64)) -> Result<Self> {
        let (off, generation) = token;
        let stale = || Error::StaleReference {
            offset: off,
            generation,
        };
        // Only a block of class 0 is an object's header: a forged offset must not make us write
        // into somebody's data.
        let chunk = heap.chunk_of(off).map_err(|_| stale())?;
        let word = heap.chunk(chunk);
        let inside = off - heap.chunk_start(chunk);
        if word.class != 0
            || !matches!(
                word.used,
                crate::heap::chunk::Use::Small | crate::heap::chunk::Use::Orphan
            )
            || !inside.is_multiple_of(OBJECT_SIZE)
            || inside / OBJECT_SIZE >= heap.blocks_in(0)
            || heap.word(off) != BlockWord::live(generation)
        {
            return Err(stale());
        }
        let local = heap.local()?;
        heap.add_handle(local, off, generation);
        // Only now is it certain to stay; it may have gone in between.
        let gone =
            heap.word(off) != BlockWord::live(generation) || heap.get(off + O_REFS) & DEAD != 0;
        match (gone, heap.kind_at(off)) {
            (false, Ok(kind)) => Ok(ObjectRef {
                heap: heap.clone(),
                off,
                generation,
                kind,
            }),
            (_, kind) => {
                heap.drop_handle(off, generation);
                kind.and(Err(stale()))
            }
        }
    }

    /// `Err(TypeMismatch)` unless the object is of `kind`.
    pub(crate) fn expect(&self, kind: Kind) -> Result<()> {
        if self.kind == kind {
            return Ok(());
        }
        Err(Error::TypeMismatch {
            expected: kind.name(),
            found: self.kind.name().into(),
        })
    }

    /// The object's version: changes with every change of the object.
    pub fn version(&self) -> u64 {
        self.heap.get(self.off + O_VERSION)
    }
}

impl<H: Host> Clone for ObjectRef<H> {
    fn clone(&self) -> Self {
        if let Ok(local) = self.heap.local() {
            self.heap.add_handle(local, self.off, self.generation);
        }
        ObjectRef {
            heap: self.heap.clone(),
            ..*self
        }
    }
}

impl<H: Host> Drop for ObjectRef<H> {
    fn drop(&mut self) {
        self.heap.drop_handle(self.off, self.generation);
    }
}

impl<H: Host> PartialEq for ObjectRef<H> {
    fn eq(&self, other: &Self) -> bool {
        self.token() == other.token() && self.heap.same(&other.heap)
    }
}

impl<H: Host> Eq for ObjectRef<H> {}

impl<H: Host> core::hash::Hash for ObjectRef<H> {
    fn hash<S: core::hash::Hasher>(&self, state: &mut S) {
        (self.heap.id(), self.token()).hash(state);
    }
}

impl<H: Host> core::fmt::Debug for ObjectRef<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}@{:#x}", self.kind.name(), self.off)
    }
}

impl<H: Host> Heap<H> {
    fn kind_at(&self, off: u64) -> Result<Kind> {
        Kind::of(self.get(off + O_META) >> 56)
            .ok_or_else(|| Error::corrupt(off, "an object of no known kind"))
    }

    /// Makes an object: a header with `root`, and one handle.
    pub(crate) fn create_object(
        &self,
        kind: Kind,
        extra: u32,
        root: Option<(Cell, BlockRef)>,
        aux: u64,
    ) -> Result<ObjectRef<H>> {
        let local = self.local()?;
        let block = match self.allocate_class(local, 0) {
            Ok(block) => block,
            Err(error) => {
                if let Some((_, node)) = root {
                    self.free_pending(local, node);
                }
                return Err(error);
            }
        };
        let host = self.host();
        let off = block.off;
        // The sequence goes on where the header's last user left it, so that nobody who is still
        // about to swap the word of that one takes ours for it.
        let sequence = host.load64(off + O_REFS, Ordering::Relaxed) & !(ONE_SEQUENCE - 1);
        host.zero_words(off + 8, OBJECT_SIZE / 8 - 1);
        host.store64(
            off + O_REFS,
            sequence.wrapping_add(ONE_SEQUENCE),
            Ordering::Relaxed,
        );
        host.store64(
            off + O_META,
            ((kind as u64) << 56) | u64::from(extra),
            Ordering::Relaxed,
        );
        host.store64(off + crate::heap::layout::O_AUX, aux, Ordering::Relaxed);
        self.add_handle(local, off, block.generation);
        if let Some((cell, _)) = root {
            host.store64(off + O_ROOT, cell.bits(), Ordering::Relaxed);
        }
        // From here on a death finds an object with a handle of the dead and destroys it, the
        // root included: the root may become LIVE only after the header names it.
        host.store64(off, BlockWord::live(block.generation).0, Ordering::Release);
        if let Some((_, node)) = root {
            self.publish(node);
        }
        let made = ObjectRef {
            heap: self.clone(),
            off,
            generation: block.generation,
            kind,
        };
        // After the object is whole: it may be the one that a collection is due for.
        self.made_one(local);
        Ok(made)
    }

    // ---- handles ---------------------------------------------------------------------------

    /// One more handle of this process. The object is held by something else meanwhile (HEAP-3).
    pub(crate) fn add_handle(&self, local: &Local, off: u64, generation: u64) {
        local.handles.with(|handles| {
            let entry = handles.entry(off).or_insert((generation, 0));
            if entry.0 != generation {
                // What was there is gone with its handles; only a raw clone can bring this about.
                *entry = (generation, 0);
            }
            entry.1 += 1;
            if entry.1 == 1 {
                self.set_handle_bit(off, local.slot);
            }
        });
    }

    pub(crate) fn set_handle_bit(&self, off: u64, slot: u64) {
        self.host()
            .or64(off + O_HANDLES + slot / 64 * 8, 1 << (slot % 64));
        self.host().add64(off + O_REFS, ONE_SEQUENCE);
    }

    /// One handle less; the last one anywhere destroys the object.
    pub(crate) fn drop_handle(&self, off: u64, generation: u64) {
        let Ok(local) = self.local() else { return };
        let last = local.handles.with(|handles| {
            // A child of a bare clone holds handles that nobody counted for it.
            let Some(entry) = handles.get_mut(&off).filter(|e| e.0 == generation) else {
                return false;
            };
            entry.1 -= 1;
            if entry.1 > 0 {
                return false;
            }
            handles.remove(&off);
            self.clear_handle_bit(off, local.slot);
            true
        });
        if last {
            self.free_if_unheld(local, off);
        }
    }

    pub(crate) fn clear_handle_bit(&self, off: u64, slot: u64) -> bool {
        let bit = 1 << (slot % 64);
        self.host().and64(off + O_HANDLES + slot / 64 * 8, !bit) & bit != 0
    }

    /// A handle of the object that a cell leads to; the lock of the cell's container is held.
    pub(crate) fn handle_of(&self, local: &Local, cell: Cell) -> Result<ObjectRef<H>> {
        let block = self.resolve(cell)?;
        let kind = self.kind_at(block.off)?;
        self.add_handle(local, block.off, block.generation);
        Ok(ObjectRef {
            heap: self.clone(),
            off: block.off,
            generation: block.generation,
            kind,
        })
    }

    // ---- edges -----------------------------------------------------------------------------

    /// One more cell will lead to the object, of which the caller has a handle.
    pub(crate) fn raise_edge(&self, object: &ObjectRef<H>) -> Result<Cell> {
        let before = self.host().add64(object.off + O_REFS, ONE_SEQUENCE + 1);
        if before & EDGES == EDGES {
            self.host()
                .add64(object.off + O_REFS, ONE_SEQUENCE.wrapping_sub(1));
            return Err(Error::Unsupported {
                what: "an object is stored in more than two billion places".into(),
            });
        }
        Ok(Cell::block(Tag::Object, object.off, object.generation))
    }

    /// One cell less leads to the object of `cell`.
    pub(crate) fn lower_edge(&self, cell: Cell, doomed: &mut Doomed) -> Result<()> {
        let off = cell.offset();
        let chunk = self.chunk_of(off)?;
        let word = self.word(off);
        if self.chunk(chunk).class != 0
            || word.state() != Some(State::Live)
            || word.generation() & 0xf_ffff != cell.generation20()
        {
            return Err(Error::corrupt(off, "an edge to what is no object"));
        }
        let mut refs = self.get(off + O_REFS);
        loop {
            if refs & EDGES == 0 {
                return Err(Error::corrupt(off, "more edges lowered than raised"));
            }
            match self
                .host()
                .cas64(off + O_REFS, refs, refs.wrapping_add(ONE_SEQUENCE) - 1)
            {
                Ok(_) => break,
                Err(found) => refs = found,
            }
        }
        if refs & EDGES == 1 {
            doomed.push(off);
        }
        Ok(())
    }

    /// Destroys the object at `off` if nothing leads to it; see HEAP-3.
    pub(crate) fn free_if_unheld(&self, local: &'static Local, off: u64) {
        self.destroy_all(local, vec![off]);
    }

    /// The same for several, and for what they alone held.
    pub(crate) fn destroy_all(&self, local: &'static Local, mut doomed: Doomed) {
        while let Some(off) = doomed.pop() {
            // One lowers the last edge and looks for handles, another drops the last handle and
            // looks for edges: at least one must see what the other did.
            self.host().fence();
            let refs = self.get(off + O_REFS);
            if refs & (EDGES | DEAD) != 0
                || self.word(off).state() != Some(State::Live)
                || (0..MAX_PARTICIPANTS / 64).any(|i| self.get(off + O_HANDLES + i * 8) != 0)
                || !self.take_internal(local, off)
            {
                continue;
            }
            // With the lock first: whoever dies from here on leaves a lock that names the dead.
            if self.host().cas64(off + O_REFS, refs, refs | DEAD).is_ok() {
                self.finish_destroying(local, off, &mut doomed);
            } else {
                self.give(local, off + O_LOCK);
            }
        }
    }

    pub(crate) fn is_dead(&self, off: u64) -> bool {
        self.get(off + O_REFS) & DEAD != 0
    }

    /// Takes the lock of an object that hardly anybody else can want.
    fn take_internal(&self, local: &Local, off: u64) -> bool {
        match self.take_now(local, off + O_LOCK) {
            Ok(Taken::Ours) => true,
            Ok(Taken::FromDead(..)) => {
                self.settle_log(local, off, &mut Doomed::new());
                true
            }
            // Somebody is at work on it, with a handle, and will find it unheld later.
            _ => false,
        }
    }

    /// Destroys a DEAD object whose lock the caller holds.
    pub(crate) fn finish_destroying(&self, local: &Local, off: u64, doomed: &mut Doomed) {
        self.host().section("destroy");
        let _ = self.destroy_root(local, off, doomed);
        let stats = self.get(off + crate::heap::layout::O_STATS);
        if stats != 0 && self.is_value(stats) {
            let generation = self.word(stats).generation();
            self.free(
                local,
                BlockRef {
                    off: stats,
                    generation,
                },
            );
        }
        let generation = self.word(off).generation();
        self.unmade_one(local);
        // The lock goes with the block: the next user of the header zeroes it.
        self.free(local, BlockRef { off, generation });
        self.host().section("");
    }

    /// Where the data of a buffer object starts.
    pub(crate) fn buffer_data(&self, object: &ObjectRef<H>) -> Result<u64> {
        Ok(self.resolve(Cell(self.get(object.off + O_ROOT)))?.off + BUFFER_DATA)
    }
}
