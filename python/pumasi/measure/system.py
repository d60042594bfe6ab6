"""What Linux tells of threads and processes: their time on a core, waiting for one, and why asleep.

``/proc/PID/task/TID/schedstat`` counts the nanoseconds which a thread spent on a core and, ready to
run, waiting for one.  What neither explains is time in which it slept, and
``/proc/PID/task/TID/syscall`` says what in: a futex (a lock; at the address of the interpreter's
lock, that), a sleep, or something else, which is input or output.  All is read from outside, by
another process, so that looking on does not disturb the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# The numbers of the system calls, by machine: those which wait on a futex, and those which sleep.
_FUTEX = {"x86_64": {202, 449}, "aarch64": {98, 449}}
_SLEEP = {"x86_64": {35, 230}, "aarch64": {101, 115}}
# Waiting for any of no files is a sleep as well; Python 3.10 sleeps like that.
_SELECT = {"x86_64": {23, 270}, "aarch64": {72}}


class Clock:
    """The run-queue clock of the thread that makes it: how long it was ready, and had no core."""

    def __init__(self) -> None:
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        try:
            self._file: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = None

    def waited(self) -> float:
        """Return the seconds so far; 0 on a kernel which does not count them."""
        if self._file is None:
            return 0.0
        try:
            return int(os.pread(self._file, 100, 0).split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return 0.0

    def close(self) -> None:
        """Close the file which it reads."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Glance:
    """Looks again and again at what one thread of another process is doing."""

    def __init__(self, pid: int, tid: int, gil: tuple[int, int] | None) -> None:
        self.seen: Counter[str] = Counter()
        self._gil = gil
        machine = platform.machine()
        self._futex, self._sleep = _FUTEX.get(machine, set()), _SLEEP.get(machine, set())
        self._select = _SELECT.get(machine, set())
        try:
            self._file: int | None = os.open(f"/proc/{pid}/task/{tid}/syscall", os.O_RDONLY)
        except OSError:
            self._file = None

    def look(self, working: bool) -> None:
        """Note what the thread does now, if it can be seen."""
        if not working:
            self.seen["idle"] += 1
        elif self._file is not None:
            with contextlib.suppress(OSError, ValueError):
                self.seen[self._state(os.pread(self._file, 300, 0).split())] += 1

    def _state(self, words: list[bytes]) -> str:
        if not words or words[0] == b"running":
            return "running"
        number = int(words[0])
        if number in self._futex:
            address = int(words[1], 16)
            return "gil" if self._gil and self._gil[0] <= address < self._gil[1] else "lock"
        asleep = number in self._sleep or (number in self._select and words[1] == b"0x0")
        return "sleep" if asleep else "io"

    def close(self) -> None:
        """Close the file which it reads."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def interpreter_lock() -> tuple[int, int] | None:
    """Find the addresses between which lie the futexes of the interpreter's lock.

    CPython keeps that lock in its one static structure, so it lies in the data of the interpreter's
    own file, where no lock of a program can be: those are allocated.  None where it is not found.
    """
    try:
        import ctypes

        base = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
        found: tuple[int, int] | None = None
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            words = line.split()
            low, high = (int(word, 16) for word in words[0].split("-"))
            if low <= base < high:
                found = low, high
            elif found is not None and low == found[1] and len(words) == 5:
                return found[0], high  # What of the data begins as zeros has no file behind it.
    except (ImportError, OSError, ValueError):
        return None
    return found


@dataclass(frozen=True)
class Memory:
    """What a process has in memory, in bytes."""

    resident: int
    private: int
    freed_since_peak: int


def memory(pid: int) -> Memory | None:
    """Look how much memory a process has now, or None when it cannot be seen."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    resident = _kilobytes("Rss", rollup)
    private = _kilobytes("Private_Clean", rollup) + _kilobytes("Private_Dirty", rollup)
    return Memory(resident, private, max(_kilobytes("VmHWM", status) - resident, 0))


def variant_memory(host: int, workers: list[int]) -> int | None:
    """Return the peak memory of a parent with its workers, in bytes.

    The parent counts in full, a worker with the pages which are its own; each with what it had
    given back since its peak, as if all had peaked at once.
    """
    parent = memory(host)
    if parent is None:
        return None
    total = parent.resident + parent.freed_since_peak
    for worker in workers:
        found = memory(worker)
        if found is not None:
            total += found.private + found.freed_since_peak
    return total


def _kilobytes(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def usable_cores() -> int:
    """Return on how many cores this process may run, also where a container allows less time."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    if quota == "max":
        return cores
    return max(1, min(cores, int(quota) // int(period)))


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread which started it has ended."""
    with contextlib.suppress(Exception):
        import ctypes
        import signal

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)
