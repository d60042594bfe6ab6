//! The default heap of a process tree, how a process finds it, and what a fork does.
//! Long because every method has its example.
//!
//! The first process makes a heap when it is first asked for one; every descendant shares it.
//! A forked child has the mapping and gets a slot that its parent reserved. A child that is a
//! new program reads `PUMASI_HEAP` from its environment, a *ticket* `pid:descriptor:identity`,
//! and opens the memory through `/proc/PID/fd/N`, which the kernel allows to the same user only.
//!
//! If the process that a ticket names has ended or replaced itself by exec, the ticket leads
//! nowhere and a process without another one makes a heap of its own. The memory itself lives as
//! long as any process maps it: the end of its creator changes nothing for those attached.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};
use crate::heap::{Heap, HeapId, Local, named};
use crate::sys::{ForkHook, Host, Real, fork, process};

/// Names the heap that a child shall share.
pub const HEAP_VARIABLE: &str = "PUMASI_HEAP";
/// The most memory a heap may take: bytes, or a number with K, M, G or T.
pub const LIMIT_VARIABLE: &str = "PUMASI_HEAP_LIMIT";

/// All heaps this process has open.
static OPEN: Mutex<Vec<Heap>> = Mutex::new(Vec::new());
static GLOBAL: OnceLock<Heap> = OnceLock::new();
static MAKING: Mutex<()> = Mutex::new(());

/// 80 % of the smaller of the machine's memory and the control group's limit, or what
/// `PUMASI_HEAP_LIMIT` says; in bytes.
///
/// ```
/// assert!(pumasi::heap::global::default_limit() > 0);
/// ```
#[must_use]
pub fn default_limit() -> u64 {
    std::env::var(LIMIT_VARIABLE)
        .ok()
        .and_then(|text| parse_size(&text))
        .unwrap_or_else(|| memory() / 5 * 4)
}

/// Reads `"512M"`, `"2G"`, `"1000000"`.
///
/// ```
/// use pumasi::heap::global::parse_size;
///
/// assert_eq!(parse_size("512M"), Some(512 << 20));
/// assert_eq!(parse_size("2 GiB"), Some(2 << 30));
/// assert_eq!(parse_size("much"), None);
/// ```
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_suffix(['B', 'b']).unwrap_or(text);
    let text = text.strip_suffix(['i', 'I']).unwrap_or(text);
    let (number, shift) = match text.chars().last()?.to_ascii_uppercase() {
        'K' => (&text[..text.len() - 1], 10),
        'M' => (&text[..text.len() - 1], 20),
        'G' => (&text[..text.len() - 1], 30),
        'T' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number: u64 = number.trim().parse().ok()?;
    number.checked_mul(1 << shift).filter(|&n| n > 0)
}

/// The memory this process may count on, in bytes.
fn memory() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let machine = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .map_or(4 << 30, |kib| kib << 10);
    // Version 2: the group's own file and those of the groups above it, the smallest counts.
    let group = read("/proc/self/cgroup");
    let mut limit = machine;
    if let Some(path) = group.lines().find_map(|line| line.strip_prefix("0::")) {
        let mut path = path.trim().to_owned();
        loop {
            let file = format!("/sys/fs/cgroup{path}/memory.max");
            if let Ok(max) = read(&file).trim().parse::<u64>() {
                limit = limit.min(max);
            }
            match path.rfind('/') {
                Some(cut) if path.len() > 1 => path.truncate(cut),
                _ => break,
            }
        }
    }
    if let Ok(max) = read("/sys/fs/cgroup/memory/memory.limit_in_bytes")
        .trim()
        .parse::<u64>()
    {
        limit = limit.min(max);
    }
    limit
}

/// How many bytes this process may map; `u64::MAX` without a limit.
pub(crate) fn address_space() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::As)
        .current
        .unwrap_or(u64::MAX)
}

/// Makes or finds the default heap and joins it. Call it first in `main`; the first shared
/// object does the same.
///
/// ```
/// let heap = pumasi::heap::global::init()?;
/// assert_eq!(heap.participants(), 1);
/// # Ok::<(), pumasi::Error>(())
/// ```
///
/// # Errors
/// As [`Heap::global`].
pub fn init() -> Result<&'static Heap> {
    let heap = Heap::global()?;
    heap.join()?;
    Ok(heap)
}

impl Heap<Real> {
    /// The default heap of this process tree: the one that `PUMASI_HEAP` names if it can still
    /// be reached, else a new one.
    ///
    /// ```
    /// use pumasi::{Heap, List};
    ///
    /// let heap = Heap::global()?;
    /// let list = List::<u8>::new()?; // there
    /// assert!(list.raw().object().heap().same(heap));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the system refuses the memory for a new one.
    pub fn global() -> Result<&'static Heap> {
        if let Some(heap) = GLOBAL.get() {
            return Ok(heap);
        }
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heap) = GLOBAL.get() {
            return Ok(heap);
        }
        let inherited = std::env::var(HEAP_VARIABLE)
            .ok()
            .and_then(|ticket| Heap::attach_ticket(&ticket).ok());
        let heap = match inherited {
            Some(heap) => heap,
            None => Heap::builder().create()?,
        };
        Ok(GLOBAL.get_or_init(|| heap))
    }

    /// The default heap, if this process has it open.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// assert!(Heap::global_if_open().is_none()); // asking for it makes none
    /// Heap::global()?;
    /// assert!(Heap::global_if_open().is_some());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn global_if_open() -> Option<&'static Heap> {
        GLOBAL.get()
    }

    /// What another process of this user needs to open this heap, while this process lives:
    /// `pid:descriptor:identity`; of a named heap `pid:descriptor:identity:name`, which leads to
    /// it for as long as any process has it open.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// let heap = Heap::builder().create()?;
    /// let ticket = heap.ticket(); // another process takes it to Heap::attach_ticket
    /// assert!(ticket.starts_with(&format!("{}:", std::process::id())));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn ticket(&self) -> String {
        let (pid, fd) = (std::process::id(), self.host().raw_fd());
        match self.name() {
            None => format!("{pid}:{fd}:{:032x}", self.id()),
            Some(name) => format!("{pid}:{fd}:{:032x}:{name}", self.id()),
        }
    }

    /// Whether a ticket is that of a named heap.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// assert!(!Heap::is_named_ticket(&Heap::global()?.ticket()));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    #[must_use]
    pub fn is_named_ticket(ticket: &str) -> bool {
        ticket.split(':').count() == 4
    }

    /// Opens the heap that a ticket names, or gives the one that is open already.
    ///
    /// ```
    /// use pumasi::{Error, Heap};
    ///
    /// let heap = Heap::builder().create()?;
    /// assert!(Heap::attach_ticket(&heap.ticket())?.same(&heap));
    /// let lost = Heap::attach_ticket(&format!("{}:9999:{:032x}", std::process::id(), 5));
    /// assert!(matches!(lost, Err(Error::HeapGone { .. })));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::HeapGone`] when it cannot be reached, [`Error::Unsupported`] when it cannot be
    /// used from here.
    pub fn attach_ticket(ticket: &str) -> Result<Heap> {
        let mut parts = ticket.split(':');
        let mut part = || parts.next().unwrap_or_default();
        let (pid, fd, id) = (part().parse::<u32>(), part().parse::<u32>(), part());
        let (id, name) = (HeapId::from_str_radix(id, 16), part());
        let (Ok(pid), Ok(fd), Ok(id)) = (pid, fd, id) else {
            return Err(Error::Unsupported {
                what: format!("{ticket:?} does not name a heap (pid:descriptor:identity)"),
            });
        };
        if let Some(heap) = Heap::find_open(id) {
            return Ok(heap);
        }
        if !name.is_empty()
            && let Some(heap) = Heap::open_again(name, id)?
        {
            return Ok(heap);
        }
        let heap = match Heap::of_process(pid, fd, id) {
            Err(Error::Os { source, .. }) => Err(Error::HeapGone {
                heap: id,
                why: format!("/proc/{pid}/fd/{fd}: {source}"),
            }),
            other => other,
        }?;
        heap.attach_to_forks();
        Ok(heap)
    }

    /// The heap that a process of this user has open at a descriptor, if it is that very one. This
    /// process is no participant of it yet, and its children will not know of it.
    ///
    /// # Errors
    /// [`Error::Os`] when the process or the descriptor cannot be reached, [`Error::HeapGone`] when
    /// that is something else, [`Error::Unsupported`] when the heap cannot be used from here.
    pub(crate) fn of_process(pid: u32, fd: u32, id: HeapId) -> Result<Heap> {
        let gone = |why: String| Error::HeapGone { heap: id, why };
        let host = Real::of_process(pid, fd).map_err(|error| match error {
            Error::Unsupported { what } => gone(what),
            other => other,
        })?;
        let heap = Heap::from_host(host, process::pid_namespace())?;
        // The pid may have been given to another program since.
        if heap.id() != id {
            return Err(gone(format!("/proc/{pid}/fd/{fd} is another heap by now")));
        }
        Ok(heap)
    }

    /// A heap that this process has open, by identity.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// let heap = Heap::builder().create()?;
    /// assert!(Heap::find_open(heap.id()).is_some());
    /// assert!(Heap::find_open(0).is_none());
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn find_open(id: HeapId) -> Option<Heap> {
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|heap| heap.id() == id).cloned()
    }

    /// Has this heap follow the process through forks, for as long as it lives (HEAP-1).
    pub(crate) fn attach_to_forks(&self) {
        static HOOKED: OnceLock<()> = OnceLock::new();
        OPEN.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.clone());
        HOOKED.get_or_init(|| fork::register(&Forks));
    }

    /// All heaps that this process has open.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// let heap = Heap::builder().create()?;
    /// assert!(Heap::all_open().iter().any(|open| open.same(&heap)));
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn all_open() -> Vec<Heap> {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has this heap no longer follow the process.
    pub(crate) fn detach_from_forks(&self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|heap| Arc::ptr_eq(&heap.0, &self.0));
        let ours = at.map(|at| open.swap_remove(at));
        // Not under the lock: it may be the last that leads to the memory.
        drop(open);
        drop(ours);
    }

    /// Leaves all heaps in order; see [`Heap::leave`]. A named one that nobody else has open is
    /// gone then.
    ///
    /// ```
    /// use pumasi::Heap;
    ///
    /// let list = pumasi::List::of([1])?;
    /// Heap::leave_all(); // as `exit` does after `leave_at_exit`
    /// assert_eq!(list.len()?, 1); // operations still work
    /// # Ok::<(), pumasi::Error>(())
    /// ```
    pub fn leave_all() {
        for heap in Heap::all_open() {
            heap.depart();
        }
    }
}

/// Has the exit of this process tell its heaps that it leaves in order: what it holds then stays as
/// it is, while a death would free it. Also after a panic, as multiprocessing does after an
/// exception. `pumasi::init` asks for it, and so does opening a heap by its name.
///
/// ```
/// use pumasi::heap::global::leave_at_exit;
///
/// leave_at_exit()?; // first in `main`, where there is no pumasi::init()
/// leave_at_exit()?; // asked for once is enough
/// # Ok::<(), pumasi::Error>(())
/// ```
///
/// # Errors
/// [`Error::Os`] when the C library has no room.
pub fn leave_at_exit() -> Result<()> {
    extern "C" fn leave() {
        Heap::leave_all();
    }
    static ASKED: OnceLock<()> = OnceLock::new();
    if ASKED.set(()).is_ok() {
        process::at_exit(leave).map_err(Error::os("atexit"))?;
    }
    Ok(())
}

/// What a parent has reserved for its next child, and what became of the reservations before.
struct Reservation {
    slot: u64,
    generation: u64,
    made: Duration,
    /// By which thread.
    thread: u32,
    /// The child, once it is known.
    pid: Option<u32>,
}

struct Held {
    /// So that no other thread has a name's file locked, which the child would keep locked.
    naming: std::sync::MutexGuard<'static, ()>,
    open: std::sync::MutexGuard<'static, Vec<Heap>>,
    reserved: Vec<Option<Reservation>>,
    /// The states of this process whose tables of handles are held across the fork.
    locals: Vec<Option<&'static Local>>,
}

static UNCLAIMED: Mutex<Vec<(HeapId, Reservation)>> = Mutex::new(Vec::new());

thread_local! {
    static FORKING: core::cell::RefCell<Option<Held>> = const { core::cell::RefCell::new(None) };
}

struct Forks;

/// Where the participants are that are settled before the next fork.
static SETTLED: AtomicU64 = AtomicU64::new(0);

impl ForkHook for Forks {
    fn prepare(&self) {
        let naming = named::naming();
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        for heap in open.iter().filter(|heap| heap.own_local().is_some()) {
            heap.make_place(&SETTLED);
        }
        // Another thread may be in the middle of changing a table; from here on none is.
        let locals: Vec<_> = open.iter().map(Heap::own_local).collect();
        locals.iter().flatten().for_each(|l| l.pins.hold());
        let reserved = open.iter().map(Heap::reservation).collect();
        locals.iter().flatten().for_each(|l| l.handles.hold());
        let held = Held {
            naming,
            open,
            reserved,
            locals,
        };
        if FORKING.try_with(|_| ()).is_err() {
            // The thread is exiting and has no locals: nobody could let go again.
            let locals = held.locals.iter().flatten();
            locals.for_each(|l| l.let_go());
            return;
        }
        FORKING.with(|f| *f.borrow_mut() = Some(held));
    }

    fn parent(&self) {
        let Some(held) = FORKING.try_with(|f| f.borrow_mut().take()).ok().flatten() else {
            return;
        };
        held.locals.iter().flatten().for_each(|l| l.let_go());
        let mut unclaimed = UNCLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        for (heap, reservation) in held.open.iter().zip(held.reserved) {
            if let Some(reservation) = reservation {
                unclaimed.push((heap.id(), reservation));
            }
        }
    }

    fn child(&self) {
        let Some(held) = FORKING.try_with(|f| f.borrow_mut().take()).ok().flatten() else {
            return;
        };
        let Held {
            naming,
            open,
            reserved,
            locals,
        } = held;
        for ((heap, reservation), parent) in open.iter().zip(reserved).zip(locals) {
            if let Some(r) = reservation
                && let Some(parent) = parent
                && heap.adopt_slot(r.slot, r.generation)
            {
                // SAFETY: this thread held the locks across the fork, so that the tables are whole;
                // no other thread exists here, and the parent's state is never used again.
                let (handles, pins) =
                    unsafe { (parent.handles.held().clone(), parent.pins.held().clone()) };
                heap.install(r.slot, r.generation, handles, Some((pins, parent)));
            }
        }
        drop((open, naming));
        // The parent's reservations are no business of ours; its lock may be held by a thread
        // that does not exist here, so that it is only tried.
        if let Ok(mut unclaimed) = UNCLAIMED.try_lock() {
            unclaimed.clear();
        }
    }
}

impl Local {
    /// Gives up what was held across a fork.
    fn let_go(&self) {
        self.handles.let_go();
        self.pins.let_go();
    }
}

impl Heap<Real> {
    /// This process's state, if it has attached.
    pub(crate) fn own_local(&self) -> Option<&'static Local> {
        let raw = self.host().private().load(Ordering::Acquire);
        (!raw.is_null()).then(|| self.local().ok()).flatten()
    }

    /// Before a fork; see [`Heap::reserve_for_child`].
    fn reservation(&self) -> Option<Reservation> {
        self.forget_lost_children();
        let local = self.own_local()?;
        let (slot, generation) = self.reserve_for_child()?;
        // SAFETY: `prepare` has taken the lock of the pins, on this thread.
        for &off in unsafe { local.pins.held() }.keys() {
            self.pin_for(off, slot);
        }
        Some(Reservation {
            slot,
            generation,
            made: self.host().now(),
            thread: self.host().thread(),
            pid: None,
        })
    }

    /// Notes the child of this thread's last fork, so that what was reserved for it is taken back
    /// when it is known to have ended before its first step ([`Heap::forget_child`]).
    pub fn forked(&self, pid: u32) {
        let thread = self.host().thread();
        let mut unclaimed = UNCLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let last = unclaimed
            .iter_mut()
            .rev()
            .find(|(id, r)| *id == self.id() && r.thread == thread);
        if let Some((_, reservation)) = last {
            reservation.pid = Some(pid);
        }
    }

    /// Takes back what was reserved for a child that has ended, if it has not taken it over.
    pub fn forget_child(&self, pid: u32) {
        let mut lost = Vec::new();
        UNCLAIMED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(id, r)| {
                if *id != self.id() || r.pid != Some(pid) {
                    return true;
                }
                lost.push((r.slot, r.generation));
                false
            });
        for (slot, generation) in lost {
            self.unreserve(slot, generation);
        }
    }

    /// Takes back what was reserved for children that never came to be: the fork failed, or the
    /// child was killed before its first step.
    fn forget_lost_children(&self) {
        let now = self.host().now();
        let mut lost = Vec::new();
        UNCLAIMED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(id, r)| {
                if *id != self.id() || now.saturating_sub(r.made) < Duration::from_secs(5) {
                    return true;
                }
                lost.push((r.slot, r.generation));
                false
            });
        for (slot, generation) in lost {
            self.unreserve(slot, generation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("1000"), Some(1000));
        assert_eq!(parse_size("512M"), Some(512 << 20));
        assert_eq!(parse_size(" 2 GiB "), Some(2 << 30));
        assert_eq!(parse_size("3k"), Some(3072));
        for bad in ["", "M", "-1", "2X", "0", "99999999999T"] {
            assert_eq!(parse_size(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_ticket_that_leads_nowhere_says_so() {
        assert!(matches!(
            Heap::attach_ticket("nonsense"),
            Err(Error::Unsupported { .. })
        ));
        let gone = format!("{}:9999:{:032x}", std::process::id(), 5);
        assert!(matches!(
            Heap::attach_ticket(&gone),
            Err(Error::HeapGone { heap: 5, .. })
        ));
    }
}
