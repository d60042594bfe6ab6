"""The workers of a pool, as its owner looks after them: starting, replacing, ending them.

`Workers` is the half of the engine that knows processes; what it needs of the other half, which
knows tasks, is named at its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import util
from multiprocessing.pool import RUN, TERMINATE
from typing import Any

from .. import _core, _sending
from .._lifeline import Lifeline
from ..exceptions import TaskTimeout, WorkerDied
from . import deaths
from .cpus import available_cpus
from .interrupts import hold, let_go
from .lots import Lot
from .notes import Notes
from .results import revive
from .setup import Setup
from .threads import loaded
from .worker import work

#: Workers of a pool at a time; a row of 64 bytes each.
MOST_WORKERS = 1000


@dataclass(frozen=True)
class Options:
    """How a pool was asked to be."""

    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    max_tasks: int | None = None
    #: Whether this is the pool of an executor.
    tells_all: bool = False
    #: Whether a worker is started only when those which there are have enough to do.
    on_demand: bool = False
    #: How often a task whose worker died is tried again.
    retries: int = 0
    #: Seconds after which a task is interrupted.
    soft_timeout: float | None = None
    #: Seconds after which a task's worker is killed.
    timeout: float | None = None
    #: Bytes that the tasks of a worker may have, beyond what it begins with.
    memory_limit: int | None = None
    #: Threads for the numeric libraries in each worker; None shares the CPUs among the workers.
    threads: int | None = None
    #: Whether the slowest tasks are noted.
    insights: bool = False
    #: What a worker calls at its end.
    worker_exit: Callable[[], Any] | None = None


class Workers:
    """Starts the workers of a pool, and others in the place of those which have ended."""

    def __init__(
        self, ctx: Any, new_process: Callable[..., Any], processes: int, options: Options
    ) -> None:
        self.ctx = ctx
        self.new_process = new_process
        self.processes = processes
        self.options = options
        self.state = RUN
        self.cache: dict[int, Any] = {}
        self.pool: list[Any] = []
        self.numbers: dict[Any, int] = {}
        self.ids: dict[Any, int] = {}
        self.lots: list[Lot] = []
        self.lock = threading.RLock()
        self.lifeline = Lifeline()
        self.board = _core.Board(MOST_WORKERS + 24)
        self.notes = Notes(options.insights)
        self.exits = None if options.worker_exit is None else _core.SharedQueue()
        self._exit_results: list[tuple[bool, Any]] = []
        self._next_worker = 0
        self._failed_starts = 0
        self._memory = deaths.MemoryWatch()
        self._draining = False
        if ctx.get_start_method() != "fork":
            _sending.spawned()

    def repopulate(self, more: int = 0) -> None:
        """Start as many workers as are missing, or would be with so many calls more."""
        with self.lock:
            while len(self.pool) < self._wanted(more):
                self._start_worker()

    def _wanted(self, more: int = 0) -> int:
        if not self.options.on_demand:
            return self.processes
        return min(self.processes, more + sum(lot.outstanding for lot in self.lots))

    def _start_worker(self) -> None:
        taken = {number % self.board.rows for number in self.numbers.values()}
        while self._next_worker % self.board.rows in taken:
            self._next_worker += 1
        number = self._next_worker
        self._next_worker = (number + 1) & 0x7FFFFFFF
        self.board.reset(number)
        options = self.options
        ids = set(self.ids.values())
        id_ = next(id_ for id_ in range(len(ids) + 1) if id_ not in ids)
        started: Any = (options.initializer, options.initargs, self._setup(id_))
        if self.ctx.get_start_method() != "fork":
            started = _sending.Carried(started)
        worker = self.new_process(
            self.ctx,
            target=work,
            args=(
                self.board,
                number,
                self.lifeline.reader,
                options.max_tasks,
                started,
            ),
        )
        worker.name = worker.name.replace("Process", "PoolWorker")
        worker.daemon = True
        # It has the pool's.
        worker._pumasi_lifeline = None
        asked = self.board.now
        worker.start()
        self.pool.append(worker)
        self.numbers[worker] = number
        self.ids[worker] = id_
        self.notes.asked[worker] = asked
        util.debug("added worker")

    @cached_property
    def _cpus(self) -> int:
        """How many there are, asked once: each worker's start would wait for the files it reads."""
        return available_cpus()

    def _setup(self, id_: int) -> Setup:
        options, threads = self.options, self.options.threads
        if threads is None and self.processes > 1:
            threads = max(1, self._cpus // self.processes)
        if threads is not None and self.ctx.get_start_method() == "fork":
            # Found here, and not by each worker.
            loaded()
        return Setup(
            id=id_,
            threads=threads,
            threads_asked=options.threads is not None,
            tells_all=options.tells_all,
            soft_timeout=options.soft_timeout,
            memory_limit=options.memory_limit,
            slowest=self.notes.slowest,
            worker_exit=options.worker_exit,
            exits=self.exits,
        )

    def _reap(self, completed: list[Any]) -> None:
        """Take note of workers which have ended, and start others in their place."""
        ended = []
        for worker in list(self.pool):
            exitcode, peak = deaths.ask(worker)
            if exitcode is not None:
                ended.append((worker, exitcode, peak))
        for worker, exitcode, peak in ended:
            number = self.numbers.pop(worker)
            self.pool.remove(worker)
            del self.ids[worker]
            deaths.bury(worker)
            row = self.board.look(number)
            self.notes.ended(worker, number, row)
            if row[0] == 0:
                self._failed_starts += 1
            else:
                self._failed_starts = 0
            if exitcode != 0:
                # What it had of the heap comes back now, rather than when somebody misses it.
                _core.heap.recover()
            self._bury(worker.pid, number, exitcode, peak, completed)
        if ended and self.state != TERMINATE and not self._draining:
            if self._failed_starts > 2 * max(self._wanted(), 2):
                self._give_up(completed)
            elif self.cache or self.state == RUN:
                self.repopulate()

    def _bury(
        self, pid: int, number: int, exitcode: int, peak: int | None, completed: list[Any]
    ) -> None:
        out_of_memory = exitcode == -9 and self._memory.likely(peak)
        for lot in list(self.lots):
            for index in lot.raw.orphaned(number):
                lot.outstanding -= 1
                result = lot.result_of(index)
                if self._try_again(lot, index, result):
                    continue
                what = result._describe(lot.base + index)
                error = WorkerDied(what, pid, exitcode, peak, out_of_memory)
                if result._fail(lot.base + index, error):
                    completed.append(result)
        self._collect(completed)

    def _try_again(self, lot: Lot, index: int, result: Any) -> bool:
        """Add a task whose worker died anew, if it may be tried again."""
        if lot.tries >= self.options.retries or self.state == TERMINATE:
            return False
        task = lot.tasks[index]
        try:
            again = self.new_lot(1, lot.mode, lot.function, lot.timeout)
            again.open = False
            again.raw.add([task])
        except Exception:
            # For want of memory, say; the death is what the caller should hear of.
            return False
        again.tries = lot.tries + 1
        again.tasks.append(task)
        again.base, again.result = lot.base + index, result
        if lot.result is None:
            # A single call counts from 0 in its own result, and is cancelled by its place.
            again.base = 0
        if result._where is not None:
            result._where = (again, 0)
        elif hasattr(result, "_lots"):
            result._lots.append(again)
        again.outstanding = 1
        self.board.ring(1)
        return True

    def _stop_the_late(self, completed: list[Any]) -> None:
        """Kill the workers whose task takes too long, and fail those tasks."""
        limits = {lot.number: lot for lot in self.lots if lot.timeout is not None}
        if not limits:
            return
        now = self.board.now
        for worker, number in list(self.numbers.items()):
            _, task, since, *_ = self.board.look(number)
            if task == 0:
                continue
            place, index = divmod(task - 1, 1 << 32)
            lot = limits.get(place)
            if lot is None or lot.timeout is None or (now - since) / 1e9 < lot.timeout:
                continue
            # First, so that it takes no other task between this and its end.
            self.board.dismiss(number)
            if lot.raw.give_up(index, number):
                lot.outstanding -= 1
                result = lot.result_of(index)
                what = result._describe(lot.base + index)
                error = TaskTimeout(f"{what} took longer than {lot.timeout} s")
                if result._fail(lot.base + index, error):
                    completed.append(result)
                worker.kill()
        self._retire()

    def resize(self, processes: int) -> None:
        """Have another number of workers; those which are too many end after their task."""
        held = hold()
        try:
            with self.lock:
                self.processes = processes
                for worker in self.pool[processes:]:
                    self.board.dismiss(self.numbers[worker])
                self.repopulate()
        finally:
            let_go(held)

    def insights(self) -> dict[str, Any]:
        """Return what is known of the workers there are and were."""
        self.poll()
        with self.lock:
            found = self.notes.report(self.board, self.numbers, self.ids)
            found["outstanding"] = sum(lot.outstanding for lot in self.lots) + self.waiting()
            return found

    def under_way(self, lot: Lot, index: int) -> bool:
        """Whether a worker is at a task."""
        task = (lot.number << 32 | index) + 1
        with self.lock:
            return any(self.board.look(number)[1] == task for number in self.numbers.values())

    def exit_results(self) -> list[Any]:
        """Return what workers have given at their end, or raise what one has raised."""
        if self.exits is None:
            return []
        with self.lock:
            while found := self.exits.get_many(1000, False):
                self._exit_results += found
            for ok, value in self._exit_results:
                if not ok:
                    raise revive(ok, value)
            return [value for _, value in self._exit_results]

    def _give_up(self, completed: list[Any]) -> None:
        """Fail everything: no worker comes up."""
        self._failed_starts = 0
        for lot in list(self.lots):
            for index in range(lot.raw.count):
                if lot.raw.cancel(index):
                    lot.outstanding -= 1
                    result = lot.result_of(index)
                    error = WorkerDied(
                        f"nothing yet: the pool's workers end while they start, so that "
                        f"{result._describe(lot.base + index)} was not begun; "
                        "their own tracebacks say why"
                    )
                    if result._fail(lot.base + index, error):
                        completed.append(result)
        self._retire()

    # ---- the other half --------------------------------------------------------------------

    def new_lot(self, capacity: int, mode: int, function: Any, timeout: float | None = None) -> Lot:
        """Make a batch which workers find from now on; called with the lock."""
        raise NotImplementedError

    def waiting(self) -> int:
        """How many tasks wait to be added."""
        raise NotImplementedError

    def poll(self) -> None:
        """Collect what there is, unless somebody else leads."""
        raise NotImplementedError

    def _collect(self, completed: list[Any]) -> bool:
        raise NotImplementedError

    def _retire(self) -> None:
        raise NotImplementedError
