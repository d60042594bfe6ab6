//! The heap: one memory that many processes allocate from, and that a kill cannot tear.
//! Long because every method has its example.
//!
//! - [`layout`]: where everything lies, the format.
//! - [`cell`]: one 64-bit word for any value, and the word that rules a block.
//! - `participant`: who is attached, who died, and what is done with the estate.
//! - `alloc`: blocks; `chunk`: the chunks they are cut from, and runs of them.
//! - `lock`: the internal lock of every object.
//! - `log`: the operation log beside each lock, and what recovery does with it.
//! - [`change`]: waiting until a container changes.
//! - `held`: the way into every operation on an object.
//! - `object`: headers of shared objects, handles and in-edges, destruction.
//! - `node`: the blocks that containers are built of, as far as destruction must walk them;
//!   `walk`: all that their cells lead to.
//! - [`collect`]: what only leads to itself, and what a kill left counted too high, comes back;
//!   `mark`: how it is found.
//! - `waiters`: who waits at a Condition or a Barrier.
//! - `ring`: those of a Deque and a Queue; `lease`: what is taken out of a Queue and under way.
//! - [`value`]: bringing values in; [`fetch`]: and out.
//! - [`codec`]: how tuples and keys are written down.
//! - [`stats`]: where the memory went.
//! - [`named`]: heaps that unrelated programs find by a name.
//! - `shareable`: which Rust types may lie in shared memory as they are.
//!
//! HEAP-1: a mapping is never moved, and unmapped only when nothing in the process leads to its heap
//! any more: no name of it ([`Heap`]), no handle, no view.
//! HEAP-2: a process that is killed leaves a prefix of its stores; every change has one commit
//! word, and what must be undone before it or finished after it is in the log of the object.

pub(crate) mod alloc;
pub mod cell;
pub mod change;
pub mod check;
pub(crate) mod chunk;
pub mod codec;
pub mod collect;
pub(crate) mod elements;
pub(crate) mod estate;
pub mod fetch;
pub mod global;
pub(crate) mod hash;
pub(crate) mod held;
pub mod layout;
pub(crate) mod lease;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod look;
pub(crate) mod mark;
pub mod named;
pub(crate) mod node;
pub mod object;
pub(crate) mod observe;
pub(crate) mod participant;
pub(crate) mod ring;
pub mod shareable;
pub mod stats;
#[cfg(feature = "serde")]
pub mod travel;
pub mod value;
pub(crate) mod waiters;
pub(crate) mod walk;

pub use collect::Collected;
pub use observe::{Access, ObjectStats};
pub use stats::Stats;

use core::ptr;
use core::sync::atomic::Ordering;
use std::sync::Arc;

use crate::error::{Error, Fast, Result};
use crate::heap::alloc::Allocator;
use crate::heap::layout::{
    CHUNK_ENTRY, CLASSES, FORMAT, MAGIC, MAX_PARTICIPANTS, PAGE, PARTICIPANT_SIZE, PARTICIPANTS,
    SB_CHUNK_SIZE, SB_COMMITTED, SB_FORMAT, SB_HASH_KEY0, SB_HASH_KEY1, SB_ID_HIGH, SB_ID_LOW,
    SB_LIMIT, SB_MAGIC, SB_PARTICIPANTS, SB_PID_NAMESPACE, SB_READY, SB_SIZE,
};
use crate::heap::object::Handles;
use crate::sys::{Host, Real, SpinLock, process};

/// The identity of a heap: 128 random bits.
pub type HeapId = u128;

/// A shared memory and this process's place in it. Cloning gives another name for the same.
pub struct Heap<H: Host = Real>(Arc<Inner<H>>);

impl<H: Host> Clone for Heap<H> {
    fn clone(&self) -> Self {
        Heap(Arc::clone(&self.0))
    }
}

impl<H: Host> core::fmt::Debug for Heap<H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Heap")
            .field("id", &format_args!("{:032x}", self.0.id))
            .field("limit", &self.limit())
            .field("used", &self.used())
            .finish()
    }
}

/// What does not change while a heap is open, read once and checked.
pub(crate) struct Inner<H: Host> {
    pub(crate) host: H,
    pub(crate) id: HeapId,
    pub(crate) keys: [u64; 2],
    pub(crate) chunk_size: u64,
    pub(crate) chunks: u64,
    pub(crate) chunks_at: u64,
    /// By what name others find it.
    pub(crate) named: std::sync::OnceLock<named::Named>,
}

impl<H: Host> Drop for Inner<H> {
    fn drop(&mut self) {
        // Others end with the process.
        if self.named.get().is_none() {
            return;
        }
        let word = self.host.private().swap(ptr::null_mut(), Ordering::AcqRel);
        let local = word.cast::<Local>();
        if !local.is_null() && local != participant::ATTACHING {
            // SAFETY: the word leads to a leaked box of this process (PART-1), and whoever could
            // still use it would need the heap, to which this was the last reference.
            let local = unsafe { Box::from_raw(local) };
            participant::give_slot_up(&self.host, &local);
        }
    }
}

/// The state that belongs to one process (or, in the simulator, to one simulated process).
pub(crate) struct Local {
    pub(crate) slot: u64,
    pub(crate) generation: u64,
    /// What our locks carry as owner.
    pub(crate) token: u32,
    pub(crate) allocator: SpinLock<Allocator>,
    pub(crate) handles: SpinLock<Handles>,
    /// How often this process has pinned the block at an offset.
    pub(crate) pins: SpinLock<hash::OffsetMap<u32>>,
    /// When the next collection is due.
    pub(crate) due: collect::Due,
    /// The slots of the processes that this one was forked from with their pins: theirs are ours.
    pub(crate) heir_of: Vec<u64>,
}

/// How a heap is made; see [`Heap::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    limit: Option<u64>,
    reserve: Option<u64>,
    chunk_size: u64,
    pub(crate) name: Option<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            limit: None,
            reserve: None,
            chunk_size: 64 * 1024,
            name: None,
        }
    }
}

impl Builder {
    /// At most this many bytes of memory; then operations fail with [`Error::OutOfMemory`].
    /// Default: 80 % of the smaller of the machine's memory and the control group's limit.
    ///
    /// ```
    /// use pumasi::{Error, Heap, List};
    ///
    /// let heap = Heap::builder().limit(1 << 20).create()?;
    /// let list = List::<String>::new_in(&heap)?;
    /// let refused = list.push("x".repeat(2 << 20));
    /// assert!(matches!(refused, Err(Error::OutOfMemory { .. })));
    /// assert!(list.is_empty()?); // and everything else goes on
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Builder {
        self.limit = Some(bytes);
        self
    }

    /// Address space to reserve, which the limit can later be raised to. Costs no memory.
    /// Default: twice the limit, at least 64 GiB, less when the process may not map as much.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(1 << 20).reserve(1 << 30).create()?;
    /// heap.set_limit(1 << 30); // later, when it turns out to be too little
    /// assert!(heap.used() < 1 << 20); // what is reserved is not used
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn reserve(mut self, bytes: u64) -> Builder {
        self.reserve = Some(bytes);
        self
    }

    /// Bytes that are taken from the system at a time: a power of two from 4096 up.
    /// Default 65536; tests take small ones, so that the rare paths are the usual ones.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// assert_eq!(Heap::builder().chunk_size(4096).create()?.chunk_size(), 4096);
    /// assert!(Heap::builder().chunk_size(5000).create().is_err());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn chunk_size(mut self, bytes: u64) -> Builder {
        self.chunk_size = bytes;
        self
    }

    /// By this name other programs of the same user find it with [`Heap::open`]: at most 128
    /// letters and digits of ASCII, `.`, `_` and `-`, the first a letter or digit.
    ///
    /// ```
    /// use pumasi::{Error, Heap};
    ///
    /// # let name = format!("doc.name.{}", std::process::id());
    /// # let name = name.as_str();
    /// let heap = Heap::builder().name(name).limit(64 << 20).create()?;
    /// assert!(Heap::open(name)?.same(&heap));
    /// assert!(matches!(Heap::builder().name("a/b").create(), Err(Error::BadName { .. })));
    /// # heap.close();
    /// # heap.close();
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn name(mut self, name: &str) -> Builder {
        self.name = Some(name.to_owned());
        self
    }

    /// Makes the heap.
    ///
    /// ```
    /// use pumasi::{Heap, List};
    ///
    /// let heap = Heap::builder().limit(64 << 20).create()?; // besides the default one
    /// let list = List::<u32>::new_in(&heap)?;
    /// list.push(1)?;
    /// assert_eq!(heap.objects(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Os`] when the system refuses memory, [`Error::Unsupported`] for a chunk size
    /// that is not a power of two from 4096 up. With a name, as [`Heap::create`].
    pub fn create(self) -> Result<Heap> {
        if self.name.is_some() {
            return self.create_named();
        }
        let heap = self.make()?;
        heap.attach_to_forks();
        Ok(heap)
    }

    /// Makes the memory and an empty heap in it.
    pub(crate) fn make(&self) -> Result<Heap> {
        let limit = self.limit.unwrap_or_else(global::default_limit);
        let reserve = self.reserve.unwrap_or_else(|| {
            let wanted = limit.saturating_mul(2).max(64 << 30);
            wanted.min(global::address_space() / 2)
        });
        let size = reserve.max(limit).max(1 << 20).next_multiple_of(PAGE);
        // Under a tight RLIMIT_AS even half of what is allowed may not fit beside what is there.
        let mut attempt = size;
        let host = loop {
            match Real::create(attempt) {
                Err(Error::Os { call: "mmap", .. }) if attempt > (16 << 20) => {
                    attempt = (attempt / 2).next_multiple_of(PAGE);
                }
                other => break other?,
            }
        };
        Heap::format(
            host,
            self.chunk_size,
            limit,
            process::random_u128(),
            process::pid_namespace(),
        )
    }
}

impl Heap<Real> {
    /// How a heap is made: `Heap::builder().limit(1 << 30).create()?`.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// assert_eq!(heap.limit(), 64 << 20);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl<H: Host> Heap<H> {
    /// Writes an empty heap into the host's memory, which is all zero, and opens it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the memory is too small or the chunk size is not allowed.
    pub fn format(host: H, chunk_size: u64, limit: u64, id: HeapId, pid_ns: u64) -> Result<Self> {
        if !chunk_size.is_power_of_two() || chunk_size < PAGE {
            return Err(Error::Unsupported {
                what: format!("a chunk size of {chunk_size}: take a power of two from 4096 up"),
            });
        }
        // And the first page of the chunk table; the others follow with the high water.
        host.commit(0, PARTICIPANTS + MAX_PARTICIPANTS * PARTICIPANT_SIZE + PAGE)?;
        let put = |at, value| host.store64(at, value, Ordering::Relaxed);
        put(SB_MAGIC, MAGIC);
        put(SB_FORMAT, FORMAT);
        put(SB_ID_LOW, id as u64);
        put(SB_ID_HIGH, (id >> 64) as u64);
        put(SB_SIZE, host.size());
        put(SB_CHUNK_SIZE, chunk_size);
        put(SB_PARTICIPANTS, MAX_PARTICIPANTS);
        put(SB_LIMIT, limit);
        put(SB_HASH_KEY0, host.random() ^ (id as u64).rotate_left(17));
        put(
            SB_HASH_KEY1,
            host.random().rotate_left(32) ^ (id >> 64) as u64,
        );
        put(SB_PID_NAMESPACE, pid_ns);
        host.store64(SB_READY, 1, Ordering::Release);
        Heap::from_host(host, pid_ns)
    }

    /// Opens the heap that lies in the host's memory.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not one, [`Error::Unsupported`] when it is one of another
    /// format or of processes in another pid namespace.
    pub fn from_host(host: H, pid_ns: u64) -> Result<Self> {
        let get = |at| host.load64(at, Ordering::Acquire);
        if host.size() < PARTICIPANTS + MAX_PARTICIPANTS * PARTICIPANT_SIZE + PAGE {
            return Err(Error::Unsupported {
                what: format!("a heap of {} bytes: it has no room for chunks", host.size()),
            });
        }
        if get(SB_READY) != 1 || get(SB_MAGIC) != MAGIC {
            return Err(Error::corrupt(0, "not a pumasi heap"));
        }
        if get(SB_FORMAT) != FORMAT || get(SB_PARTICIPANTS) != MAX_PARTICIPANTS {
            return Err(Error::Unsupported {
                what: format!(
                    "the heap has format {}, this build reads format {FORMAT}; use the same version of pumasi in all processes",
                    get(SB_FORMAT)
                ),
            });
        }
        // Liveness is told by pids, which mean something else in another namespace (D 9).
        if get(SB_PID_NAMESPACE) != pid_ns {
            return Err(Error::Unsupported {
                what: "the heap belongs to processes in another pid namespace (another container); share one namespace, for example with --pid".into(),
            });
        }
        let (size, chunk_size) = (get(SB_SIZE), get(SB_CHUNK_SIZE));
        if size != host.size() || !chunk_size.is_power_of_two() || chunk_size < PAGE {
            return Err(Error::corrupt(SB_SIZE, "impossible sizes"));
        }
        // The table is laid out for the most chunks that could fit; the chunks follow it.
        let table = PARTICIPANTS + MAX_PARTICIPANTS * PARTICIPANT_SIZE;
        let most = (size - table) / (chunk_size + CHUNK_ENTRY);
        let chunks_at = (table + most * CHUNK_ENTRY).next_multiple_of(PAGE);
        let chunks = size.saturating_sub(chunks_at) / chunk_size;
        if chunks == 0 {
            return Err(Error::Unsupported {
                what: format!("a heap of {size} bytes with chunks of {chunk_size}: too small"),
            });
        }
        Ok(Heap(Arc::new(Inner {
            id: u128::from(get(SB_ID_LOW)) | (u128::from(get(SB_ID_HIGH)) << 64),
            keys: [get(SB_HASH_KEY0), get(SB_HASH_KEY1)],
            chunk_size,
            chunks,
            chunks_at,
            named: std::sync::OnceLock::new(),
            host,
        })))
    }

    /// The identity of the heap.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// let (one, other) = (Heap::builder().create()?, Heap::builder().create()?);
    /// assert_ne!(one.id(), other.id()); // 128 random bits
    /// assert_eq!(one.id(), one.clone().id());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> HeapId {
        self.0.id
    }

    /// The host below.
    #[inline(always)]
    #[must_use]
    pub fn host(&self) -> &H {
        &self.0.host
    }

    /// Most bytes of memory the heap may take.
    ///
    /// ```
    /// let heap = pumasi::Heap::global()?;
    /// assert!(heap.used() <= heap.limit());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.host().load64(SB_LIMIT, Ordering::Relaxed)
    }

    /// Changes the limit, for all processes.
    ///
    /// ```
    /// use pumasi::{Heap, List};
    ///
    /// let heap = Heap::builder().limit(1 << 20).create()?;
    /// let list = List::<String>::new_in(&heap)?;
    /// assert!(list.push("x".repeat(2 << 20)).is_err());
    /// heap.set_limit(8 << 20);
    /// list.push("x".repeat(2 << 20))?;
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn set_limit(&self, bytes: u64) {
        self.host().store64(SB_LIMIT, bytes, Ordering::Relaxed);
    }

    /// Bytes of memory the heap has taken from the system, in use or kept for reuse.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// let before = heap.used();
    /// let array = pumasi::Array::new_in(&heap, &[0u64; 100_000])?;
    /// assert!(heap.used() >= before + 800_000);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn used(&self) -> u64 {
        self.host().load64(SB_COMMITTED, Ordering::Relaxed)
    }

    /// Bytes that are taken from the system at a time.
    ///
    /// ```
    /// assert_eq!(pumasi::Heap::builder().create()?.chunk_size(), 65536);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn chunk_size(&self) -> u64 {
        self.0.chunk_size
    }

    /// Whether two handles lead to the same heap.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// assert!(heap.same(&heap.clone()));
    /// assert!(!heap.same(pumasi::Heap::global()?));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn same(&self, other: &Heap<H>) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.id == other.0.id
    }

    /// This process's own state; attaches it first where that has not happened, as in the child
    /// of a fork.
    #[inline(always)]
    pub(crate) fn local(&self) -> Fast<&'static Local> {
        let word = self
            .host()
            .private()
            .load(Ordering::Acquire)
            .cast::<Local>();
        if word.is_null() || word == participant::ATTACHING {
            return Ok(self.attach()?);
        }
        // SAFETY: the word is only ever set to a leaked box of this process (PART-1).
        Ok(unsafe { &*word })
    }

    /// Makes this process a participant of the heap, which otherwise happens with its first
    /// operation.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// heap.join()?;
    /// heap.join()?; // it is one already
    /// assert_eq!(heap.participants(), 1);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooManyParticipants`] when every slot is taken by a living process.
    pub fn join(&self) -> Result<()> {
        self.local()?;
        Ok(())
    }
}

/// The class of blocks with at least `size` bytes, if there is one in chunks of `chunk_size`.
#[inline]
pub(crate) fn class_for(size: u64, chunk_size: u64) -> Option<usize> {
    const SMALL: [u8; 65] = {
        let mut table = [0u8; 65];
        let mut i = 1;
        while i <= 64 {
            let mut class = 1;
            while CLASSES[class] < i as u64 * 16 {
                class += 1;
            }
            table[i] = class as u8;
            i += 1;
        }
        table[0] = 1;
        table
    };
    let class = if size <= 1024 {
        SMALL[size.div_ceil(16) as usize] as usize
    } else {
        (1..CLASSES.len()).find(|&c| CLASSES[c] >= size)?
    };
    (CLASSES[class] <= chunk_size).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_fit() {
        for size in 1..40_000 {
            match class_for(size, 65536) {
                Some(class) => {
                    assert!(class > 0 && CLASSES[class] >= size);
                    assert!(class == 1 || CLASSES[class - 1] < size, "{size}");
                }
                None => assert!(size > 32768),
            }
        }
        assert_eq!(class_for(6000, 4096), None);
    }

    #[test]
    fn a_heap_of_another_format_is_refused() {
        let host = crate::sys::sim::Sim::new(1 << 20);
        let heap = Heap::format(host, 4096, 1 << 20, 7, 0).unwrap();
        let other = heap.host().copy(2);
        other.poke(SB_FORMAT, FORMAT + 1);
        assert!(matches!(
            Heap::from_host(other, 0),
            Err(Error::Unsupported { .. })
        ));
        assert!(matches!(
            Heap::from_host(heap.host().copy(2), 5),
            Err(Error::Unsupported { .. })
        ));
        let other = heap.host().copy(2);
        other.poke(SB_MAGIC, 0);
        assert!(matches!(
            Heap::from_host(other, 0),
            Err(Error::Corrupt { .. })
        ));
        assert_eq!(Heap::from_host(heap.host().copy(2), 0).unwrap().id(), 7);
    }
}
