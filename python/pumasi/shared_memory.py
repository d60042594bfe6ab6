"""Named segments of bytes: `multiprocessing.shared_memory`, without its faults.

`SharedMemory` and `ShareableList` are subclasses of the standard library's. The segments are POSIX
segments under the same names, which any program attaches to, the standard library's classes too.
What differs:

- Only who makes a segment has multiprocessing's resource tracker watch it. The tracker unlinks it
  when every process of the program which made it has ended, also by a kill. A process that
  attaches, of this program or of another, changes nothing about that; it does if it says
  `track=True`. `track=False` leaves a segment to itself, on every version of Python.
- A NumPy array over `buf` keeps the memory mapped, also when the segment is closed or forgotten.
- The memory of a new segment is taken when it is made. Where /dev/shm is too small, as it often is
  in a container, that is an OSError which says so, and not a bus error at some later write.
- A `ShareableList` gives back what was stored in it: bytes and str that end with NULs, str of any
  characters.

>>> from pumasi import shared_memory
>>> segment = shared_memory.SharedMemory(create=True, size=8)
>>> segment.buf[:5] = b"hello"
>>> other = shared_memory.SharedMemory(segment.name)
>>> bytes(other.buf[:5])
b'hello'
>>> other.close()
>>> segment.close()
>>> segment.unlink()
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from multiprocessing import resource_tracker as resource_tracker
from multiprocessing import shared_memory as _standard
from multiprocessing import util
from typing import Any

from . import _reaper
from ._lists import ListLayout, T

__all__ = ["ShareableList", "SharedMemory"]

# By these names programs (and CPython's tests) know how a name is made.
_module: Any = _standard
_make_filename = _module._make_filename
_SHM_NAME_PREFIX = _module._SHM_NAME_PREFIX
_USE_POSIX = _module._USE_POSIX
_O_CREX = _module._O_CREX

_TYPE = "shared_memory"
_tracker: Any = resource_tracker._resource_tracker


class _Unsaid(int):
    """The default of `track`, which is True, where it matters whether somebody said so."""

    def __repr__(self) -> str:
        return "True"


_UNSAID: Any = _Unsaid(1)


# ---- the resource tracker -----------------------------------------------------------------------

#: Segments which this process has the tracker watch, while it has not unlinked them.
_watched: set[str] = set()
_watching_pid = 0
#: Segments which this process attached to without telling the tracker.
_attached: set[str] = set()
#: The name that this thread is just attaching to.
_attaching = threading.local()


def _send(command: str, name: str, kind: str) -> None:
    """What the tracker of this process is told: all but two things about what was attached to.

    Before Python 3.13 the standard library tells it of each segment that is attached to; and
    programs which know that take it back by `resource_tracker.unregister`, of which the tracker
    would complain if it had not been told.
    """
    if kind == _TYPE:
        if command == "REGISTER":
            if getattr(_attaching, "name", None) == name:
                return
            _attached.discard(name)
        elif command == "UNREGISTER" and name in _attached:
            if _exists(name):
                return
            # Unlinked by the standard library's class, and made by it, or by another process.
            type(_tracker)._send(_tracker, "REGISTER", name, kind)
    type(_tracker)._send(_tracker, command, name, kind)


_tracker._send = _send


def _exists(name: str) -> bool:
    return os.path.exists("/dev/shm/" + name.lstrip("/"))


def _watch(name: str) -> None:
    """Have a segment unlinked when the program's processes have all ended."""
    global _watching_pid
    _attached.discard(name)
    if _watching_pid != os.getpid():
        _watching_pid = os.getpid()
        _watched.clear()
        # Late, when what the program itself does at its end has been done.
        util.Finalize(None, _leave_what_is_gone, exitpriority=-1000)
    if not _reaper.watch(name):
        resource_tracker.register(name, _TYPE)
    _watched.add(name)


def _unlinked(name: str) -> None:
    """Tell the tracker of this program that a segment is gone, whoever has made it."""
    _watched.discard(name)
    _attached.discard(name)
    _reaper.unlinked(name)
    if _tracker._fd is not None:
        # It complains of what it does not know, so it is told of it first.
        resource_tracker.register(name, _TYPE)
        resource_tracker.unregister(name, _TYPE)


def _leave_what_is_gone() -> None:
    """Another program may have unlinked what this one made: then there is nothing to report."""
    for name in list(_watched):
        if not _exists(name):
            with contextlib.suppress(Exception):
                _unlinked(name)


def _before_fork() -> None:
    """See to it that the children of a fork have the tracker that this process will have.

    Otherwise each of them starts its own at the first segment that it makes, which unlinks that
    segment when this child has ended.
    """
    # The fork server is told of a tracker by each process that asks it for a child.
    if _tracker._fd is None and not any("multiprocessing.forkserver" in a for a in sys.orig_argv):
        with contextlib.suppress(Exception):
            resource_tracker.ensure_running()


os.register_at_fork(before=_before_fork)


# ---- segments -----------------------------------------------------------------------------------


class SharedMemory(_standard.SharedMemory):
    """A named segment of bytes, made anew (`create=True`) or attached to by its name.

    `size` is in bytes. A segment that is made without a name gets one that is free. It lasts until
    `unlink()`, or until every process of the program which made it has ended; with `track=False`
    only `unlink()` ends it. Who attaches has no part in that, unless it says `track=True`: then the
    segment is unlinked when the processes of the program that attached have ended.

    Raises FileExistsError if the name is taken, FileNotFoundError if there is none to attach to,
    OSError (ENOSPC) if /dev/shm has not enough left.
    """

    _name: str | None
    _buf: memoryview | None
    _mmap: Any
    _fd: int
    _flags: int
    _prepend_leading_slash: bool
    _track = False
    _opens = False

    def __init__(
        self,
        name: str | None = None,
        create: bool = False,
        size: int = 0,
        *,
        track: bool = _UNSAID,
    ) -> None:
        if name is None and (create or self._flags & os.O_EXCL):
            while self._name is None:
                free = _make_filename()
                with contextlib.suppress(FileExistsError):
                    self._open(free[1:] if self._prepend_leading_slash else free, create, size)
        else:
            self._open(name, create, size)
        assert self._name is not None
        if track and (create or track is not _UNSAID):
            self._track = True
            try:
                _watch(self._name)
            except BaseException:
                # A name which the tracker cannot be told.
                self.close()
                if create:
                    self.unlink()
                raise
        elif not create:
            _attached.add(self._name)

    def _open(self, name: str | None, create: bool, size: int) -> None:
        self._opens = not create
        try:
            if sys.version_info >= (3, 13):
                super().__init__(name, create, size, track=False)
            else:
                _attaching.name = f"/{name}" if self._prepend_leading_slash else name
                try:
                    super().__init__(name, create, size)
                finally:
                    del _attaching.name
        finally:
            self._opens = False
        if create:
            try:
                _reserve(self._fd)
            except BaseException:
                self.close()
                _module._posixshmem.shm_unlink(self._name)
                raise

    def __del__(self, _ends: Callable[[], bool] = sys.is_finalizing) -> None:
        if _ends():
            return  # with all that this would need
        try:
            self.close()
        except BufferError:
            # Something still looks at the memory, which stays mapped as long as that lives.
            self._buf = self._mmap = None
            with contextlib.suppress(OSError):
                super().close()
        except OSError:
            pass

    def close(self) -> None:
        """End this instance's access; the segment stays for others.

        Raises BufferError while something else looks at `buf`. An array that NumPy has laid over
        `buf` is no reason for that: the memory is unmapped when the last such array is gone.
        """
        view, mapping = self._buf, self._mmap
        if view is not None and mapping is not None:
            # Known here, in the instance and to getrefcount: more is somebody who may look at it.
            looked_at = sys.getrefcount(view) > 3
            view.release()
            self._buf = None
            if looked_at:
                last: Any = weakref.finalize(view, _let_go, mapping)
                last.atexit = False
            if looked_at or (sys.getrefcount(mapping) > 3 and not _exported(mapping)):
                self._mmap = None
        super().close()

    def unlink(self) -> None:
        """Remove the name; the memory is freed when nobody has it attached any more.

        To be called once for a segment, by any process: raises FileNotFoundError the second time.
        """
        # Not when it could not be mapped: the standard library unlinks what it failed to attach to.
        if self._name and not self._opens:
            _module._posixshmem.shm_unlink(self._name)
            _unlinked(self._name)


#: Bytes that are reserved at a time: a signal, which may come every millisecond, undoes one piece.
_PIECE = 1 << 20
#: What a file system says that cannot reserve.
_CANNOT = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV)


def _reserve(fd: int) -> None:
    """Take the memory of a segment now, so that no write to it fails.

    It costs less than it saves: a page that the kernel has to find at the first write to it is
    dearer than one of many that it is asked for together.
    """
    size = os.fstat(fd).st_size
    room = os.fstatvfs(fd)
    left, total = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    # A file system without a limit has no blocks at all. This is looked at first, so that nobody
    # else finds it full for a moment.
    fits = size <= left or total == 0
    try:
        for offset in range(0, size if fits else 0, _PIECE):
            os.posix_fallocate(fd, offset, min(_PIECE, size - offset))
    except OSError as error:
        if error.errno in _CANNOT:
            return
        if error.errno != errno.ENOSPC:
            raise
        fits = False
    if not fits:
        raise OSError(
            errno.ENOSPC,
            f"a segment of {size} bytes does not fit into /dev/shm, which had {left} of its "
            f"{total} bytes left: unlink segments that nobody needs, make it larger (docker run "
            "--shm-size=1g, or mount -o remount,size=1g /dev/shm), or use pumasi.Array, which "
            "does not lie there",
        )


def _exported(mapping: Any) -> bool:
    """Whether a view is open on a mapping; NumPy's arrays only refer to it."""
    try:
        mapping.resize(-1)
    except BufferError:
        return True
    except (ValueError, TypeError):
        # Refused for its size, which is looked at after the views.
        return False
    return False


def _let_go(mapping: Any) -> None:
    """Keep a mapping until now; it is unmapped when nothing else has it."""


# ---- lists --------------------------------------------------------------------------------------


class ShareableList(ListLayout[T]):
    """A list of fixed length in a named segment; items are int, float, bool, str, bytes, None.

    An int has 64 bits. A str or bytes can be replaced by one that fits into the room of the first,
    which is its length rounded up to a multiple of 8 bytes; a str takes its bytes in UTF-8. With
    `name` and no sequence it attaches to the list of that name. `shm` is the segment, which is to
    be closed and unlinked.

    The standard library's ShareableList attaches to it and reads and writes it, with two
    exceptions: bytes and str which end with NULs lose these there, and what it cannot represent
    (surrogates in a str; a value of a million bytes or more which ends with NULs) is an error.
    """

    #: The segment.
    shm: SharedMemory

    def __init__(self, sequence: Iterable[T] | None = None, *, name: str | None = None) -> None:
        if name is not None and sequence is None:
            self.shm = SharedMemory(name)
            try:
                self._read_layout()
            except BaseException:
                self.shm.close()
                raise
        else:
            content = self._laid_out(list(sequence or ()))
            self.shm = SharedMemory(name, create=True, size=len(content))
            buf: Any = self.shm.buf
            buf[: len(content)] = content
