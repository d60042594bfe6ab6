"""The owner's side of a pool: batches of tasks, workers, and collecting results.

There is no thread that carries anything. Tasks are in the heap when `submit` returns; whoever
waits for a result *leads*: it collects the results of everybody, looks after the workers, and
sleeps until as many tasks are finished as it needs. Others who wait meanwhile follow, and are told.
Only what cannot do without starts the pool's one thread, the *keeper*, which leads for as long as
there is something to lead: callbacks, workers which are replaced after a number of tasks.

Locks: `leading` is held by whoever leads, `lock` for moments; no user's code runs under `lock`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import util
from multiprocessing.pool import CLOSE, RUN, TERMINATE
from typing import Any

from .. import _core
from ..exceptions import TaskTimeout, WorkerDied
from . import deaths
from .lots import Lifeline, Lot
from .results import ApplyResult, cancelled, deadline_of
from .setup import Setup
from .worker import APPLY, APPLY_ANY, STARMAP, kept, work

#: Workers of a pool at a time; a row of 64 bytes each.
MOST_WORKERS = 1000
#: Seconds between two looks at the workers, and the longest sleep of a leader.
_SLICE = 0.05
#: Seconds a terminated worker may take to end before it is killed.
_PATIENCE = 5.0
#: Tasks in the largest batch for single calls.
_LARGEST = 254


@dataclass(frozen=True)
class Options:
    """How a pool was asked to be."""

    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    max_tasks: int | None = None
    #: How often a task whose worker died is tried again.
    retries: int = 0
    #: Seconds after which a task is interrupted.
    soft_timeout: float | None = None
    #: Seconds after which a task's worker is killed.
    timeout: float | None = None


class Engine:
    """What a pool works with; it does not refer to the pool, so that a forgotten pool ends."""

    def __init__(
        self, ctx: Any, new_process: Callable[..., Any], processes: int, options: Options
    ) -> None:
        self.ctx = ctx
        self.new_process = new_process
        self.processes = processes
        self.options = options
        self.pid = os.getpid()
        self.state = RUN
        self.cache: dict[int, Any] = {}
        self.pool: list[Any] = []
        self.numbers: dict[Any, int] = {}
        self.lots: list[Lot] = []
        self.lock = threading.RLock()
        self.leading = threading.RLock()
        self.changed = threading.Condition()
        self.followers = 0
        self.keeper: threading.Thread | None = None
        self.keeping = False
        self.inputs: list[Any] = []
        self.lifeline = Lifeline()
        self.board = _core.Board(MOST_WORKERS + 24)
        self._next_lot = 0
        self._next_worker = 0
        self._looked = 0.0
        self._failed_starts = 0
        self._memory = deaths.MemoryWatch()
        self._draining = False

    # ---- workers ---------------------------------------------------------------------------

    def repopulate(self) -> None:
        """Start as many workers as are missing."""
        with self.lock:
            while len(self.pool) < self.processes:
                self._start_worker()

    def _start_worker(self) -> None:
        taken = {number % self.board.rows for number in self.numbers.values()}
        while self._next_worker % self.board.rows in taken:
            self._next_worker += 1
        number = self._next_worker
        self._next_worker = (number + 1) & 0x7FFFFFFF
        self.board.reset(number)
        options = self.options
        worker = self.new_process(
            self.ctx,
            target=work,
            args=(
                self.board,
                number,
                self.lifeline.reader,
                options.initializer,
                options.initargs,
                options.max_tasks,
                Setup(options.soft_timeout),
            ),
        )
        worker.name = worker.name.replace("Process", "PoolWorker")
        worker.daemon = True
        worker.start()
        self.pool.append(worker)
        self.numbers[worker] = number
        util.debug("added worker")

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
            deaths.bury(worker)
            if self.board.look(number)[0] == 0:
                self._failed_starts += 1
            else:
                self._failed_starts = 0
            if exitcode != 0:
                # What it had of the heap comes back now, rather than when somebody misses it.
                _core.heap.recover()
            self._bury(worker.pid, number, exitcode, peak, completed)
        if ended and self.state != TERMINATE and not self._draining:
            if self._failed_starts > 2 * max(self.processes, 2):
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
            again = self.new_lot(1, lot.mode, lot.function)
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
        limit = self.options.timeout
        if limit is None:
            return
        now = self.board.now
        for worker, number in list(self.numbers.items()):
            _, task, since, *_ = self.board.look(number)
            if task == 0 or (now - since) / 1e9 < limit:
                continue
            place, index = divmod(task - 1, 1 << 32)
            # First, so that it takes no other task between this and its end.
            self.board.dismiss(number)
            for lot in self.lots:
                if lot.number == place and lot.raw.give_up(index, number):
                    lot.outstanding -= 1
                    result = lot.result_of(index)
                    what = result._describe(lot.base + index)
                    error = TaskTimeout(f"{what} took longer than {limit} s")
                    if result._fail(lot.base + index, error):
                        completed.append(result)
                    worker.kill()
        self._retire()

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

    # ---- tasks -----------------------------------------------------------------------------

    def new_lot(self, capacity: int, mode: int, function: Any) -> Lot:
        """Make a batch which workers find from now on; called with the lock."""
        lot = Lot(self._next_lot, capacity, mode, function)
        if self.lots and self.lots[-1].key is not None:
            # Single calls after this go into a batch behind it.
            self.lots[-1].open = False
            self._retire()
        self._next_lot = (self._next_lot + 1) & 0x7FFFFFFF
        self.board.publish(lot.raw)
        self.lots.append(lot)
        return lot

    def submit(self, result: ApplyResult, function: Any, args: Any, kwds: Any) -> None:
        """Add a single call; what cannot be pickled becomes its result."""
        completed: list[Any] = []
        with self.lock:
            try:
                self._add_call(result, function, args, kwds)
            except Exception as error:
                result._fail(0, error)
                completed.append(result)
        self._complete(completed)

    def _add_call(self, result: ApplyResult, function: Any, args: Any, kwds: Any) -> None:
        mode = APPLY if kwds else STARMAP
        task: Any = (tuple(args), kwds) if kwds else tuple(args)
        if not kept(function):
            mode, task, function = APPLY_ANY, (function, tuple(args), kwds), None
        key = (mode, function)
        lot = self.lots[-1] if self.lots else None
        if lot is None or lot.key != key or not lot.open:
            larger = 2 * lot.raw.capacity + 2 if lot is not None and lot.key == key else 6
            lot = self.new_lot(min(larger, _LARGEST), mode, function)
            lot.key = key
        lot.raw.add([task])
        if self.options.retries:
            lot.tasks.append(task)
        result._where = (lot, len(lot.results))
        lot.results.append(result)
        lot.outstanding += 1
        lot.open = len(lot.results) < lot.raw.capacity
        self.board.ring(1)

    def _retire(self) -> None:
        """Take out the batches that are done."""
        for place in range(len(self.lots) - 1, -1, -1):
            lot = self.lots[place]
            if lot.outstanding <= 0 and not lot.open:
                del self.lots[place]
                self.board.retire(place)

    def drop(self, result: Any) -> None:
        """Forget about a map whose caller was interrupted."""
        self.cancel(result)
        completed: list[Any] = []
        with self.lock:
            for lot in result._lots:
                lot.open = False
            result._number_left = sum(lot.outstanding for lot in result._lots)
            if result._number_left <= 0 and not result._done:
                result._abandon(cancelled("the map was interrupted"))
                completed.append(result)
            self._retire()
        self._complete(completed)

    def cancel(self, result: Any) -> bool:
        """Leave out what has not begun of a result."""
        completed: list[Any] = []
        done = False
        with self.lock:
            where = getattr(result, "_lots", None)
            tasks = [(lot, range(lot.raw.count)) for lot in where or ()]
            if result._where is not None:
                lot, index = result._where
                tasks.append((lot, range(index, index + 1)))
            for lot, indices in tasks:
                for index in indices:
                    if lot.raw.cancel(index):
                        done = True
                        lot.outstanding -= 1
                        what = result._describe(lot.base + index)
                        if result._fail(lot.base + index, cancelled(f"{what} was cancelled")):
                            completed.append(result)
            self._retire()
        self._complete(completed)
        return done

    # ---- collecting ------------------------------------------------------------------------

    def _collect(self, completed: list[Any]) -> bool:
        found = False
        for lot in self.lots:
            if lot.outstanding:
                count, others = lot.raw.collect(lot.values)
                if count:
                    found = True
                    lot.deliver(count, others, completed)
        if completed:
            self._retire()
        return found

    def step(self) -> None:
        """Collect what there is, and look after the workers now and then; by who leads."""
        completed: list[Any] = []
        with self.lock:
            found = self._collect(completed)
            now = time.monotonic()
            if now - self._looked >= _SLICE * 0.8:
                self._looked = now
                self._stop_the_late(completed)
                self._reap(completed)
                found = found or bool(completed)
        self._complete(completed)
        if found and self.followers:
            with self.changed:
                self.changed.notify_all()

    def _complete(self, completed: list[Any]) -> None:
        for result in completed:
            result._complete()
        if completed:
            with self.changed:
                self.changed.notify_all()

    def poll(self) -> None:
        """Collect what there is, unless somebody else leads."""
        if self.pid == os.getpid() and self.leading.acquire(blocking=False):
            try:
                self.step()
            finally:
                self.leading.release()

    def wait_for(self, result: Any, timeout: float | None) -> None:
        """Wait until a result has something to show, or for `timeout` seconds."""
        if self.pid != os.getpid():
            raise RuntimeError("a pool and its results belong to the process that made the pool")
        deadline = deadline_of(timeout)
        while not result._shows():
            if self.leading.acquire(blocking=False):
                try:
                    self._lead(result, deadline)
                finally:
                    self.leading.release()
                    with self.changed:
                        self.changed.notify_all()
            else:
                self._follow(result, deadline)
            if deadline is not None and time.monotonic() >= deadline:
                return

    def _lead(self, result: Any, deadline: float | None) -> None:
        while True:
            seen = self.board.done
            self.step()
            if result._shows():
                return
            left = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
            if left <= 0:
                return
            missing = 1 if self.followers or self.inputs else result._missing()
            self.board.wait(seen + missing, left)

    def _follow(self, result: Any, deadline: float | None) -> None:
        with self.changed:
            self.followers += 1
            try:
                self.board.disturb()
                if not result._shows():
                    left = _SLICE if deadline is None else deadline - time.monotonic()
                    self.changed.wait(max(0.0, min(_SLICE, left)))
            finally:
                self.followers -= 1

    # ---- the keeper ------------------------------------------------------------------------

    def keep(self) -> None:
        """See to it that somebody leads while there is anything to lead."""
        with self.lock:
            if self.keeping:
                return
            self.keeping = True
            self.keeper = threading.Thread(
                target=self._keep, name="pumasi-pool-keeper", daemon=True
            )
            self.keeper.start()

    def _keep(self) -> None:
        while True:
            with self.leading:
                while self.cache and self.state != TERMINATE:
                    seen = self.board.done
                    self.step()
                    if self.cache:
                        self.board.wait(seen + 1, _SLICE)
            with self.lock:
                if self.cache and self.state != TERMINATE:
                    continue
                self.keeping = False
                return

    def topped_up(self, result: Any) -> None:
        """Take note that a result of an imap was taken: there may be room for more tasks."""
        if result.feed is not None:
            result.feed.more()

    # ---- the end ---------------------------------------------------------------------------

    def idle(self) -> None:
        """If the pool is closed and everything is done, let the workers go."""
        if self.state == CLOSE and not self.cache:
            self._draining = True
            self.board.drain()

    def close(self) -> None:
        """Take no more tasks; workers end when what there is is done."""
        with self.lock:
            if self.state == RUN:
                self.state = CLOSE
                for feed in list(self.inputs):
                    feed.unbind()
        self.idle()

    def join(self) -> None:
        """Wait until a closed pool has done everything and its workers have ended."""
        while self.cache and self.state == CLOSE:
            [result, *_] = list(self.cache.values()) or [None]
            if result is not None:
                self.wait_for(_Emptied(self.cache, result._job), None)
        self.idle()
        for worker in list(self.pool):
            deaths.bury(worker)
        if self.keeper is not None and self.keeper is not threading.current_thread():
            self.keeper.join()
        self.lifeline.close()

    def terminate(self) -> None:
        """End the workers at once; what has no result yet gets none."""
        if self.pid != os.getpid():
            return
        util.debug("terminating pool")
        self.state = TERMINATE
        for feed in list(self.inputs):
            feed.unbind()
        self.board.stop()
        self.board.disturb()
        with self.lock:
            for worker in self.pool:
                if worker.exitcode is None:
                    worker.terminate()
            deadline = time.monotonic() + _PATIENCE
            for worker in self.pool:
                worker.join(max(0.0, deadline - time.monotonic()))
                if worker.exitcode is None:
                    worker.kill()
                deaths.bury(worker)
            self._abandon()
            self.lifeline.close()
        if self.keeper is not None and self.keeper is not threading.current_thread():
            self.keeper.join()

    def undo(self) -> None:
        """End the workers of a pool that could not start them all.

        Nothing is asked of a worker but what multiprocessing's pool asks of it then: it may be of
        a class of the user's.
        """
        self.state = TERMINATE
        self.board.stop()
        self.board.disturb()
        for worker in self.pool:
            if worker.exitcode is None:
                worker.terminate()
        for worker in self.pool:
            deaths.bury(worker)
        self.lifeline.close()

    def _abandon(self) -> None:
        """Settle every task, so that nobody waits for what will not come."""
        completed: list[Any] = []
        self._collect(completed)
        self.lots.clear()
        for result in list(self.cache.values()):
            if result not in completed and hasattr(result, "_abandon"):
                result._abandon(cancelled("the pool was terminated"))
                completed.append(result)
        for result in completed:
            result._callback = result._error_callback = None
        self._complete(completed)


class _Emptied:
    """Shows when a job has left the cache."""

    def __init__(self, cache: dict[int, Any], job: int) -> None:
        self._cache = cache
        self._job = job

    def _shows(self) -> bool:
        return self._job not in self._cache

    def _missing(self) -> int:
        return 1
