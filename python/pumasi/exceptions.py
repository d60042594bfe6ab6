"""What can go wrong in pumasi beyond what `multiprocessing` already raises.

The classes are defined here and imported by the native module, so that a traceback, `help()` and
a pickle name them as `pumasi.exceptions.X`. Trouble which Python has a word for keeps that word:
`MemoryError` at the heap's limit, `IndexError` and `KeyError` from containers, `ValueError` from a
lock which is released too often.
"""

__all__ = [
    "CorruptHeap",
    "HeapGone",
    "OwnerDiedWarning",
    "PumasiError",
    "StaleReference",
    "WrongHeap",
]


class PumasiError(Exception):
    """The base of the errors which only pumasi raises."""


class WrongHeap(PumasiError):
    """A container was to be stored in a container of another heap.

    Heaps never link to one another; store `container.to_plain()` instead.
    """


class StaleReference(PumasiError):
    """A reference names a shared object which has been freed.

    A pickle keeps nothing alive, unless it was made while a process was being started.
    """


class HeapGone(PumasiError):
    """A reference names a heap to which no live process is attached any more.

    To keep data beyond the program, store `container.to_plain()` rather than the container.
    """


class CorruptHeap(PumasiError):
    """The bytes of a heap contradict one another; the operation was given up."""


class OwnerDiedWarning(RuntimeWarning):
    """The lock just acquired was held by a process which died.

    The warning names the process; `lock.owner_died` holds the same as a record. What the lock
    protects may be half changed: repair it before going on.
    """
