//! The rival: the system's own lock which survives its holder's death, a pthread mutex that is
//! robust and process-shared, in memory which child processes would share.

use std::io;
use std::mem::size_of;
use std::ptr::{self, NonNull};

/// A robust, process-shared pthread mutex in a shared mapping of its own.
pub struct RobustMutex {
    mutex: NonNull<libc::pthread_mutex_t>,
}

impl RobustMutex {
    /// Maps the memory and initialises the mutex there.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new anonymous mapping, at an address of the kernel's choice, overlaps nothing.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<libc::pthread_mutex_t>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mutex = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let robust = RobustMutex { mutex };
        robust.initialise()?;
        Ok(robust)
    }

    /// Acquires and releases the mutex once.
    #[inline]
    pub fn pair(&self) {
        self.locked(|| ());
    }

    /// Does `work` while holding the mutex. Nobody dies here, so that any trouble is a broken
    /// benchmark, and a panic.
    #[inline]
    pub fn locked<R>(&self, work: impl FnOnce() -> R) -> R {
        // SAFETY: `new` has initialised the mutex, and it stays mapped as long as `self` lives.
        let locked = unsafe { libc::pthread_mutex_lock(self.mutex.as_ptr()) };
        assert_eq!(locked, 0, "pthread_mutex_lock failed");
        let result = work();
        // SAFETY: as above, and this thread has locked it.
        let unlocked = unsafe { libc::pthread_mutex_unlock(self.mutex.as_ptr()) };
        assert_eq!(unlocked, 0, "pthread_mutex_unlock failed");
        result
    }

    fn initialise(&self) -> io::Result<()> {
        // SAFETY: an attribute object is plain data; init below gives it its meaning.
        let mut attributes: libc::pthread_mutexattr_t = unsafe { std::mem::zeroed() };
        let attributes = &raw mut attributes;
        // SAFETY: `attributes` is writable until the end of this function, initialised before it
        // is set, used and destroyed; the mutex's memory is writable, and nobody else knows it.
        unsafe {
            done(libc::pthread_mutexattr_init(attributes))?;
            done(libc::pthread_mutexattr_setpshared(
                attributes,
                libc::PTHREAD_PROCESS_SHARED,
            ))?;
            done(libc::pthread_mutexattr_setrobust(
                attributes,
                libc::PTHREAD_MUTEX_ROBUST,
            ))?;
            done(libc::pthread_mutex_init(self.mutex.as_ptr(), attributes))?;
            done(libc::pthread_mutexattr_destroy(attributes))
        }
    }
}

impl Drop for RobustMutex {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this size, and nobody can use it any more.
        unsafe {
            libc::pthread_mutex_destroy(self.mutex.as_ptr());
            libc::munmap(
                self.mutex.as_ptr().cast(),
                size_of::<libc::pthread_mutex_t>(),
            );
        }
    }
}

fn done(code: libc::c_int) -> io::Result<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(code))
    }
}
