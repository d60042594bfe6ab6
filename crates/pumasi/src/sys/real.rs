//! The host that users run on: a sealed memfd, mapped once and never moved; unmapped when nothing in
//! the process refers to it any more.

use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::time::Duration;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::thread::{
    CpuSet, futex, sched_getaffinity, sched_getcpu, sched_setaffinity, sched_yield,
};

use crate::error::{Error, Result};
use crate::sys::{Bell, Host, Identity, Mem, bell, fork, process};

/// A mapping of a memfd, and the system calls on it.
#[derive(Debug)]
pub struct Real {
    mem: Mem,
    fd: OwnedFd,
    private: &'static AtomicPtr<()>,
}

impl Real {
    /// Makes a new memory of `size` bytes, none of them committed.
    ///
    /// # Errors
    /// [`Error::Os`] when the system refuses the file or the mapping.
    pub fn create(size: u64) -> Result<Real> {
        let fd = memfd()?;
        rustix::fs::ftruncate(&fd, size).map_err(Error::os("ftruncate"))?;
        // With the size sealed nobody can shrink the file under a mapping, which would turn an
        // access into SIGBUS.
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .map_err(Error::os("fcntl(F_ADD_SEALS)"))?;
        Real::map(fd, size)
    }

    /// Maps the memory behind a descriptor of another process of this user.
    ///
    /// # Errors
    /// [`Error::Os`] when the process or its descriptor cannot be reached, [`Error::Unsupported`]
    /// when the file is something else.
    pub fn of_process(pid: u32, fd: u32) -> Result<Real> {
        let path = format!("/proc/{pid}/fd/{fd}");
        // A number is soon another's, and opening what is no file may do something to it.
        let leads_to = std::fs::read_link(&path).map_err(|source| Error::Os {
            call: "readlink",
            source,
        })?;
        if !leads_to
            .as_os_str()
            .as_bytes()
            .starts_with(b"/memfd:pumasi")
        {
            return Err(Error::Unsupported {
                what: format!("{path} is not a pumasi heap"),
            });
        }
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|source| Error::Os {
                call: "open",
                source,
            })?;
        Real::open(OwnedFd::from(file))
    }

    /// Maps a memory that another process made.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the file is not a sealed heap, [`Error::Denied`] when it is
    /// another user's, [`Error::Os`] otherwise.
    pub fn open(fd: OwnedFd) -> Result<Real> {
        let seals = rustix::fs::fcntl_get_seals(&fd).map_err(Error::os("fcntl(F_GET_SEALS)"))?;
        if !seals.contains(SealFlags::SHRINK) {
            return Err(Error::Unsupported {
                what: "the file is not a pumasi heap: it could shrink".into(),
            });
        }
        let found = rustix::fs::fstat(&fd).map_err(Error::os("fstat"))?;
        // Only root comes so far with the memory of another; what lies there is not to be trusted.
        if found.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Error::Denied {
                what: format!("the heap belongs to another user ({})", found.st_uid),
            });
        }
        Real::map(fd, u64::try_from(found.st_size).unwrap_or(0))
    }

    fn map(fd: OwnedFd, size: u64) -> Result<Real> {
        if size == 0 || !size.is_multiple_of(4096) {
            return Err(Error::Unsupported {
                what: format!("a heap of {size} bytes: the size must be whole pages"),
            });
        }
        let private = fork::private_word()?;
        // SAFETY: a new mapping at an address that the kernel chooses touches nothing of ours.
        let base = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                size as usize,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::NORESERVE,
                &fd,
                0,
            )
        }
        .map_err(|errno| {
            fork::give_back(private);
            Error::os("mmap")(errno)
        })?;
        // A core dump of the reserve would be huge; failing to say so costs nothing else.
        // SAFETY: advice on the mapping that was just made, which changes none of its bytes.
        let _ = unsafe { rustix::mm::madvise(base, size as usize, Advice::LinuxDontDump) };
        Ok(Real {
            // SAFETY: the mapping is page-aligned, `size` long, and unmapped when the `Real` is
            // dropped, which everything that uses the memory keeps (HEAP-1).
            mem: unsafe { Mem::new(base.cast::<u8>(), size) },
            fd,
            private,
        })
    }

    /// The number of the descriptor, for another process of the same user to open.
    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_fd().as_raw_fd()
    }

    /// The memory, for views that outlive a call; they have to keep the heap.
    #[inline(always)]
    pub fn mem(&self) -> Mem {
        self.mem
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        fork::give_back(self.private);
        // SAFETY: our own mapping, which nothing refers to any more (HEAP-1).
        let _ = unsafe { rustix::mm::munmap(self.mem.base().cast(), self.mem.size() as usize) };
    }
}

fn memfd() -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know NOEXEC_SEAL, some later ones insist on it.
    match rustix::fs::memfd_create("pumasi", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => {
            rustix::fs::memfd_create("pumasi", flags).map_err(Error::os("memfd_create"))
        }
        other => other.map_err(Error::os("memfd_create")),
    }
}

impl Host for Real {
    #[inline(always)]
    fn size(&self) -> u64 {
        self.mem.size()
    }
    #[inline(always)]
    fn load32(&self, off: u64, order: Ordering) -> u32 {
        self.mem.word32(off).load(order)
    }
    #[inline(always)]
    fn store32(&self, off: u64, value: u32, order: Ordering) {
        self.mem.word32(off).store(value, order);
    }
    #[inline(always)]
    fn cas32(&self, off: u64, old: u32, new: u32) -> core::result::Result<u32, u32> {
        self.mem
            .word32(off)
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
    }
    #[inline(always)]
    fn add32(&self, off: u64, n: u32) -> u32 {
        self.mem.word32(off).fetch_add(n, Ordering::AcqRel)
    }
    #[inline(always)]
    fn load64(&self, off: u64, order: Ordering) -> u64 {
        self.mem.word64(off).load(order)
    }
    #[inline(always)]
    fn store64(&self, off: u64, value: u64, order: Ordering) {
        self.mem.word64(off).store(value, order);
    }
    #[inline(always)]
    fn store_row(&self, off: u64, words: &[u64]) {
        let row = self.mem.words64(off, words.len() as u64);
        for (to, &word) in row.iter().zip(words) {
            to.store(word, Ordering::Relaxed);
        }
    }
    #[inline(always)]
    fn cas64(&self, off: u64, old: u64, new: u64) -> core::result::Result<u64, u64> {
        self.mem
            .word64(off)
            .compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst)
    }
    #[inline(always)]
    fn add64(&self, off: u64, n: u64) -> u64 {
        self.mem.word64(off).fetch_add(n, Ordering::SeqCst)
    }
    #[inline(always)]
    fn or64(&self, off: u64, bits: u64) -> u64 {
        self.mem.word64(off).fetch_or(bits, Ordering::SeqCst)
    }
    #[inline(always)]
    fn and64(&self, off: u64, bits: u64) -> u64 {
        self.mem.word64(off).fetch_and(bits, Ordering::SeqCst)
    }
    #[inline(always)]
    fn load_whole(&self, off: u64, size: usize) -> u64 {
        self.mem.load_whole(off, size)
    }
    #[inline(always)]
    fn store_whole(&self, off: u64, size: usize, bits: u64) {
        self.mem.store_whole(off, size, bits);
    }
    #[inline(always)]
    fn copy_in(&self, off: u64, bytes: &[u8]) {
        self.mem.copy_in(off, bytes);
    }
    #[inline(always)]
    fn copy_out(&self, off: u64, bytes: &mut [MaybeUninit<u8>]) {
        self.mem.copy_out(off, bytes);
    }
    fn copy_words(&self, from: u64, to: u64, words: u64) {
        let bytes = words.saturating_mul(8);
        let (from, to) = (self.mem.range(from, bytes), self.mem.range(to, bytes));
        // SAFETY: `range` checked both to be inside the mapping (HEAP-1); `copy` allows them to
        // overlap, and no reference to shared bytes is made.
        unsafe { ptr::copy(from, to, bytes as usize) }
    }
    fn zero_words(&self, off: u64, words: u64) {
        let bytes = words.saturating_mul(8);
        // SAFETY: `range` checked that so many bytes are inside the mapping (HEAP-1), which is
        // writable; only words that nobody else uses yet are zeroed, and no reference to them is made.
        unsafe { ptr::write_bytes(self.mem.range(off, bytes), 0, bytes as usize) }
    }

    fn commit(&self, off: u64, len: u64) -> Result<()> {
        loop {
            match rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), off, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::NOSPC | Errno::NOMEM) => {
                    return Err(Error::OutOfMemory {
                        requested: len,
                        limit: 0,
                        used: 0,
                    });
                }
                Err(errno) => return Err(Error::os("fallocate")(errno)),
            }
        }
    }
    fn decommit(&self, off: u64, len: u64) {
        // Failing leaves the memory in use and not zero; the caller counts on neither.
        let _ = rustix::fs::fallocate(
            &self.fd,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            off,
            len,
        );
    }

    fn futex_wait(&self, off: u64, expected: u32, timeout: Duration) {
        let timeout = futex::Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        // Woken, timed out, interrupted or another value: the caller looks again in any case.
        let _ = futex::wait(
            self.mem.word32(off),
            futex::Flags::empty(),
            expected,
            Some(&timeout),
        );
    }
    fn futex_wake(&self, off: u64, n: u32) {
        let _ = futex::wake(self.mem.word32(off), futex::Flags::empty(), n);
    }
    #[inline(always)]
    fn spins(&self) -> u32 {
        100
    }
    fn ring(&self, bell: Bell, on: bool) {
        bell::ring(bell, on);
    }

    fn identity(&self) -> Identity {
        process::own_identity()
    }
    fn alive(&self, who: Identity) -> bool {
        process::alive(who)
    }
    fn ended_by(&self, pid: u32) -> Option<i32> {
        process::ended_by(pid)
    }
    fn processor(&self) -> usize {
        sched_getcpu()
    }
    fn change_processor(&self, free: impl Fn(usize) -> bool) {
        let Ok(allowed) = sched_getaffinity(None) else {
            return;
        };
        let mut wanted = CpuSet::new();
        (0..CpuSet::MAX_CPU)
            .filter(|&cpu| allowed.is_set(cpu) && free(cpu))
            .for_each(|cpu| wanted.set(cpu));
        // The kernel chooses one of them.
        if wanted.count() > 0 && sched_setaffinity(None, &wanted).is_ok() {
            let _ = sched_setaffinity(None, &allowed);
        }
    }
    fn give_way(&self) {
        sched_yield();
    }
    #[inline(always)]
    fn thread(&self) -> u32 {
        fork::thread_number()
    }
    fn now(&self) -> Duration {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec.unsigned_abs() as u32)
    }
    fn random(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        // The standard library keys its hash maps from the system's random source, once a
        // process; a counter and the clock keep later calls and forked children apart.
        static KEYS: OnceLock<std::hash::RandomState> = OnceLock::new();
        let mut hasher = KEYS.get_or_init(std::hash::RandomState::new).build_hasher();
        hasher.write_u64(self.now().as_nanos() as u64);
        hasher.write_u32(
            rustix::process::getpid()
                .as_raw_nonzero()
                .get()
                .unsigned_abs(),
        );
        hasher.write_usize(ptr::from_ref(self).addr());
        hasher.finish()
    }
    #[inline(always)]
    fn private(&self) -> &AtomicPtr<()> {
        self.private
    }
}
