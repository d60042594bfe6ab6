"""Locks, semaphores and events by the module name which multiprocessing gives them.

`Lock`, `RLock`, `Semaphore`, `BoundedSemaphore` and `Event` are pumasi's, `Condition` and `Barrier`
the standard library's.
"""

from multiprocessing import synchronize as _standard
from multiprocessing.synchronize import (  # type: ignore[attr-defined]
    SEM_VALUE_MAX,
    Barrier,
    Condition,
)
from typing import Any

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


def __getattr__(name: str) -> Any:
    """Find what is not ours, and not documented, in the standard library's module."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_standard, name)
