"""What `pumasi.heap.stats()` returns."""

from typing import Any


class HeapStats(dict[str, Any]):
    """The numbers of a heap by name; shown as a table for people."""

    def __init__(self, numbers: dict[str, Any], text: str) -> None:
        super().__init__(numbers)
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[Any, ...]:
        return HeapStats, (dict(self), self._text)
