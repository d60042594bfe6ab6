"""Locks, semaphores and events by the module name which multiprocessing gives them.

`Lock`, `RLock`, `Semaphore`, `BoundedSemaphore` and `Event` are pumasi's, `Condition` and `Barrier`
the standard library's.
"""

from multiprocessing.synchronize import (  # type: ignore[attr-defined]
    SEM_VALUE_MAX,
    Barrier,
    Condition,
)

from ._core import BoundedSemaphore, Event, Lock, RLock, Semaphore

__all__ = [
    "SEM_VALUE_MAX",
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
]
