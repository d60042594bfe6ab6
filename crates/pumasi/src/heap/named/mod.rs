//! Heaps with a name, for programs that are not each other's children.
//! Long because every method has its example.
//!
//! The memory is a sealed memfd like every heap's, so that nobody can cut it, /dev/shm need not have
//! room for it, and the kernel takes it back with the last process that maps it. What has the name
//! is a file of 16 KiB, which says where the memory is found: in which processes, at which of
//! their descriptors. Whoever opens the heap asks them in turn.
//!
//! ```text
//! head: magic | format | identity (two words) | pid namespace | 3 spare words
//! an entry for each slot of the heap: pid(32) descriptor(32) | start time
//! ```
//!
//! Who is attached is what the participants' table says; an entry only helps to find the memory. A
//! heap is *attended* while a process that has not left it lives. From this follow the rules:
//!
//! NAME-1: a file has its name from the moment it is complete, and its creator is a participant
//! before. Nobody ever finds a heap that is half made.
//! NAME-2: a name is taken away under the lock of the file that has it, when nobody attends the
//! heap (or somebody asked for it). Whoever opens a heap is a participant first, and then makes
//! sure, under the lock, that the file still has the name: so either the last one who leaves sees
//! the one who comes, or that one sees that the name is gone, and begins again.
//! NAME-3: an entry proves nothing. The process must be the one that wrote it, the descriptor a
//! sealed memfd of this user, and the heap there have the identity that the file says.
//! NAME-4: the lock of a file is held for system calls only: nobody settles, waits for another
//! lock, or runs a user's code under it.

mod directions;

use core::sync::atomic::{AtomicU32, Ordering};
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::heap::layout::MAX_PARTICIPANTS;
use crate::heap::named::directions::{ENTRY, content, directions, entry, entry_at, reach};
use crate::heap::participant::Slot;
use crate::heap::{Builder, Heap, HeapId, global};
use crate::sys::names::{self, NameFile};
use crate::sys::{Host, Identity, Real};

/// How often others may come and go in between before opening is given up.
const TRIES: u32 = 10_000;

/// One thread of this process at a time opens, makes or leaves a named heap, and none does during
/// a fork.
static NAMING: Mutex<()> = Mutex::new(());

/// Keeps others of this process from opening and leaving; also across a fork.
pub(crate) fn naming() -> MutexGuard<'static, ()> {
    NAMING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this process knows of a heap's name.
pub(crate) struct Named {
    name: String,
    file: NameFile,
    /// Where this process and its forked children have the memory.
    fd: RawFd,
    /// How often it was opened here, less how often closed.
    openings: AtomicU32,
}

impl Named {
    /// Lets others find the memory by way of this process, which has the slot.
    pub(crate) fn enrol(&self, slot: u64, me: Identity) {
        // Failing leaves the ways by other processes.
        let _ = self.file.write(entry_at(slot), &entry(me, self.fd));
    }

    fn strike_out(&self, slot: u64) {
        let _ = self.file.write(entry_at(slot), &[0; ENTRY]);
    }
}

/// A named heap, as [`Heap::named`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedHeap {
    /// Its name.
    pub name: String,
    /// Who has it open. None: it is gone, and its name only waits to be taken away.
    pub pids: Vec<u32>,
    /// Bytes it has taken from the system.
    pub used: u64,
    /// Bytes it may take.
    pub limit: u64,
    /// Why no more is known of it.
    pub trouble: Option<String>,
}

// ---- following a name -----------------------------------------------------------------------

/// What has become of a file when it was looked into.
enum Found {
    /// The heap, attended; this process is no participant yet.
    Heap(Heap),
    /// Nobody had the heap open any more; the name is free now.
    Reclaimed,
}

/// Follows a file to its heap; takes the name away if nobody attends that (NAME-2).
fn follow(file: &NameFile) -> Result<Found> {
    let locked = file.lock()?;
    if !file.is_linked() {
        return Ok(Found::Reclaimed);
    }
    match reach(&directions(file)?)? {
        Some(heap) if heap.is_attended() => Ok(Found::Heap(heap)),
        _ => {
            file.unlink(&locked)?;
            Ok(Found::Reclaimed)
        }
    }
}

fn no_rest(path: &Path) -> Error {
    Error::Unsupported {
        what: format!(
            "{} came and went {TRIES} times while it was being opened",
            path.display()
        ),
    }
}

// ---- opening and making --------------------------------------------------------------------

impl Builder {
    /// Opens the heap of the builder's name, or makes it if no process has one open: of several
    /// programs that do this at once, one makes it. What else the builder says counts for a new
    /// heap only.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// let name = format!("doc.either.{}", std::process::id());
    /// let heap = Heap::builder().name(&name).limit(64 << 20).open_or_create()?;
    /// heap.roots()?.insert("answer", 42)?;
    /// # heap.close();
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Heap::create`] and [`Heap::open`]; [`Error::Unsupported`] without a name.
    pub fn open_or_create(self) -> Result<Heap> {
        let name = self.needs_name()?.to_owned();
        for _ in 0..TRIES {
            match Heap::open(&name) {
                Err(Error::NoSuchHeap { .. }) => {}
                other => return other,
            }
            match self.clone().create_named() {
                Err(Error::HeapExists { .. }) => {}
                other => return other,
            }
        }
        Err(no_rest(&names::path_of(&name)?))
    }

    fn needs_name(&self) -> Result<&str> {
        self.name.as_deref().ok_or_else(|| Error::Unsupported {
            what: "a heap without a name can only be created: Heap::builder().name(..)".into(),
        })
    }

    pub(crate) fn create_named(self) -> Result<Heap> {
        let name = self.needs_name()?;
        let path = names::path_of(name)?;
        let _naming = naming();
        let mut made = None;
        for _ in 0..TRIES {
            if let Some(file) = NameFile::open(&path)?
                && let Found::Heap(_) = follow(&file)?
            {
                return Err(Error::HeapExists {
                    name: name.to_owned(),
                });
            }
            let heap: &Heap = match &made {
                Some(heap) => heap,
                None => made.insert(self.make()?),
            };
            // NAME-1: whoever finds the name finds a heap that somebody attends.
            let slot = heap.local()?.slot;
            let fd = heap.host().raw_fd();
            let own = entry(heap.host().identity(), fd);
            if let Some(file) = NameFile::publish(&path, &content(heap.id(), slot, own))? {
                heap.is_named(name, file, fd);
                return heap.opened();
            }
        }
        Err(no_rest(&path))
    }
}

impl Heap<Real> {
    /// Makes a heap with a name, by which other programs of the same user [`open`](Heap::open) it;
    /// what they share is found by [`roots`](Heap::roots). [`Heap::builder`] sets its limit.
    ///
    /// The heap lives as long as a process has it open, whoever made it. Its name is free again when
    /// the last one has [closed](Heap::close) it or ended; where that one was killed, for the next
    /// who asks for the name. A handle of what lies in it can be an argument of a [`task`] (the
    /// child opens the heap then), but not its result. It may take a few milliseconds, and waits for
    /// others that open or leave the same heap.
    ///
    /// ```
    /// use pumasi::{Dict, Heap};
    ///
    /// # let name = format!("doc.create.{}", std::process::id());
    /// # let name = name.as_str();
    /// let heap = Heap::create(name)?;
    /// let counts: Dict<String, i64> = Dict::new_in(&heap)?;
    /// heap.roots()?.insert("counts", &counts)?;
    /// counts.add("begun", 1)?;
    ///
    /// // In another program: Heap::open(name)?, then
    /// let found: Dict<String, i64> = heap.root("counts")?.expect("it is there");
    /// assert_eq!(found.get("begun")?, Some(1));
    /// # heap.close();
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// [`task`]: macro@crate::task
    ///
    /// # Errors
    /// [`Error::HeapExists`] when a process has a heap of that name open; [`Error::BadName`];
    /// [`Error::Denied`] when something of another user is in its place; [`Error::Os`] when the
    /// system refuses the memory, or /dev/shm the 16 KiB for the name.
    pub fn create(name: &str) -> Result<Heap> {
        Heap::builder().name(name).create()
    }

    /// Opens the heap of that name. Opened again, it is the same; each opening asks for a
    /// [`close`](Heap::close).
    ///
    /// ```
    /// use pumasi::{Error, Heap};
    ///
    /// # let name = format!("doc.open.{}", std::process::id());
    /// # let name = name.as_str();
    /// assert!(matches!(Heap::open(name), Err(Error::NoSuchHeap { .. })));
    /// let made = Heap::create(name)?;
    /// assert!(Heap::open(name)?.same(&made)); // in another program as well
    /// # made.close();
    /// # made.close();
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchHeap`] when no process has one open; [`Error::BadName`]; [`Error::Denied`]
    /// when it belongs to another user or those who have it open cannot be reached;
    /// [`Error::Unsupported`] when they are of another version of pumasi or in another pid
    /// namespace; [`Error::TooManyParticipants`].
    pub fn open(name: &str) -> Result<Heap> {
        Heap::open_as(name, None)?.ok_or_else(|| Error::NoSuchHeap {
            name: name.to_owned(),
        })
    }

    /// The heap of that name and identity, for a reference that leads into it.
    pub(crate) fn open_again(name: &str, id: HeapId) -> Result<Option<Heap>> {
        match Heap::open_as(name, Some(id)) {
            // Another has the name now, and it is not for us.
            Err(Error::Denied { .. } | Error::Unsupported { .. } | Error::BadName { .. }) => {
                Ok(None)
            }
            other => other,
        }
    }

    fn open_as(name: &str, id: Option<HeapId>) -> Result<Option<Heap>> {
        let path = names::path_of(name)?;
        let _naming = naming();
        let is_it = |heap: &Heap| {
            heap.0
                .named
                .get()
                .is_some_and(|named| named.name == name && named.file.is_linked())
                && id.is_none_or(|id| id == heap.id())
        };
        if let Some(heap) = Heap::all_open().into_iter().find(is_it) {
            return heap.opened().map(Some);
        }
        for _ in 0..TRIES {
            let Some(file) = NameFile::open(&path)? else {
                return Ok(None);
            };
            let Found::Heap(heap) = follow(&file)? else {
                continue;
            };
            if id.is_some_and(|id| id != heap.id()) {
                return Ok(None);
            }
            let fd = heap.host().raw_fd();
            heap.is_named(name, file, fd);
            // Here our entry is written, too.
            heap.join()?;
            let Some(named) = heap.0.named.get() else {
                continue;
            };
            let locked = named.file.lock()?;
            let linked = named.file.is_linked();
            drop(locked);
            if linked {
                return heap.opened().map(Some);
            }
            // The last one left meanwhile and did not see us (NAME-2).
            heap.leave();
        }
        Err(no_rest(&path))
    }

    fn is_named(&self, name: &str, file: NameFile, fd: RawFd) {
        let named = Named {
            name: name.to_owned(),
            file,
            fd,
            openings: AtomicU32::new(0),
        };
        // Only whoever has made or mapped the heap just now calls this, once.
        let _ = self.0.named.set(named);
    }

    fn opened(&self) -> Result<Heap> {
        if let Some(named) = self.0.named.get()
            && named.openings.fetch_add(1, Ordering::Relaxed) == 0
        {
            self.attach_to_forks();
            global::leave_at_exit()?;
        }
        Ok(self.clone())
    }

    // ---- leaving ---------------------------------------------------------------------------

    /// The heap's name; `None` when it has none.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// # let name = format!("doc.named.{}", std::process::id());
    /// # let name = name.as_str();
    /// let heap = Heap::create(name)?;
    /// assert_eq!(heap.name(), Some(name));
    /// assert_eq!(Heap::global()?.name(), None);
    /// # heap.close();
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.named.get().map(|named| named.name.as_str())
    }

    /// Gives a named heap up: when it was closed as often as it was opened, this process no longer
    /// attends it. If nobody else does, its name is free.
    ///
    /// What this process still has handles of goes on working; the memory is given back when the
    /// last handle is dropped, here and everywhere. The end of a process closes its heaps. Of a heap
    /// without a name nothing happens.
    ///
    /// ```
    /// use pumasi::{Heap, List};
    ///
    /// # let name = format!("doc.close.{}", std::process::id());
    /// # let name = name.as_str();
    /// let heap = Heap::create(name)?;
    /// let list = List::<u32>::new_in(&heap)?;
    /// heap.close();
    /// assert!(Heap::open(name).is_err()); // nobody else had it open
    /// list.push(1)?; // a handle goes on working
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn close(&self) {
        let _naming = naming();
        let Some(named) = self.0.named.get() else {
            return;
        };
        let less = |n: u32| n.checked_sub(1);
        let order = Ordering::Relaxed;
        if named.openings.fetch_update(order, order, less) == Ok(1) {
            self.detach_from_forks();
            self.give_up();
        }
    }

    /// Leaves in order, at the end of this process.
    pub(crate) fn depart(&self) {
        if self.0.named.get().is_none() {
            return self.leave();
        }
        let _naming = naming();
        self.give_up();
    }

    fn give_up(&self) {
        let Some(local) = self.own_local() else {
            return;
        };
        self.leave();
        let Some(named) = self.0.named.get() else {
            return;
        };
        named.strike_out(local.slot);
        // Failing leaves the name to whoever asks for it next.
        if let Ok(locked) = named.file.lock()
            && !self.is_attended()
        {
            let _ = named.file.unlink(&locked);
        }
    }

    /// Takes a name away, whoever has the heap open: they go on, but nobody finds it any more, and
    /// another heap can have the name.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// # let name = format!("doc.unlink.{}", std::process::id());
    /// # let name = name.as_str();
    /// let heap = Heap::create(name)?;
    /// Heap::unlink(name)?;
    /// assert!(Heap::open(name).is_err() && Heap::unlink(name).is_err());
    /// heap.roots()?.insert("answer", 42)?; // who has it goes on
    /// # heap.close();
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchHeap`]; [`Error::BadName`]; [`Error::Denied`] for what is not ours.
    pub fn unlink(name: &str) -> Result<()> {
        let path = names::path_of(name)?;
        let _naming = naming();
        let taken = match NameFile::open(&path)? {
            Some(file) => file.unlink(&file.lock()?)?,
            None => false,
        };
        if taken {
            return Ok(());
        }
        Err(Error::NoSuchHeap {
            name: name.to_owned(),
        })
    }

    // ---- looking ---------------------------------------------------------------------------

    /// All named heaps of this user, in order of their names, also those whose last process was
    /// killed. Looking at them opens none.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// # let name = format!("doc.list.{}", std::process::id());
    /// # let name = name.as_str();
    /// let heap = Heap::create(name)?;
    /// let found = Heap::named()?;
    /// let ours = found.iter().find(|heap| heap.name == name).expect("it is there");
    /// assert_eq!(ours.pids, [std::process::id()]);
    /// # heap.close();
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Os`] when /dev/shm cannot be read.
    pub fn named() -> Result<Vec<NamedHeap>> {
        let mut found = Vec::new();
        for name in names::all()? {
            let path = names::path_of(&name)?;
            let heap = NameFile::open(&path).and_then(|file| match file {
                Some(file) => Ok(Some(reach(&directions(&file)?)?)),
                None => Ok(None),
            });
            let mut entry = NamedHeap {
                name,
                pids: Vec::new(),
                used: 0,
                limit: 0,
                trouble: None,
            };
            match heap {
                // Gone since the directory was read.
                Ok(None) => continue,
                Ok(Some(None)) => {}
                Ok(Some(Some(heap))) => {
                    entry.pids = heap.attendants();
                    entry.used = heap.used();
                    entry.limit = heap.limit();
                }
                Err(error) => entry.trouble = Some(error.to_string()),
            }
            found.push(entry);
        }
        Ok(found)
    }
}

impl<H: Host> Heap<H> {
    /// Whether a process that has not left the heap lives.
    pub(crate) fn is_attended(&self) -> bool {
        (1..MAX_PARTICIPANTS).any(|slot| self.attendant(slot).is_some())
    }

    /// Who has the heap open and has not left it.
    ///
    /// ```
    /// let heap = pumasi::Heap::builder().create()?;
    /// heap.join()?;
    /// assert_eq!(heap.attendants(), [std::process::id()]);
    /// heap.leave();
    /// assert!(heap.attendants().is_empty());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn attendants(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = (1..MAX_PARTICIPANTS)
            .filter_map(|slot| self.attendant(slot))
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    fn attendant(&self, slot: u64) -> Option<u32> {
        let claim = self.claim(slot);
        let attends = matches!(claim.state, Slot::Reserved | Slot::Joining | Slot::Live)
            && self.host().alive(self.identity_of(slot, claim));
        attends.then_some(claim.pid)
    }
}
