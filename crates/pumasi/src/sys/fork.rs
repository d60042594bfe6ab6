//! What belongs to one process only, and what a fork does to it.
//!
//! A process's private state (its slot, its free lists, its handles) must not be mistaken by a
//! child for the child's own. It hangs off words in one page that the kernel wipes in every
//! child (`MADV_WIPEONFORK`), also in the child of a C library's `fork` or of a bare `clone`:
//! the child finds null. For an ordinary `fork` the handlers below run as well; they let the
//! parent reserve a place for the child before it exists.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::error::{Error, Result};
use crate::sys::SpinLock;

const PAGE: usize = 4096;
/// Words in the wiped page: how many heaps one process can have open.
pub const MAX_HEAPS: usize = PAGE / size_of::<AtomicPtr<()>>();

struct Page(ptr::NonNull<AtomicPtr<()>>);
// SAFETY: the page holds atomics and is never unmapped.
unsafe impl Send for Page {}
// SAFETY: as for Send.
unsafe impl Sync for Page {}

static PAGE_PTR: OnceLock<Option<Page>> = OnceLock::new();
static NEXT_WORD: AtomicUsize = AtomicUsize::new(0);
/// Words that nobody uses any more.
static GIVEN_BACK: SpinLock<Vec<&'static AtomicPtr<()>>> = SpinLock::new(Vec::new());

fn page() -> Option<&'static Page> {
    PAGE_PTR
        .get_or_init(|| {
            // SAFETY: a new private mapping at an address that the kernel chooses.
            let base = unsafe {
                rustix::mm::mmap_anonymous(
                    ptr::null_mut(),
                    PAGE,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE,
                )
            }
            .ok()?;
            // SAFETY: the mapping made above, whose content nobody depends on yet.
            unsafe { rustix::mm::madvise(base, PAGE, Advice::LinuxWipeOnFork) }.ok()?;
            ptr::NonNull::new(base.cast::<AtomicPtr<()>>()).map(Page)
        })
        .as_ref()
}

/// A word that is null now and null again in every child.
///
/// # Errors
/// [`Error::Unsupported`] when a process opens more than [`MAX_HEAPS`] heaps or the kernel has
/// no `MADV_WIPEONFORK` (Linux 4.14).
pub fn private_word() -> Result<&'static AtomicPtr<()>> {
    if let Some(word) = GIVEN_BACK.with(Vec::pop) {
        return Ok(word);
    }
    let index = NEXT_WORD.fetch_add(1, Ordering::Relaxed);
    match page() {
        // SAFETY: the index is inside the page, which was zeroed by the kernel (null pointers)
        // and is never unmapped.
        Some(page) if index < MAX_HEAPS => Ok(unsafe { page.0.add(index).as_ref() }),
        Some(_) => Err(Error::Unsupported {
            what: format!("one process can open {MAX_HEAPS} heaps"),
        }),
        None => Err(Error::Unsupported {
            what: "the kernel has no MADV_WIPEONFORK; pumasi needs Linux 5.14 or newer".into(),
        }),
    }
}

/// Lets another heap have the word.
pub(crate) fn give_back(word: &'static AtomicPtr<()>) {
    word.store(ptr::null_mut(), Ordering::Release);
    GIVEN_BACK.with(|words| words.push(word));
}

/// What wants to know of a fork.
pub trait ForkHook: Send + Sync {
    /// Before the fork, in the parent. What it locks stays locked until one of the others runs.
    fn prepare(&self);
    /// After the fork, in the parent.
    fn parent(&self);
    /// After the fork, in the child, where only this thread exists.
    fn child(&self);
}

static HOOKS: Mutex<Vec<&'static dyn ForkHook>> = Mutex::new(Vec::new());

/// Has `hook` called around every fork from now on.
pub fn register(hook: &'static dyn ForkHook) {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        // SAFETY: the handlers are functions that live as long as the program.
        unsafe {
            libc::pthread_atfork(Some(prepare), Some(parent), Some(child));
        }
    });
    HOOKS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(hook);
}

thread_local! {
    /// The hooks' own lock, held by the forking thread from `prepare` on, so that no other
    /// thread is in the middle of registering when the child copies the list.
    static HELD: Cell<Option<std::sync::MutexGuard<'static, Vec<&'static dyn ForkHook>>>> =
        const { Cell::new(None) };
}

extern "C" fn prepare() {
    let hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    for hook in hooks.iter() {
        hook.prepare();
    }
    // No other thread has it in the child.
    GIVEN_BACK.hold();
    // A thread whose locals are gone is exiting; it forks without the guard.
    let _ = HELD.try_with(|held| held.set(Some(hooks)));
}

extern "C" fn parent() {
    GIVEN_BACK.let_go();
    if let Ok(Some(hooks)) = HELD.try_with(Cell::take) {
        hooks.iter().for_each(|hook| hook.parent());
    }
}

extern "C" fn child() {
    GIVEN_BACK.let_go();
    FORKS.fetch_add(1, Ordering::Relaxed);
    if let Ok(Some(hooks)) = HELD.try_with(Cell::take) {
        hooks.iter().for_each(|hook| hook.child());
    }
}

/// How many forks lie between the first process and this one; tells a cached number of the
/// parent from one's own.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between the first process and this one, for what a child begins anew.
#[inline]
pub fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// A number for the calling thread that no other living thread of the process has: the kernel's
/// thread id, cached. Never zero.
#[inline]
pub fn thread_number() -> u32 {
    thread_local! {
        static CACHED: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
    }
    let forks = FORKS.load(Ordering::Relaxed);
    let ask = || {
        rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs()
    };
    CACHED
        .try_with(|cached| match cached.get() {
            (number, at) if number != 0 && at == forks => number,
            _ => {
                let number = ask();
                cached.set((number, forks));
                number
            }
        })
        .unwrap_or_else(|_| ask())
}
