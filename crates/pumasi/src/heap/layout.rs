//! Where everything lies in a heap, as constants: the format.
//!
//! ```text
//! superblock (1 page) | participants (128 bytes each) | chunk table (32 bytes each) | chunks
//! ```
//!
//! A heap whose [`FORMAT`] differs is refused. ARCHITECTURE.md tells the same with the reasons;
//! whoever changes a number here raises the version in `FORMAT` and edits that page.

/// First word of every heap: "pumasi" and two zero bytes, little-endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"pumasi\0\0");
/// The version of this layout. Two builds with different layouts refuse each other's heaps.
pub const FORMAT: u64 = 1;

/// Bytes in a page of the smallest size that the supported machines have.
pub const PAGE: u64 = 4096;

// ---- superblock: byte offsets of its words -------------------------------------------------

/// [`MAGIC`].
pub const SB_MAGIC: u64 = 0x00;
/// [`FORMAT`].
pub const SB_FORMAT: u64 = 0x08;
/// The heap's identity, lower half.
pub const SB_ID_LOW: u64 = 0x10;
/// The heap's identity, upper half.
pub const SB_ID_HIGH: u64 = 0x18;
/// Bytes of the whole memory, the reserve.
pub const SB_SIZE: u64 = 0x20;
/// Bytes of a chunk, a power of two from [`PAGE`] up.
pub const SB_CHUNK_SIZE: u64 = 0x28;
/// [`MAX_PARTICIPANTS`].
pub const SB_PARTICIPANTS: u64 = 0x30;
/// Most bytes of committed chunks; may change at any time.
pub const SB_LIMIT: u64 = 0x38;
/// What hashes of this heap's keys are keyed with, first half.
pub const SB_HASH_KEY0: u64 = 0x40;
/// What hashes of this heap's keys are keyed with, second half.
pub const SB_HASH_KEY1: u64 = 0x48;
/// Inode of the pid namespace whose processes may attach.
pub const SB_PID_NAMESPACE: u64 = 0x50;
/// 0 until the creator has written everything above, then 1.
pub const SB_READY: u64 = 0x58;
/// What listeners want to be told ([`crate::observer`]); read by every operation, written hardly
/// ever, so that it has a cache line of its own.
pub const SB_OBSERVED: u64 = 0x80;
/// The next ticket of an observed operation.
pub const SB_TICKET: u64 = 0xc0;
/// Bytes of committed chunks.
pub const SB_COMMITTED: u64 = 0x100;
/// Bytes of committed chunks that hold nothing.
pub const SB_IDLE: u64 = 0x108;
/// One more than the highest chunk ever taken.
pub const SB_HIGH_WATER: u64 = 0x110;
/// No chunk below this index is free (a hint).
pub const SB_FREE_HINT: u64 = 0x118;
/// How many chunks may be orphans (a hint).
pub const SB_ORPHANS: u64 = 0x120;
/// How often memory that had lain idle was given back to the system.
pub const SB_GIVEN_BACK: u64 = 0x128;
/// The lock of whoever collects (32 bits).
pub const SB_COLLECTOR: u64 = 0x140;
/// How many collections were begun.
pub const SB_BEGUN: u64 = 0x148;
/// The number of the last collection that came to its end.
pub const SB_ENDED: u64 = 0x150;
/// How much that one had to look at, in cells and objects (a hint: it says when the next is due).
pub const SB_LOOKED_AT: u64 = 0x158;
/// The Dict of named roots, a cell. Reserved: named heaps set it.
pub const SB_ROOTS: u64 = 0x180;
/// With what seed the first process hashed keys that compare themselves; 0 while none did.
pub const SB_HASH_SEED: u64 = 0x1c0;
/// 1 once another process hashed with another seed.
pub const SB_HASH_SEEDS: u64 = 0x1c8;

// ---- participants --------------------------------------------------------------------------

/// Slots in every heap. Slot 0 is never claimed: as an owner it means "kept" (PART-3).
pub const MAX_PARTICIPANTS: u64 = 1024;
/// Bytes of one slot.
pub const PARTICIPANT_SIZE: u64 = 128;
/// Offset of the first slot.
pub const PARTICIPANTS: u64 = PAGE;

/// `state(4) | generation(28) | pid(32)`: claim and owner in one word.
pub const P_CLAIM: u64 = 0;
/// Start time of the process; 0 while unknown.
pub const P_START: u64 = 8;
/// Start of the stack of the process; 0 while unknown.
pub const P_STACK: u64 = 16;
/// The lock of whoever settles the estate of a dead participant (32 bits).
pub const P_SETTLER: u64 = 24;
/// `1 << 63 | wait status`, written by whoever reaped the process, else 0.
pub const P_STATUS: u64 = 32;
/// Most resident memory in bytes, written with the status, else 0.
pub const P_PEAK: u64 = 40;

// ---- chunk table ---------------------------------------------------------------------------

/// Bytes of one entry.
pub const CHUNK_ENTRY: u64 = 32;
/// `state(4) | committed(1) | class(6) | slot(10) | spare(11) | run length(32)`.
pub const C_WORD: u64 = 0;
/// No block in the chunk has ever had a generation above this.
pub const C_GENERATION: u64 = 8;
/// Counts blocks that another process than the owner freed (a hint to look again).
pub const C_FREED: u64 = 16;
/// What [`SB_GIVEN_BACK`] was when the chunk became idle (a hint: those that lie idle longest go
/// first).
pub const C_IDLE_SINCE: u64 = 24;

// ---- blocks --------------------------------------------------------------------------------

/// Block sizes in bytes, the block's own word included. Class 0 holds object headers only, so
/// that a walk over its chunks finds every object.
pub const CLASSES: [u64; 22] = [
    OBJECT_SIZE,
    16,
    32,
    48,
    64,
    96,
    128,
    192,
    256,
    384,
    512,
    768,
    1024,
    1536,
    2048,
    3072,
    4096,
    6144,
    8192,
    12288,
    16384,
    32768,
];
/// The class number of a run of whole chunks.
pub const RUN_CLASS: usize = 63;

/// Value blocks: `word | meta | [pins] | [edge count | edges] | bytes`. `meta = form(16) | length(48)`.
pub const B_META: u64 = 8;
/// Where the bytes of a small value start.
pub const B_BYTES: u64 = 16;
/// Longer values carry one pin bit per participant before their bytes.
pub const COPY_LIMIT: u64 = 1024;
/// Bytes of the pin bits.
pub const PIN_BYTES: u64 = MAX_PARTICIPANTS / 8;
/// Where the data of a buffer starts in its block: aligned for every type NumPy has.
pub const BUFFER_DATA: u64 = 64;

// ---- objects: byte offsets in an object's header block -------------------------------------

/// `kind(8) | flags(8) | spare(16) | extra(32)`.
pub const O_META: u64 = 8;
/// The internal lock (32 bits).
pub const O_LOCK: u64 = 16;
/// The user's lock: `locked()` of a container, the lock of a Lock or RLock (32 bits).
pub const O_USER: u64 = 20;
/// Thread of the user lock's owner (32 bits); a cache, valid while the owner word names us.
pub const O_THREAD: u64 = 24;
/// How often that thread holds it (32 bits); a cache like the thread.
pub const O_DEPTH: u64 = 28;
/// `sequence(32) | dead(1) | in-edges(31)`; each change raises the sequence (REFS in `object`).
pub const O_REFS: u64 = 32;
/// Raised by every change, under the internal lock.
pub const O_VERSION: u64 = 40;
/// The root cell: what the object holds.
pub const O_ROOT: u64 = 48;
/// A second word whose meaning depends on the kind.
pub const O_AUX: u64 = 56;
/// 32 bits, which who waits for a change of a container sleeps at. The 32 bits behind it are
/// [`O_ITEM`].
pub const O_CHANGE: u64 = 64;
/// Of a Vector: bytes of an element, 32 bits.
pub const O_ITEM: u64 = 68;
/// The counters of the statistics listener, a block offset, 0 while nobody counts.
pub const O_STATS: u64 = 72;
/// The operation log: 0 when disarmed, else `1 + number of actions`.
pub const O_LOG: u64 = 80;
/// The offset of the commit word.
pub const O_LOG_AT: u64 = 88;
/// What the commit word holds once the operation is committed.
pub const O_LOG_VALUE: u64 = 96;
/// The block that a release in progress is about to free: offset, then generation.
pub const O_LOG_CURSOR: u64 = 104;
/// The actions, three words each.
pub const O_LOG_ACTIONS: u64 = 120;
/// Room for this many.
pub const LOG_ACTIONS: u64 = 5;
/// The last death that the user lock's next owner was told of: `signal(32) | pid(32)`.
pub const O_DEATH: u64 = 240;
/// Of a Deque: raised by every change but the overwriting of an item; of a Vector: by every view.
pub const O_MOVES: u64 = 248;
/// One bit per participant that holds a handle.
pub const O_HANDLES: u64 = 256;
/// Bytes of an object header.
pub const OBJECT_SIZE: u64 = O_HANDLES + MAX_PARTICIPANTS / 8;

/// Where the cell of a participant is among those of an RwLock's readers: slots that follow each
/// other are in different lines of the cache.
pub const fn reader_cell(slot: u64) -> u64 {
    const LINES: u64 = MAX_PARTICIPANTS / 8;
    (slot % LINES) * 64 + slot / LINES * 8
}

const _: () = assert!(OBJECT_SIZE == 384);
const _: () = assert!(O_LOG_ACTIONS + LOG_ACTIONS * 24 <= O_DEATH);
const _: () = assert!(O_MOVES + 8 == O_HANDLES);

// ---- owner words ---------------------------------------------------------------------------

/// `waiters(1) | starved(1) | slot(10) | generation(20)`: the word of every lock.
pub const WAITERS: u32 = 1 << 31;
/// Somebody has slept long: the next release leaves the lock to those who slept.
pub const STARVED: u32 = 1 << 30;
/// The owner's part of a lock word.
pub const OWNER: u32 = STARVED - 1;
/// The owner of a lock whose owner left in order while holding it (D 8).
pub const KEPT: u32 = 1;

/// The owner part of a lock word for a participant.
pub const fn token(slot: u64, generation: u64) -> u32 {
    ((slot as u32) << 20) | (generation as u32 & 0xf_ffff)
}

/// Bits 0 to 47: the generation of a block.
pub const GENERATION: u64 = (1 << 48) - 1;
