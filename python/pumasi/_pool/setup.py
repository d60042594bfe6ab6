"""What a worker is told when it starts, beside where its tasks are, and what it does around them.

Each of the wrappers here takes the function that does a task (`worker.call`) and returns one in its
place; a pool that asks for nothing pays for nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..exceptions import TaskTimeout

#: Does a task: its mode, its function, its arguments.
Call = Callable[[int, Any, Any], Any]


@dataclass(frozen=True)
class Setup:
    """How a worker was asked to be."""

    #: Seconds after which a task is interrupted.
    soft_timeout: float | None = None

    def around(self, call: Call) -> Call:
        """Return what does a task as this worker was asked to."""
        if self.soft_timeout is not None:
            call = interrupted(call, self.soft_timeout)
        return call


def interrupted(call: Call, seconds: float) -> Call:
    """Have `TaskTimeout` raised in a task which takes longer than so many seconds."""
    under_way = False

    def late(signum: int, frame: object) -> None:
        if under_way:
            raise TaskTimeout(f"the task took longer than {seconds} s")

    def do(mode: int, function: Any, arguments: Any) -> Any:
        nonlocal under_way
        try:
            under_way = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return call(mode, function, arguments)
        finally:
            # The timer rings once: an exception between these lines is the last one.
            under_way = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    signal.signal(signal.SIGALRM, late)
    return do
