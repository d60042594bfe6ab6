"""pumasi's locks and what processes wait at, by multiprocessing's name of the module.

It is always imported, since what is in it says so: cloudpickle takes a class whose module is not
there for one that must travel by value. So it imports nothing of the standard library's.
"""

from __future__ import annotations

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    SEM_VALUE_MAX: int


def __getattr__(name: str) -> Any:
    """Find what is not ours, and not documented, in the standard library's module."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from multiprocessing import synchronize as _standard

    return getattr(_standard, name)
