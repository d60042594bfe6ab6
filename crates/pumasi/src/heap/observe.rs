//! The heap's side of the observer seam, and the counters: the first listener.
//!
//! Counters lie in shared memory, one block per object that anybody has touched since counting
//! was switched on, so that they cover all processes and survive each of them. They are plain
//! atomic additions: a kill loses at most the operation it interrupted.

use core::sync::atomic::Ordering;

use crate::error::{Error, Result};
use crate::heap::Heap;
use crate::heap::cell::{BlockWord, State};
use crate::heap::chunk::Use;
use crate::heap::layout::{
    B_BYTES, B_META, O_META, O_STATS, O_VERSION, OBJECT_SIZE, SB_OBSERVED, SB_TICKET,
};
use crate::heap::object::{Kind, ObjectRef};
use crate::observer::{self, Event, Op};
use crate::sys::{Host, Real};

/// Bit of the header's word: count operations per object.
const COUNT: u64 = 1;
/// Bit of the header's word: call the listeners.
const LISTEN: u64 = 2;

const COUNTERS: u64 = Op::ALL.len() as u64 + 1;

/// What an operation that may be observed has at hand: a null pointer, while nobody listens. What
/// is larger than a register costs each of them its way through memory.
pub(crate) type Told = Option<Box<Pending>>;

/// An observed operation under way.
pub(crate) struct Pending {
    event: Event,
    bits: u64,
}

impl Pending {
    /// The first point of an operation, outside every lock.
    #[cold]
    #[inline(never)]
    pub(crate) fn before<H: Host>(heap: &Heap<H>, object: u64, op: Op) -> Told {
        let local = heap.local().ok()?;
        let event = Event::new(op, object, local.slot, heap.host().thread());
        let bits = heap.host().load64(SB_OBSERVED, Ordering::Acquire);
        if bits & LISTEN != 0
            && let Some(listener) = observer::listener()
        {
            listener.before(&event);
        }
        Some(Box::new(Pending { event, bits }))
    }

    /// Notes that the operation had to wait.
    pub(crate) fn contended(&mut self) {
        self.event.contended = true;
    }

    /// Takes ticket and version, while the object is locked.
    #[cold]
    pub(crate) fn ticket<H: Host>(&mut self, heap: &Heap<H>, object: u64) {
        if self.bits & LISTEN != 0 {
            self.event.ticket = heap.host().add64(SB_TICKET, 1) + 1;
        }
        self.event.version = heap.get(object + O_VERSION);
        if self.bits & COUNT != 0 {
            // While the object is locked or held it cannot go, nor its counters with it.
            let _ = count(heap, object, self.event.op, self.event.contended);
        }
    }

    /// The second point, outside every lock.
    #[cold]
    pub(crate) fn after<H: Host>(self, _heap: &Heap<H>) {
        if self.bits & LISTEN != 0
            && let Some(listener) = observer::listener()
        {
            listener.after(&self.event);
        }
    }
}

/// An operation that the observer is told of, on an object whose own internal lock it does not
/// take: a value or array behind its own lock.
pub struct Access<'a, H: Host = Real> {
    object: &'a ObjectRef<H>,
    told: Told,
}

impl<H: Host> core::fmt::Debug for Access<'_, H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Access")
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

impl<H: Host> Access<'_, H> {
    /// While whatever guards the object is held; `contended`: it had to be waited for.
    #[inline(always)]
    pub fn inside(&mut self, contended: bool) {
        if let Some(told) = &mut self.told {
            self.object.inside(told, contended);
        }
    }

    /// When that has been given up.
    #[inline(always)]
    pub fn done(self) {
        if let Some(told) = self.told {
            told.after(self.object.heap());
        }
    }
}

impl<H: Host> ObjectRef<H> {
    /// The observer's first point of an operation; nothing while nobody listens (OBS-1).
    #[inline(always)]
    pub(crate) fn before(&self, op: Op) -> Told {
        let heap = self.heap();
        if heap.host().load64(SB_OBSERVED, Ordering::Relaxed) == 0 {
            return None;
        }
        Pending::before(heap, self.offset(), op)
    }

    /// The other two of an operation that holds nothing by then.
    #[inline(always)]
    pub(crate) fn after(&self, told: Told, contended: bool) {
        if let Some(mut told) = told {
            self.inside(&mut told, contended);
            told.after(self.heap());
        }
    }

    #[cold]
    #[inline(never)]
    fn inside(&self, told: &mut Pending, contended: bool) {
        if contended {
            told.contended();
        }
        told.ticket(self.heap(), self.offset());
    }

    /// All of them, of an operation that takes no lock.
    #[inline(always)]
    pub(crate) fn tell_of(&self, op: Op, contended: bool) {
        let told = self.before(op);
        self.after(told, contended);
    }

    /// Whether somebody listens.
    #[doc(hidden)]
    #[inline(always)]
    pub fn is_observed(&self) -> bool {
        self.heap().host().load64(SB_OBSERVED, Ordering::Relaxed) != 0
    }

    /// Begins an operation on an object that something else guards. What is not ended is not told.
    #[inline(always)]
    pub fn access(&self, op: Op) -> Access<'_, H> {
        let told = self.before(op);
        Access { object: self, told }
    }
}

fn count<H: Host>(heap: &Heap<H>, object: u64, op: Op, contended: bool) -> Result<()> {
    let mut stats = heap.get(object + O_STATS);
    if stats == 0 {
        let local = heap.local()?;
        let block = heap.allocate(local, B_BYTES + COUNTERS * 8)?;
        heap.host()
            .store64(block.off + B_META, COUNTERS * 8, Ordering::Relaxed);
        heap.host().zero_words(block.off + B_BYTES, COUNTERS);
        match heap.host().cas64(object + O_STATS, 0, block.off) {
            Ok(_) => {
                heap.publish(block);
                stats = block.off;
            }
            Err(found) => {
                heap.free_pending(local, block);
                stats = found;
            }
        }
    }
    if !heap.is_value(stats) {
        return Err(Error::corrupt(stats, "counters outside the chunks"));
    }
    heap.host().add64(stats + B_BYTES + op as u64 * 8, 1);
    if contended {
        heap.host().add64(stats + B_BYTES + (COUNTERS - 1) * 8, 1);
    }
    Ok(())
}

/// What was done to one object since counting began.
#[derive(Clone, Debug)]
pub struct ObjectStats {
    /// Where the object is.
    pub offset: u64,
    /// Its generation.
    pub generation: u64,
    /// What it is.
    pub kind: Kind,
    /// How often each operation was done, those that were.
    pub operations: Vec<(Op, u64)>,
    /// How many of them had to wait for another.
    pub contended: u64,
}

impl<H: Host> Heap<H> {
    /// Switches the counters of operations per object on or off, for every process.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// let list = pumasi::List::<u32>::new_in(&heap)?;
    /// heap.count_operations(true);
    /// list.push(1)?;
    /// assert_eq!(heap.operations()[0].operations.len(), 1); // one sort of operation
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn count_operations(&self, on: bool) {
        self.switch(COUNT, on);
    }

    /// Whether operations are counted.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// assert!(!heap.counts_operations());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn counts_operations(&self) -> bool {
        self.host().load64(SB_OBSERVED, Ordering::Relaxed) & COUNT != 0
    }

    /// How many shared objects there are.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// let list = pumasi::List::<u8>::new_in(&heap)?;
    /// assert_eq!(heap.objects(), 1);
    /// drop(list); // the last handle
    /// assert_eq!(heap.objects(), 0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn objects(&self) -> usize {
        let mut n = 0;
        self.for_each_object(|_, _| n += 1);
        n
    }

    /// Switches the listeners ([`observer::install`]) of every process on or off.
    ///
    /// ```
    /// let heap = pumasi::Heap::global()?;
    /// heap.observe(true); // who has installed a listener is told from now on
    /// assert!(!heap.counts_operations()); // which has a switch of its own
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn observe(&self, on: bool) {
        self.switch(LISTEN, on);
    }

    fn switch(&self, bit: u64, on: bool) {
        if on {
            self.host().or64(SB_OBSERVED, bit);
        } else {
            self.host().and64(SB_OBSERVED, !bit);
        }
    }

    /// The counters of every object that has any.
    ///
    /// ```
    /// use pumasi::observer::Op;
    ///
    /// let heap = pumasi::Heap::builder().create()?;
    /// heap.count_operations(true);
    /// let list = pumasi::List::<u32>::new_in(&heap)?;
    /// (0..3).try_for_each(|n| list.push(n))?;
    /// let counted = heap.operations();
    /// assert_eq!(counted[0].operations, [(Op::Append, 3)]);
    /// assert_eq!(counted[0].contended, 0); // nobody else was at it
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn operations(&self) -> Vec<ObjectStats> {
        let mut all = Vec::new();
        self.for_each_object(|off, word| {
            let stats = self.get(off + O_STATS);
            let Some(kind) = Kind::of(self.get(off + O_META) >> 56) else {
                return;
            };
            if stats == 0
                || stats >= self.host().size() - COUNTERS * 8 - B_BYTES
                || !stats.is_multiple_of(16)
            {
                return;
            }
            let counter = |i: u64| self.get(stats + B_BYTES + i * 8);
            all.push(ObjectStats {
                offset: off,
                generation: word.generation(),
                kind,
                operations: Op::ALL
                    .into_iter()
                    .map(|op| (op, counter(op as u64)))
                    .filter(|&(_, n)| n > 0)
                    .collect(),
                contended: counter(COUNTERS - 1),
            });
        });
        all
    }

    /// Calls `f` with every LIVE object header.
    pub(crate) fn for_each_object(&self, mut f: impl FnMut(u64, BlockWord)) {
        for chunk in 0..self.high_water() {
            let found = self.chunk(chunk);
            if found.class != 0 || !matches!(found.used, Use::Small | Use::Orphan) {
                continue;
            }
            let start = self.chunk_start(chunk);
            for i in 0..self.blocks_in(0) {
                let off = start + i * OBJECT_SIZE;
                let word = self.word(off);
                if word.state() == Some(State::Live) {
                    f(off, word);
                }
            }
        }
    }
}
