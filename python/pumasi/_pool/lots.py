"""What the owner of a pool keeps of a batch."""

from __future__ import annotations

from typing import Any

from .. import _core
from .worker import KEEP_FUNCTION, kept


class Lot:
    """A batch as its owner keeps it: which results its tasks are for."""

    __slots__ = (
        "base",
        "function",
        "key",
        "mode",
        "number",
        "open",
        "outstanding",
        "raw",
        "result",
        "results",
        "size",
        "tasks",
        "timeout",
        "tries",
        "values",
    )

    def __init__(self, number: int, capacity: int, mode: int, function: Any) -> None:
        if kept(function):
            mode |= KEEP_FUNCTION
        self.number = number
        self.mode = mode
        self.function = function
        #: Seconds after which the worker of a task is killed.
        self.timeout: float | None = None
        #: Where tasks may be tried again: their arguments, and how often they were tried before.
        self.tasks: list[Any] = []
        self.tries = 0
        self.raw = _core.Batch(capacity, number, mode, function)
        #: How many bytes the arguments of all its tasks take.
        self.size = 0
        self.outstanding = 0
        #: Whether more tasks may be added.
        self.open = True
        #: The result that all tasks are for, and the number of the first one in it.
        self.result: Any = None
        self.base = 0
        #: Of single calls: the result of each until it is told, and what they have in common.
        self.results: list[Any] = []
        self.key: Any = None
        #: Where results may go straight away, by the number of their task.
        self.values: list[Any] | None = None

    def result_of(self, index: int) -> Any:
        """Return the result that a task is for."""
        return self.results[index] if self.result is None else self.result

    def deliver(self, count: int, others: list[Any], completed: list[Any]) -> None:
        """Hand what was collected to the results."""
        self.outstanding -= count
        if self.result is not None:
            if self.result._deliver(self, count, others):
                completed.append(self.result)
            return
        for item in others:
            result = self.results[item[0]]
            # What was told is the caller's alone, its value and what its callback refers to.
            self.results[item[0]] = None
            result._deliver(self, 1, [item])
            completed.append(result)
