"""How the input of a map or an imap becomes tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from .engine import Engine
from .interrupts import hold, let_go, waits
from .lots import Lot
from .results import IMapIterator, MapResult

#: A map which waits anyway lets its arguments take about so many bytes at a time, so that their
#: memory is used again and again.
_IN_FLIGHT = 16 << 20
#: Most tasks that are added at a time.
_GROUP = 512
#: How many tasks an imap is ahead of what was taken, for each worker.
_AHEAD = 32


class _Below:
    """Shows when no more than so many tasks of a batch are outstanding."""

    def __init__(self, lots: list[Lot], most: int) -> None:
        self._lots = lots
        self._most = most

    def _shows(self) -> bool:
        return self._missing() <= 0

    def _missing(self) -> int:
        return sum(lot.outstanding for lot in self._lots) - self._most


class _Filler:
    """Adds tasks of one function for one result, in batches."""

    def __init__(self, engine: Engine, result: Any, mode: int, function: Any) -> None:
        self._engine = engine
        self._result = result
        self._mode, self._function = result._limits.applied(mode, function)
        self.lot: Lot | None = None
        self.added = 0
        #: About how many bytes an argument takes.
        self.each = 0

    def add(self, group: list[Any], room: int, values: list[Any] | None = None) -> None:
        """Add a group; `room` tasks are still to come, this group included."""
        completed: list[Any] = []
        held = hold()
        try:
            with self._engine.lock:
                self._add(group, room, values, completed)
            self._engine._complete(completed)
            self._engine.board.ring(len(group))
        finally:
            let_go(held)

    def _add(
        self, group: list[Any], room: int, values: list[Any] | None, completed: list[Any]
    ) -> None:
        try:
            lot = self.lot
            if lot is None:
                limit = self._result._limits.timeout
                lot = self.lot = self._engine.new_lot(room, self._mode, self._function, limit)
                lot.result, lot.base = self._result, self.added
                lot.values = values if lot.base == 0 else None
                lots = getattr(self._result, "_lots", None)
                if lots is not None:
                    lots.append(lot)
            group = group[: lot.raw.capacity - lot.raw.count]
            size = lot.raw.add(group)
            if self._engine.options.retries:
                lot.tasks.extend(group)
        except Exception as error:
            if len(group) > 1:
                for item in group:
                    self._add([item], room, values, completed)
                    room -= 1
                return
            self.close()
            self.added += 1
            if self._result._fail(self.added - 1, error):
                completed.append(self._result)
            return
        lot.size += size
        self._engine.later.sent(size)
        self.each = size // len(group)
        self.added += len(group)
        lot.outstanding += len(group)
        if lot.raw.count >= lot.raw.capacity:
            self.close()

    def close(self) -> None:
        """Have what follows go into another batch."""
        if self.lot is not None:
            self.lot.open = False
            self.lot = None


def fill_map(
    engine: Engine,
    result: MapResult,
    mode: int,
    function: Any,
    items: Sequence[Any],
    waiting: bool,
    look: Callable[[], None] | None = None,
) -> None:
    """Add the tasks of a map; if its caller waits for it anyway, not all at a time.

    `look` is called now and then.
    """
    filler = _MapFiller(engine, result, mode, function, items)
    while not filler.ended:
        with engine.lock:
            if not waiting and engine.later.crowded():
                result._unsent = filler.total - filler.added
                engine.later.wait(result, filler.add_rest)
                engine.keep()
                return
        filler.add(filler.group(), filler.left, filler.values)
        if look is not None:
            look()
        most = max(_IN_FLIGHT // max(filler.each, 1), 2 * engine.processes)
        if waiting and sum(lot.outstanding for lot in result._lots) > most:
            engine.wait_for(_Below(result._lots, max(most // 2, engine.processes)), None)
    with engine.lock:
        filler.close()
        engine._retire()


class _MapFiller(_Filler):
    """Adds the tasks of a map, group by group."""

    def __init__(
        self, engine: Engine, result: MapResult, mode: int, function: Any, items: Sequence[Any]
    ) -> None:
        super().__init__(engine, result, mode, function)
        self._items = items
        self._size = result._chunksize
        self.total = -(-len(items) // self._size)
        self.values = result._value if self._size == 1 else None
        self._first = 0
        self._group = max(engine.processes, 1)
        #: How many tasks are still to come, the last group included.
        self.left = self.total

    @property
    def ended(self) -> bool:
        """Whether there is no group any more."""
        return self._first >= self.total

    def group(self) -> list[Any]:
        """Return the tasks of the next group."""
        first, size = self._first, self._size
        self._group = min(self._group, max(1, _IN_FLIGHT // 4 // max(self.each, 1)))
        last = min(first + self._group, self.total)
        self.left = self.total - first
        self._first = last
        self._group = min(2 * self._group, _GROUP)
        if size == 1:
            return list(self._items[first:last])
        return [tuple(self._items[at * size : (at + 1) * size]) for at in range(first, last)]

    def add_rest(self, completed: list[Any]) -> bool:
        """Add what there is room for; whether that was all."""
        later = self._engine.later
        while not self.ended and not later.full():
            group = self.group()
            self._add(group, self.left, self.values, completed)
            self._engine.board.ring(len(group))
            self._result._unsent = self.total - self.added
        if self.ended:
            self.close()
            self._items = ()
        return self.ended


class Feed:
    """Reads the input of an imap as far ahead as there is room, and adds its tasks.

    A container's items are read by whoever takes results. Reading any other iterator may wait, and
    whoever takes results must not: a thread does that, until the input has ended.
    """

    def __init__(
        self,
        engine: Engine,
        result: IMapIterator,
        mode: int,
        function: Any,
        chunks: Iterator[Any],
        reads_at_once: bool,
    ) -> None:
        self._engine = engine
        self._result = result
        self._chunks = chunks
        self._filler = _Filler(engine, result, mode, function)
        self._ahead = _AHEAD * engine.processes
        self._bound = True
        self._ended = False
        # Not all that there may be at a time, before it is known how large they are.
        self._group = max(engine.processes, 1)
        self._filling = threading.RLock()
        self._thread: threading.Thread | None = None
        self._room = threading.Condition()
        engine.inputs.append(self)
        if reads_at_once:
            self._fill()
        else:
            self._thread = threading.Thread(
                target=self._read, name="pumasi-pool-input", daemon=True
            )
            self._thread.start()

    def _free(self) -> int:
        if self._engine.state == "TERMINATE":
            return 0
        if not self._bound:
            return _GROUP
        ahead = min(self._ahead, max(_IN_FLIGHT // max(self._filler.each, 1), 4))
        ahead = max(ahead, 2 * self._engine.processes)
        free = ahead - (self._filler.added - self._result.taken)
        return free if free * 2 >= ahead else 0

    def more(self) -> None:
        """A result was taken."""
        if self._ended:
            return
        if self._thread is None:
            self._fill()
        elif self._free():
            with self._room:
                self._room.notify()

    def unbind(self) -> None:
        """Read all that is left, however little was taken."""
        self._bound = False
        if self._thread is None:
            self._fill()
        else:
            with self._room:
                self._room.notify()

    def _fill(self) -> None:
        held = hold()
        try:
            with self._filling:
                while not self._ended and not waits(held):
                    free = self._free()
                    if free <= 0:
                        return
                    self._step(min(free, self._group, _GROUP))
                    self._group *= 2
        finally:
            let_go(held)

    def _read(self) -> None:
        while not self._ended and self._engine.state != "TERMINATE":
            with self._room:
                while not self._free() and self._engine.state != "TERMINATE":
                    self._room.wait()
            # One at a time: the next one may be long in coming.
            self._step(1)

    def _step(self, most: int) -> None:
        group: list[Any] = []
        error: BaseException | None = None
        try:
            group.extend(islice(self._chunks, most))
        except BaseException as raised:
            if self._thread is None and not isinstance(raised, Exception):
                raise
            # In the thread there is nobody else to tell but who takes the results.
            error = raised
        if group:
            if self._filler.lot is None:
                self._filler.add(group, max(len(group), self._ahead))
            else:
                left = self._filler.lot.raw.capacity - self._filler.lot.raw.count
                self._filler.add(group[:left], left)
                if group[left:]:
                    self._filler.add(group[left:], max(len(group), self._ahead))
        if error is not None or len(group) < most:
            self._end(error)
        del error

    def _end(self, error: BaseException | None) -> None:
        completed: list[Any] = []
        with self._engine.lock:
            self._ended = True
            if self in self._engine.inputs:
                self._engine.inputs.remove(self)
            length = self._filler.added
            if error is not None:
                length += 1
                self._result._fail(length - 1, error)
            self._filler.close()
            self._engine._retire()
            if self._result.end(length):
                completed.append(self._result)
        self._engine._complete(completed)
        self._engine.board.disturb()


def reads_at_once(iterable: object) -> bool:
    """Whether reading an iterable cannot wait, as far as that is known."""
    return type(iterable) in (
        list,
        tuple,
        range,
        str,
        bytes,
        bytearray,
        set,
        frozenset,
        dict,
    )


def chunked(iterable: Iterator[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Return the items in tuples of `size`."""
    return iter(lambda: tuple(islice(iterable, size)), ())
