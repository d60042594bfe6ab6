"""What is known of a worker that has ended."""

from __future__ import annotations

import os
from typing import Any

from .. import _core

#: The status of a worker whose end was told to somebody else; asyncio has the same.
UNKNOWN = 255


def ask(worker: Any) -> tuple[int | None, int | None]:
    """Return how a worker ended and the most memory it used, in bytes, as far as is known.

    (None, None) while it runs. Only who reaps a child learns of its memory, so that is done here
    where the child is our own; the fork server reaps its children itself. Where somebody else has
    reaped it (a handler of SIGCHLD, or the kernel if that is ignored) nobody knows how it ended;
    then it counts as `UNKNOWN`.
    """
    popen = getattr(worker, "_popen", None)
    if popen is None or popen.returncode is not None or popen.method == "forkserver":
        return worker.exitcode, None
    try:
        pid, status, usage = os.wait4(popen.pid, os.WNOHANG)
    except ChildProcessError:
        if worker.exitcode is None:
            popen.returncode = UNKNOWN
        return worker.exitcode, None
    if pid == 0:
        return None, None
    popen.returncode = os.waitstatus_to_exitcode(status)
    # Linux counts it in KiB.
    return worker.exitcode, usage.ru_maxrss * 1024


def bury(worker: Any) -> None:
    """Let go of a worker that has ended: its descriptors, too, whoever still knows it."""
    worker.join()
    popen = getattr(worker, "_popen", None)
    if popen is not None:
        if popen.returncode is None:
            popen.returncode = UNKNOWN
        popen.close()


class MemoryWatch:
    """Tells whether a kill is likely to have been the kernel's, for want of memory."""

    def __init__(self) -> None:
        self._events = _events_file()
        self._kills = self._count()

    def _count(self) -> int | None:
        if self._events is None:
            return None
        try:
            with open(self._events) as events:
                for line in events:
                    name, _, number = line.partition(" ")
                    if name == "oom_kill":
                        return int(number)
        except (OSError, ValueError):
            pass
        return None

    def likely(self, peak: int | None) -> bool:
        """Whether a worker that was just killed by SIGKILL was killed for want of memory."""
        before, self._kills = self._kills, self._count()
        if before is not None and self._kills is not None:
            return self._kills > before
        # Without a control group to ask: did it have more than half of what a heap may take?
        return peak is not None and peak > _core.heap.limit // 2


def _events_file() -> str | None:
    """Return the path of the counters of this process's control group, if it has them."""
    try:
        with open("/proc/self/cgroup") as groups:
            for line in groups:
                number, _, rest = line.strip().partition(":")
                if number == "0":
                    path = "/sys/fs/cgroup" + rest.partition(":")[2].rstrip("/")
                    path += "/memory.events"
                    return path if os.path.exists(path) else None
    except OSError:
        pass
    return None
