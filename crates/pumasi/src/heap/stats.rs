//! Where the memory went: by kind of object, by participant, and what lies idle.

use core::fmt;
use core::time::Duration;

use crate::error::Error;
use crate::heap::cell::{Cell, State};
use crate::heap::chunk::Use;
use crate::heap::collect::{Collecting, Patience};
use crate::heap::layout::{
    CLASSES, MAX_PARTICIPANTS, O_META, O_ROOT, OBJECT_SIZE, SB_COLLECTOR, SB_IDLE,
};
use crate::heap::lock::{self, Rule, Taken};
use crate::heap::log::Doomed;
use crate::heap::object::Kind;
use crate::heap::participant::Slot;
use crate::heap::{Heap, Local};
use crate::sys::Host;

/// How many of the largest objects are named.
const NAMED: usize = 10;
/// How long to wait for a collection under way before the contents are left out.
const PATIENCE: Duration = Duration::from_secs(1);

/// The memory of a heap, in bytes of blocks and chunks; see [`Heap::stats`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Most bytes the heap may take.
    pub limit: u64,
    /// Bytes taken from the system.
    pub used: u64,
    /// Bytes of them in chunks that hold nothing and are kept for reuse.
    pub idle: u64,
    /// Bytes of all blocks in use.
    pub live: u64,
    /// Objects.
    pub objects: usize,
    /// Objects that somebody was at work on: counted without what they hold.
    pub skipped: usize,
    /// What objects of each kind take with all that is their own, largest first. What is in none
    /// of them (values on their way, counters of operations) makes up the rest of `live`.
    pub kinds: Vec<KindStats>,
    /// Who allocates from how much, largest first.
    pub participants: Vec<ParticipantStats>,
    /// The largest objects, without the objects that they lead to.
    pub largest: Vec<ObjectSize>,
}

/// The objects of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindStats {
    /// Which.
    pub kind: Kind,
    /// How many.
    pub objects: usize,
    /// Bytes of their blocks.
    pub bytes: u64,
}

/// The chunks of one participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParticipantStats {
    /// Its process; 0 for the chunks of those who have ended, which whoever needs one takes over.
    pub pid: u32,
    /// Chunks that it allocates from, or has allocated.
    pub chunks: u64,
    /// Bytes of these chunks.
    pub bytes: u64,
    /// Bytes of blocks in use in them, whoever holds them.
    pub live: u64,
}

/// The memory of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectSize {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub offset: u64,
    /// Its generation.
    pub generation: u64,
    /// Bytes of its blocks.
    pub bytes: u64,
}

impl Stats {
    /// The part of the memory taken from the system that no block uses: 0 to 1.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let array = pumasi::Array::new_in(&heap, &[0u64; 1000])?;
    /// let unused = heap.stats().fragmentation();
    /// assert!(unused > 0.0 && unused < 1.0);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn fragmentation(&self) -> f64 {
        if self.used == 0 {
            return 0.0;
        }
        1.0 - (self.live as f64 / self.used as f64).min(1.0)
    }
}

/// Bytes as people read them.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let text = match self.0 {
            0..1024 => format!("{} B", self.0),
            1024..0x10_0000 => format!("{:.1} KiB", bytes / 1024.0),
            0x10_0000..0x4000_0000 => format!("{:.1} MiB", bytes / 1_048_576.0),
            _ => format!("{:.2} GiB", bytes / 1_073_741_824.0),
        };
        f.pad(&text)
    }
}

/// A table for people.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} of {} taken from the system: {} in use, {} idle, {:.0} % unused",
            Size(self.used),
            Size(self.limit),
            Size(self.live),
            Size(self.idle),
            self.fragmentation() * 100.0
        )?;
        writeln!(f, "{:<20} {:>10} {:>12}", "kind", "objects", "memory")?;
        for kind in &self.kinds {
            let name = kind.kind.name();
            writeln!(
                f,
                "{name:<20} {:>10} {:>12}",
                kind.objects,
                Size(kind.bytes)
            )?;
        }
        writeln!(
            f,
            "{:<20} {:>10} {:>12} {:>12}",
            "process", "chunks", "memory", "in use"
        )?;
        for one in &self.participants {
            let name = match one.pid {
                0 => "(ended)".to_owned(),
                pid => pid.to_string(),
            };
            let (bytes, live) = (Size(one.bytes), Size(one.live));
            writeln!(f, "{name:<20} {:>10} {bytes:>12} {live:>12}", one.chunks)?;
        }
        write!(f, "largest:")?;
        for object in &self.largest {
            let (name, bytes) = (object.kind.name(), Size(object.bytes));
            write!(f, " {name}@{:x} {bytes};", object.offset)?;
        }
        if self.skipped > 0 {
            write!(
                f,
                " ({} objects were busy and are counted without content)",
                self.skipped
            )?;
        }
        Ok(())
    }
}

impl<H: Host> Heap<H> {
    /// Where the memory went: by kind of object, by participant, what is idle, and the largest
    /// objects. Looks at every block, some nanoseconds each.
    ///
    /// Others work on meanwhile, so that the parts need not add up to the byte. What somebody is
    /// at work on at the moment is counted without its content, and said so; a collection under
    /// way is waited for, a second at most.
    ///
    /// ```
    /// # use pumasi::containers::RawList;
    /// let heap = pumasi::Heap::builder().limit(64 << 20).create()?;
    /// let list = RawList::create(&heap)?;
    /// let stats = heap.stats();
    /// assert_eq!(stats.objects, 1);
    /// assert_eq!(stats.kinds[0].bytes, 384 + 64);
    /// assert!(stats.live <= stats.used);
    /// println!("{stats}");
    /// # drop(list);
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            limit: self.limit(),
            used: self.used(),
            idle: self.get(SB_IDLE),
            ..Stats::default()
        };
        self.sum_chunks(&mut stats);
        if let Ok(local) = self.local() {
            let at = SB_COLLECTOR;
            let taken =
                lock::waiting(|| self.take_contended(local, at, Some(PATIENCE), Rule::Internal));
            // Headers are looked at without a handle: as in a collection, under its lock.
            let alone = match taken {
                Ok(Taken::Ours | Taken::FromDead(..)) => Some(Collecting(self, local)),
                _ => None,
            };
            self.sum_objects(local, alone.is_some(), &mut stats);
        }
        stats.kinds.sort_by_key(|k| core::cmp::Reverse(k.bytes));
        stats
            .participants
            .sort_by_key(|p| core::cmp::Reverse(p.bytes));
        stats
    }

    fn sum_objects(&self, local: &'static Local, contents: bool, stats: &mut Stats) {
        let mut objects = Vec::new();
        self.for_each_object(|off, word| objects.push((off, word)));
        for (off, word) in objects {
            let Some(kind) = Kind::of(self.get(off + O_META) >> 56) else {
                continue;
            };
            let mut bytes = OBJECT_SIZE;
            let opened = if contents {
                self.open_up(local, off, word, Patience::None)
            } else {
                Err(Error::WouldBlock)
            };
            match opened {
                Ok(true) => {
                    bytes += self.content(off);
                    self.close_up(local, off, Doomed::new());
                }
                Ok(false) => continue,
                Err(_) => stats.skipped += 1,
            }
            stats.objects += 1;
            match stats.kinds.iter_mut().find(|k| k.kind == kind) {
                Some(found) => {
                    found.objects += 1;
                    found.bytes += bytes;
                }
                None => stats.kinds.push(KindStats {
                    kind,
                    objects: 1,
                    bytes,
                }),
            }
            let size = ObjectSize {
                kind,
                offset: off,
                generation: word.generation(),
                bytes,
            };
            let place = stats.largest.partition_point(|o| o.bytes >= bytes);
            if place < NAMED {
                stats.largest.insert(place, size);
                stats.largest.truncate(NAMED);
            }
        }
    }

    /// Bytes of the blocks below an object's header, whose lock is held.
    pub(crate) fn content(&self, off: u64) -> u64 {
        let Some(root) = self.root_of(off) else {
            return 0;
        };
        let Ok(block) = self.resolve(root) else {
            return 0;
        };
        let mut bytes = self.bytes_of(Cell(self.get(off + O_ROOT)));
        // What cannot be followed is not counted.
        let _ = self.walk(block.off, 0, u64::MAX, &mut |cell| {
            bytes = bytes.saturating_add(self.bytes_of(cell));
        });
        bytes
    }

    fn sum_chunks(&self, stats: &mut Stats) {
        let size = self.chunk_size();
        let mut by_slot: Vec<(u64, u64, u64)> = vec![(0, 0, 0); MAX_PARTICIPANTS as usize];
        let (mut chunk, high) = (0, self.high_water());
        while chunk < high {
            let found = self.chunk(chunk);
            let start = self.chunk_start(chunk);
            let mut n = 1;
            let (slot, live) = match found.used {
                Use::Small | Use::Orphan if found.class < CLASSES.len() => {
                    let block = CLASSES[found.class];
                    let live = (0..self.blocks_in(found.class))
                        .filter(|i| self.word(start + i * block).state() != Some(State::Free))
                        .count() as u64;
                    (found.slot, live * block)
                }
                Use::Head => {
                    n = found.run.clamp(1, high - chunk);
                    (found.slot, n * size)
                }
                _ => {
                    chunk += 1;
                    continue;
                }
            };
            let sum = &mut by_slot[slot as usize & (MAX_PARTICIPANTS as usize - 1)];
            *sum = (sum.0 + n, sum.1 + n * size, sum.2 + live);
            stats.live += live;
            chunk += n;
        }
        for (slot, (chunks, bytes, live)) in by_slot.into_iter().enumerate() {
            let claim = self.claim(slot as u64);
            let there = slot > 0 && claim.state != Slot::Free;
            if chunks > 0 || there {
                stats.participants.push(ParticipantStats {
                    pid: if there { claim.pid } else { 0 },
                    chunks,
                    bytes,
                    live,
                });
            }
        }
    }
}
