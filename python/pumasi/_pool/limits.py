"""How long the tasks of one call may take, where that differs from the pool's own limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .setup import Limited
from .worker import LIMITED


def check(name: str, seconds: float | None) -> None:
    """Refuse what is no limit."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ValueError(f"{name} must be a positive number of seconds or None")


@dataclass(frozen=True)
class Limits:
    """Seconds after which a task is ended; None leaves it to the pool."""

    #: By killing its worker.
    timeout: float | None = None
    #: By an exception in it.
    soft_timeout: float | None = None

    def applied(self, mode: int, function: Any) -> tuple[int, Any]:
        """Return the mode and the function of a batch whose tasks have these limits."""
        if self.soft_timeout is None:
            return mode, function
        return LIMITED, Limited(mode, function, self.soft_timeout)


NONE = Limits()


def limits(timeout: float | None, soft_timeout: float | None) -> Limits:
    """Return what a call was asked for."""
    if timeout is None and soft_timeout is None:
        return NONE
    check("timeout", timeout)
    check("soft_timeout", soft_timeout)
    return Limits(timeout, soft_timeout)
