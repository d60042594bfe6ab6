"""Tasks whose arguments wait in the program until there is room for them.

Who submits a thousand calls with the same large array means to send it a thousand times, and not to
have a thousand copies at a time. So what is under way takes no more than a part of the heap, and
the rest is pickled when others are done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core

if TYPE_CHECKING:
    from .lots import Lot

#: The arguments under way take at most one part in so many of what the heap may take: workers need
#: room for their results.
_PART = 4

#: Adds what there is room for, to the list of results that are complete by that; whether that was
#: all of it.
Add = Callable[[list[Any]], bool]


class Later:
    """What waits for room; used under the engine's lock."""

    def __init__(self, lots: list[Lot]) -> None:
        self._lots = lots
        self._waiting: deque[tuple[Any, Add]] = deque()
        #: At least as many bytes as are under way.
        self._bytes = 0
        self._most = _core.heap.limit // _PART

    def __len__(self) -> int:
        return len(self._waiting)

    def tasks(self) -> int:
        """How many tasks these are."""
        return sum(getattr(result, "_unsent", 1) for result, _ in self._waiting)

    def sent(self, size: int) -> None:
        """Note that so many bytes more are under way."""
        self._bytes += size

    def crowded(self) -> bool:
        """Whether what comes now waits."""
        return bool(self._waiting) or (self._bytes > self._most and self.full())

    def full(self) -> bool:
        """Whether what is under way is enough."""
        if self._bytes <= self._most:
            return False
        self._bytes = sum(lot.size * lot.outstanding // max(lot.raw.count, 1) for lot in self._lots)
        self._most = _core.heap.limit // _PART
        return self._bytes > self._most

    def wait(self, result: Any, add: Add) -> None:
        """Have this added when there is room, after what waits already."""
        self._waiting.append((result, add))

    def drop(self, result: Any) -> bool:
        """Leave out what waits for a result; whether anything did."""
        for place, entry in enumerate(self._waiting):
            if entry[0] is result:
                del self._waiting[place]
                return True
        return False

    def go_on(self, completed: list[Any]) -> None:
        """Add what there is room for by now."""
        while self._waiting and not self.full():
            if self._waiting[0][1](completed):
                self._waiting.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
