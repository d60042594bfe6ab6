//! Files by whose names unrelated processes find each other: where they lie, whose they are, and
//! how they come and go without a moment in which two could be taken for one.
//!
//! A file appears complete: it is written without a name and then linked to one that is free.
//! Whoever takes a name away holds the lock of the very file that has it, so that nobody takes
//! away what another has put in its place meanwhile; and whoever has found a file asks under its
//! lock whether it still has the name. The kernel ends a lock with its process.

use std::fs::{File, Metadata, TryLockError};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD};

use crate::error::{Error, Result};

/// Where names are kept: the same for all programs of a machine or container, and gone with it.
const DIRECTORY: &str = "/dev/shm";
/// Longest name, in bytes.
const LONGEST: usize = 128;
/// How long to wait for the lock of a file, which is held for a few system calls: longer only
/// where its holder was stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file that has a name, or had it.
pub(crate) struct NameFile {
    file: File,
    path: PathBuf,
}

/// The lock of a file, given up when dropped.
pub(crate) struct Locked<'a>(&'a NameFile);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Failing means that the file is gone from this process, and its lock with it.
        let _ = self.0.file.unlock();
    }
}

/// What the names of this user's files begin with. Those of another user never meet ours.
fn prefix() -> String {
    format!("pumasi-{}-", rustix::process::geteuid().as_raw())
}

/// Where the file of a name is.
///
/// # Errors
/// [`Error::BadName`].
pub(crate) fn path_of(name: &str) -> Result<PathBuf> {
    let refuse = |why: &'static str| {
        Err(Error::BadName {
            name: name.to_owned(),
            why,
        })
    };
    match name.as_bytes() {
        [] => refuse("it is empty"),
        bytes if bytes.len() > LONGEST => refuse("it is longer than 128 bytes"),
        [first, ..] if !first.is_ascii_alphanumeric() => {
            refuse("it must begin with a letter or digit of ASCII")
        }
        bytes
            if !bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b)) =>
        {
            refuse("only letters and digits of ASCII, '.', '_' and '-' can be in it")
        }
        _ => Ok(Path::new(DIRECTORY).join(format!("{}{name}", prefix()))),
    }
}

/// The names of all files of this user, in order.
///
/// # Errors
/// [`Error::Os`] when the directory cannot be read.
pub(crate) fn all() -> Result<Vec<String>> {
    let prefix = prefix();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(DIRECTORY).map_err(os("readdir"))? {
        let file = entry.map_err(os("readdir"))?.file_name();
        let name = file.to_str().and_then(|file| file.strip_prefix(&prefix));
        names.extend(name.filter(|name| path_of(name).is_ok()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn os(call: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Os { call, source }
}

/// Nothing but a plain file of our own that nobody else may open is ours.
fn ours(path: &Path, found: &Metadata) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let why = if !found.is_file() {
        "it is no plain file"
    } else if found.uid() != user {
        "it belongs to another user"
    } else if found.mode() & 0o077 != 0 {
        "other users may open it"
    } else {
        return Ok(());
    };
    Err(Error::Denied {
        what: format!("{} is not used: {why}", path.display()),
    })
}

impl NameFile {
    /// Makes a file with this content and gives it the name that belongs to `path`; `None` when
    /// another has it.
    ///
    /// # Errors
    /// [`Error::Os`]: no room in /dev/shm, for instance.
    pub(crate) fn publish(path: &Path, content: &[u8]) -> Result<Option<NameFile>> {
        let file = File::options()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
            .open(DIRECTORY)
            .map_err(os("open(/dev/shm, O_TMPFILE)"))?;
        // Memory for all of it before anybody sees it: nothing that is written later needs any.
        file.write_all_at(content, 0).map_err(os("write"))?;
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        match rustix::fs::linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(Some(NameFile {
                file,
                path: path.to_owned(),
            })),
            Err(rustix::io::Errno::EXIST) => Ok(None),
            Err(errno) => Err(Error::os("linkat")(errno)),
        }
    }

    /// Opens the file that has the name now; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Denied`] when it is not ours.
    pub(crate) fn open(path: &Path) -> Result<Option<NameFile>> {
        let opened = File::options()
            .read(true)
            .write(true)
            // Whatever lies there must neither lead elsewhere nor make us wait.
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                // What it is says more than why it could not be opened.
                if let Ok(found) = std::fs::symlink_metadata(path) {
                    ours(path, &found)?;
                }
                return Err(os("open")(e));
            }
        };
        ours(path, &file.metadata().map_err(os("fstat"))?)?;
        Ok(Some(NameFile {
            file,
            path: path.to_owned(),
        }))
    }

    /// Where the name is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock of the file, waiting for whoever has it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when that takes so long that its holder must have been stopped.
    pub(crate) fn lock(&self) -> Result<Locked<'_>> {
        let began = Instant::now();
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(Locked(self)),
                Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(e)) => return Err(os("flock")(e)),
                Err(TryLockError::WouldBlock) if began.elapsed() > PATIENCE => {
                    return Err(Error::Unsupported {
                        what: format!(
                            "{} has been locked for {} s: a process was stopped while it opened or left the heap (`lslocks` says which); let it go on, or kill it",
                            self.path.display(),
                            PATIENCE.as_secs()
                        ),
                    });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    /// Whether the file still has its name.
    pub(crate) fn is_linked(&self) -> bool {
        match (self.file.metadata(), std::fs::symlink_metadata(&self.path)) {
            (Ok(own), Ok(found)) => (own.dev(), own.ino()) == (found.dev(), found.ino()),
            _ => false,
        }
    }

    /// Takes the name away, if the file still has it; whether it had.
    ///
    /// # Errors
    /// [`Error::Os`] when the directory does not let us.
    pub(crate) fn unlink(&self, _locked: &Locked<'_>) -> Result<bool> {
        if !self.is_linked() {
            return Ok(false);
        }
        std::fs::remove_file(&self.path).map_err(os("unlink"))?;
        Ok(true)
    }

    /// All bytes of the file, if they are `n`.
    pub(crate) fn read(&self, n: usize) -> Result<Option<Vec<u8>>> {
        let size = self.file.metadata().map_err(os("fstat"))?.len();
        if usize::try_from(size) != Ok(n) {
            return Ok(None);
        }
        let mut bytes = vec![0; n];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(os("read")(e)),
        }
    }

    /// Writes bytes at an offset.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, at).map_err(os("write"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unique() -> (String, PathBuf) {
        let name = format!("test.names.{:032x}", crate::sys::process::random_u128());
        let path = path_of(&name).unwrap();
        (name, path)
    }

    #[test]
    fn bad_names_are_refused_with_a_reason() {
        for bad in [
            "",
            ".x",
            "-x",
            "a/b",
            "a:b",
            "품앗이",
            "a b",
            "a\0",
            &"x".repeat(129),
        ] {
            assert!(
                matches!(path_of(bad), Err(Error::BadName { .. })),
                "{bad:?}"
            );
        }
        for good in ["x", "7", "a.b-c_D", &"x".repeat(128)] {
            let path = path_of(good).unwrap();
            assert_eq!(path.parent(), Some(Path::new(DIRECTORY)), "{good:?}");
        }
    }

    #[test]
    fn a_name_is_given_once_and_taken_from_the_file_that_has_it() {
        let (name, path) = unique();
        assert!(NameFile::open(&path).unwrap().is_none());
        let first = NameFile::publish(&path, b"one").unwrap().unwrap();
        assert!(NameFile::publish(&path, b"two").unwrap().is_none());
        assert!(all().unwrap().contains(&name));
        let found = NameFile::open(&path).unwrap().unwrap();
        assert_eq!(found.read(3).unwrap().unwrap(), b"one");
        assert_eq!(found.read(4).unwrap(), None);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(first.unlink(&first.lock().unwrap()).unwrap());
        assert!(!found.is_linked());
        // Another has the name now: the first one's knowledge of it is out of date.
        let second = NameFile::publish(&path, b"two").unwrap().unwrap();
        assert!(!found.unlink(&found.lock().unwrap()).unwrap());
        assert!(second.is_linked());
        second.write(1, b"x").unwrap();
        assert_eq!(second.read(3).unwrap().unwrap(), b"txo");
        assert!(second.unlink(&second.lock().unwrap()).unwrap());
        assert!(!all().unwrap().contains(&name));
    }

    #[test]
    fn what_is_not_ours_is_not_opened() {
        let (_, path) = unique();
        let refused = |why: &str| match NameFile::open(&path) {
            Err(Error::Denied { what }) => assert!(what.contains(why), "{what}"),
            other => panic!("{why}: {:?}", other.map(|found| found.is_some())),
        };
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        refused("no plain file");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        refused("no plain file");
        std::fs::remove_dir(&path).unwrap();
        File::options()
            .create_new(true)
            .write(true)
            .mode(0o644)
            .open(&path)
            .unwrap();
        refused("other users");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_lock_is_of_one_at_a_time() {
        let (_, path) = unique();
        let one = NameFile::publish(&path, b"x").unwrap().unwrap();
        let other = NameFile::open(&path).unwrap().unwrap();
        let locked = one.lock().unwrap();
        assert!(matches!(
            other.file.try_lock(),
            Err(TryLockError::WouldBlock)
        ));
        drop(locked);
        let locked = other.lock().unwrap();
        other.unlink(&locked).unwrap();
    }
}
