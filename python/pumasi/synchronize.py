"""pumasi's locks and what processes wait at, by multiprocessing's name of the module."""

from multiprocessing import synchronize as _standard
from multiprocessing.synchronize import SEM_VALUE_MAX  # type: ignore[attr-defined]
from typing import Any

from ._core import Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, RwLock, Semaphore

__all__ = [
    "SEM_VALUE_MAX",
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Lock",
    "RLock",
    "RwLock",
    "Semaphore",
]


def __getattr__(name: str) -> Any:
    """Find what is not ours, and not documented, in the standard library's module."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_standard, name)
