"""What has the kernel end a process with the one that started it: a pool's worker, or a daemon.

The owner alone has the writing end of a pipe. Whoever depends on it asks the kernel for SIGKILL at
the moment when that end is gone, whichever thread has started it, and whatever it is doing: there
is no thread for that, and no look at the parent's number.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import threading
from multiprocessing.connection import Connection

_F_SETSIG = 10


class Lifeline:
    """A pipe whose writing end only the owner has, and the kernel closes at its end."""

    _writers: set[int] = set()  # noqa: RUF012
    _open = False
    #: Held across a fork: a child must know of every writing end that it inherits.
    _changing = threading.RLock()

    def __init__(self) -> None:
        with Lifeline._changing:
            reader, self.writer = os.pipe()
            self._open = True
            Lifeline._writers.add(self.writer)
        self.reader = Connection(reader, writable=False)

    def close(self) -> None:
        """Let go of both ends, once: another pipe may have their numbers afterwards."""
        with Lifeline._changing:
            if not self._open or self.writer not in Lifeline._writers:
                return
            self._open = False
            Lifeline._writers.discard(self.writer)
            os.close(self.writer)
        self.reader.close()

    def __del__(self) -> None:
        self.close()

    @classmethod
    def forking(cls) -> None:
        """Before a fork: no other thread makes or closes one."""
        cls._changing.acquire()

    @classmethod
    def forked(cls) -> None:
        """In the child of a fork: no process is ours."""
        for writer in cls._writers:
            os.close(writer)
        cls._writers.clear()
        cls._changing.release()


os.register_at_fork(
    before=Lifeline.forking,
    after_in_parent=Lifeline._changing.release,
    after_in_child=Lifeline.forked,
)


def die_with_owner(lifeline: Connection) -> None:
    """Have the kernel kill this process when the owner of its lifeline has ended."""
    try:
        # A description of our own: who is told belongs to it, and the inherited one is shared.
        own = os.open(f"/proc/self/fd/{lifeline.fileno()}", os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(own, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    except OSError:
        # A sandbox without /proc: a pool's worker notices when it has nothing to do (POOL-3).
        return
    if select.select([own], [], [], 0)[0]:
        os.kill(os.getpid(), signal.SIGKILL)
