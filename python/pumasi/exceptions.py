"""What can go wrong in pumasi beyond what `multiprocessing` already raises.

The classes are defined here and imported by the native module, so that a traceback, `help()` and
a pickle name them as `pumasi.exceptions.X`. Trouble which Python has a word for keeps that word:
`MemoryError` at the heap's limit, `IndexError` and `KeyError` from containers, `ValueError` from a
lock which is released too often.
"""

from multiprocessing.context import TimeoutError as _TimeoutError

__all__ = [
    "CorruptHeap",
    "HeapGone",
    "OwnerDiedWarning",
    "PumasiError",
    "StaleReference",
    "TaskCancelled",
    "TaskFailed",
    "TaskTimeout",
    "WorkerDied",
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


class WorkerDied(PumasiError):
    """The worker of a pool that was doing this task has died, and the task with it.

    Other tasks are not concerned: the worker is replaced. `pid`, `exitcode` (as
    `Process.exitcode` has it), `signal` (None if it ended by itself), `peak_memory` in bytes (None
    where it is not known), `out_of_memory` (whether that is the likely reason) and `task`, which
    describes the call.
    """

    def __init__(
        self,
        task: str,
        pid: int | None = None,
        exitcode: int | None = None,
        peak_memory: int | None = None,
        out_of_memory: bool = False,
    ) -> None:
        super().__init__(task, pid, exitcode, peak_memory, out_of_memory)
        self.task = task
        self.pid = pid
        self.exitcode = exitcode
        self.peak_memory = peak_memory
        self.out_of_memory = out_of_memory

    @property
    def signal(self) -> int | None:
        """The number of the signal that ended the worker, or None."""
        return -self.exitcode if self.exitcode is not None and self.exitcode < 0 else None

    def __str__(self) -> str:
        how = "ended" if self.exitcode is None else f"exited with status {self.exitcode}"
        if self.signal is not None:
            import signal

            try:
                how = f"was killed by {signal.Signals(self.signal).name}"
            except ValueError:
                how = f"was killed by signal {self.signal}"
        memory = ""
        if self.peak_memory is not None:
            memory = f", having used at most {self.peak_memory / 2**20:.0f} MiB"
        reason = "; likely out of memory" if self.out_of_memory else ""
        return f"worker {self.pid} {how}{memory}{reason}, doing {self.task}"


class TaskFailed(PumasiError):
    """A task raised an exception which could not be unpickled here.

    Its type, its text and, as `__cause__`, its traceback in the worker are told instead.
    """


class TaskCancelled(PumasiError):
    """The task was cancelled, or its pool was terminated, before it had a result."""


class TaskTimeout(PumasiError, _TimeoutError):
    """The task took longer than its pool allows (`Pool(timeout=...)`, `Pool(soft_timeout=...)`)."""
