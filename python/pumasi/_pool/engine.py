"""The owner's side of a pool: batches of tasks, and collecting results.

There is no thread that carries anything. Tasks are in the heap when `submit` returns, unless they
wait for room there (`later`); whoever waits for a result *leads*: it collects the results of
everybody, looks after the workers, and sleeps until as many tasks are finished as it needs. Others
who wait meanwhile follow, and are told. Only what cannot do without starts the pool's one thread,
the *keeper*, which leads for as long as there is something to lead: callbacks, limits of time,
workers which are replaced after a number of tasks, tasks which wait for room.

Locks: `leading` is held by whoever leads, `lock` for moments; of the user's code only pickling runs
under `lock`.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing import util
from multiprocessing.pool import CLOSE, RUN, TERMINATE
from typing import Any

from . import deaths
from .interrupts import hold, let_go, waits
from .later import Later
from .lots import Lot
from .results import ApplyResult, cancelled, deadline_of
from .worker import APPLY, APPLY_ANY, STARMAP, kept
from .workers import Options, Workers

#: Seconds between two looks at the workers, and the longest sleep of a leader.
_SLICE = 0.05
#: Seconds a terminated worker may take to end before it is killed.
_PATIENCE = 5.0
#: Tasks in the largest batch for single calls.
_LARGEST = 254


class Engine(Workers):
    """What a pool works with; it does not refer to the pool, so that a forgotten pool ends."""

    def __init__(
        self, ctx: Any, new_process: Callable[..., Any], processes: int, options: Options
    ) -> None:
        super().__init__(ctx, new_process, processes, options)
        self.pid = os.getpid()
        self.leading = threading.RLock()
        self.changed = threading.Condition()
        self.followers = 0
        self.keeper: threading.Thread | None = None
        self.keeping = False
        self.inputs: list[Any] = []
        #: Results which are there and still to be told of.
        self.finished: deque[Any] = deque()
        self.later = Later(self.lots)
        self._next_lot = 0
        self._looked = 0.0

    # ---- tasks -----------------------------------------------------------------------------

    def new_lot(self, capacity: int, mode: int, function: Any, timeout: float | None = None) -> Lot:
        """Make a batch which workers find from now on; called with the lock."""
        lot = Lot(self._next_lot, capacity, mode, function)
        lot.timeout = self.options.timeout if timeout is None else timeout
        if self.lots and self.lots[-1].key is not None:
            # Single calls after this go into a batch behind it.
            self.lots[-1].open = False
            self._retire()
        self._next_lot = (self._next_lot + 1) & 0x7FFFFFFF
        self.board.publish(lot.raw)
        self.lots.append(lot)
        return lot

    def check_owner(self) -> None:
        """Refuse to work for a child of a fork: tasks and workers are its parent's."""
        if self.pid != os.getpid():
            raise RuntimeError(
                "a pool and its results belong to the process that made the pool; "
                "make another one here"
            )

    def submit(self, result: ApplyResult, function: Any, args: Any, kwds: Any) -> bool:
        """Add a single call; if it cannot be pickled that is its result, and False is returned.

        Called with `hold`.
        """
        completed: list[Any] = []
        with self.lock:
            if self.later.crowded():
                self._call_later(result, function, args, kwds)
            else:
                self._try_to_add(result, function, args, kwds, completed)
        if completed:
            self._complete(completed)
        return not completed

    def _try_to_add(
        self, result: ApplyResult, function: Any, args: Any, kwds: Any, completed: list[Any]
    ) -> None:
        try:
            self._add_call(result, function, args, kwds)
        except Exception as error:
            result._fail(0, error)
            completed.append(result)

    def _call_later(self, result: ApplyResult, function: Any, args: Any, kwds: Any) -> None:
        def add(completed: list[Any]) -> bool:
            self._try_to_add(result, function, args, kwds, completed)
            return True

        self.later.wait(result, add)
        self.keep()

    def _add_call(self, result: ApplyResult, function: Any, args: Any, kwds: Any) -> None:
        mode = APPLY if kwds else STARMAP
        task: Any = (tuple(args), kwds) if kwds else tuple(args)
        if not kept(function):
            mode, task, function = APPLY_ANY, (function, tuple(args), kwds), None
        key = (mode, function, result._limits)
        lot = self.lots[-1] if self.lots else None
        if lot is None or lot.key != key or not lot.open:
            larger = 2 * lot.raw.capacity + 2 if lot is not None and lot.key == key else 6
            mode, function = result._limits.applied(mode, function)
            lot = self.new_lot(min(larger, _LARGEST), mode, function, result._limits.timeout)
            lot.key = key
        size = lot.raw.add([task])
        lot.size += size
        self.later.sent(size)
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
        completed: list[Any] = []
        held = hold()
        try:
            self.cancel(result)
            with self.lock:
                for lot in result._lots:
                    lot.open = False
                result._number_left = sum(lot.outstanding for lot in result._lots)
                if result._number_left <= 0 and not result._done:
                    result._abandon(cancelled("the map was interrupted"))
                    completed.append(result)
                self._retire()
            self._complete(completed)
        finally:
            let_go(held)

    def cancel(self, result: Any) -> bool:
        """Leave out what has not begun of a result."""
        self.check_owner()
        held = hold()
        try:
            return self._cancel(result)
        finally:
            let_go(held)

    def _cancel(self, result: Any) -> bool:
        completed: list[Any] = []
        done = False
        with self.lock:
            if self.later.drop(result):
                done = True
                if result._leave_out(cancelled(f"{result._describe(0)} was cancelled")):
                    completed.append(result)
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

    def waiting(self) -> int:
        """How many tasks wait to be added."""
        return self.later.tasks()

    # ---- collecting ------------------------------------------------------------------------

    def _collect(self, completed: list[Any]) -> bool:
        found = done = False
        for lot in self.lots:
            if lot.outstanding:
                count, others = lot.raw.collect(lot.values)
                if count:
                    found = True
                    lot.deliver(count, others, completed)
                    done = done or lot.outstanding <= 0
        if done or completed:
            # Whoever looks for tasks or results looks at every batch.
            self._retire()
        return found

    def step(self) -> None:
        """Collect what there is, and look after the workers now and then; by who leads.

        Called with `hold`.
        """
        completed: list[Any] = []
        with self.lock:
            found = self._collect(completed)
            now = time.monotonic()
            if now - self._looked >= _SLICE * 0.8:
                self._looked = now
                self._stop_the_late(completed)
                self._reap(completed)
                found = found or bool(completed)
            self.later.go_on(completed)
        self._complete(completed)
        if found and self.followers:
            with self.changed:
                self.changed.notify_all()

    def _complete(self, completed: list[Any]) -> None:
        # A callback may wait for the others here, and then it is that wait which tells of them.
        self.finished.extend(completed)
        while self.finished:
            try:
                result = self.finished.popleft()
            except IndexError:
                # Another thread was faster.
                break
            result._complete()
        if completed:
            with self.changed:
                self.changed.notify_all()

    def poll(self) -> None:
        """Collect what there is, unless somebody else leads."""
        held = hold()
        try:
            if self.pid == os.getpid() and self.leading.acquire(blocking=False):
                try:
                    self.step()
                finally:
                    self.leading.release()
        finally:
            let_go(held)

    def wait_for(self, result: Any, timeout: float | None) -> None:
        """Wait until a result has something to show, or for `timeout` seconds."""
        self.check_owner()
        deadline = deadline_of(timeout)
        held = hold()
        try:
            while not result._shows() and not waits(held):
                if self.leading.acquire(blocking=False):
                    try:
                        self._lead(result, deadline, held)
                    finally:
                        self.leading.release()
                        with self.changed:
                            self.changed.notify_all()
                else:
                    self._follow(result, deadline)
                if deadline is not None and time.monotonic() >= deadline:
                    return
        finally:
            let_go(held)

    def _lead(self, result: Any, deadline: float | None, held: bool) -> None:
        while not waits(held):
            seen = self.board.done
            self.step()
            if result._shows():
                return
            left = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
            if left <= 0:
                return
            missing = 1 if self.followers or self.inputs or self.later else result._missing()
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
            # Not for as long as it takes: a callback in the thread that leads may end the pool, and
            # wait for this one.
            if self.leading.acquire(timeout=_SLICE):
                try:
                    while self.cache and self.state != TERMINATE:
                        seen = self.board.done
                        self.step()
                        if self.cache:
                            self.board.wait(seen + 1, _SLICE)
                finally:
                    self.leading.release()
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
        held = hold()
        try:
            self._close()
        finally:
            let_go(held)

    def _close(self) -> None:
        if self.pid != os.getpid():
            # Its workers go on: they are the parent's.
            self.state = CLOSE
            return
        with self.lock:
            if self.state == RUN:
                self.state = CLOSE
                for feed in list(self.inputs):
                    feed.unbind()
        self.idle()

    def join(self) -> None:
        """Wait until a closed pool has done everything and its workers have ended."""
        if any(
            getattr(result, "_teller", 0) == threading.get_ident()
            for result in [*self.cache.values()]
        ):
            raise RuntimeError("cannot join a pool from a callback of its own")
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
        self.later.clear()
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
