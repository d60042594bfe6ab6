"""The work in this package's own Pool: one `map` over pieces of the inputs for each pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

from .. import context
from ..exceptions import WorkerDied as OneDied
from ..pool import MaybeEncodingError, worker_id, worker_state
from .pooled import WorkerDied, forget_fork_server
from .variants import Variant
from .ways import Pass, Variety
from .work import Work
from .worker import CallFailed, Failure, Job, Meter, Spent, do


class Pools(Variety):
    """A `pumasi.Pool`, which is kept for all passes."""

    def __init__(self, work: Work, variant: Variant, flags: Any) -> None:
        super().__init__(work, variant, flags)
        self._context = context.default_context.get_context(variant.method)
        if variant.method == "forkserver":
            forget_fork_server()
        self._sent = len(ForkingPickler.dumps(work.inputs))
        self._received: int | None = None

    def open(self) -> None:
        """Start the pool, and wait until each worker has begun."""
        count = self.variant.workers
        ready, queued = self._context.Value("q", 0), self._context.RawArray("d", count)
        job = Job(self.work.function, self.work.star, 0, self.flags)
        self._pool = self._context.Pool(count, _begin, (job, queued, ready))
        try:
            ready.wait(lambda begun: begun >= count)
        except OneDied as error:
            raise WorkerDied(str(error)) from None
        self.queued = max(queued)

    def close(self) -> None:
        """End the pool."""
        self._pool.terminate()
        self._pool.join()

    def tasks(self) -> list[tuple[int, int]]:
        """Return process and thread of each worker: it works in its main thread."""
        return [(process.pid, process.pid) for process in self._pool._pool]

    def once(self, record: Pass) -> list[Spent]:
        """Do one pass."""
        inputs = self.work.inputs
        pieces = [inputs[chunk.start : chunk.stop] for chunk in self.chunks]
        own = time.thread_time()
        try:
            answers = self._pool.map(_piece, pieces, 1)
        except OneDied as error:
            raise WorkerDied(str(error)) from None
        except MaybeEncodingError as error:
            raise CallFailed(Failure("", f"a result cannot be pickled: {error.exc}", "")) from None
        # What this side of a pool does on a core is little else.
        record.serialising += time.thread_time() - own
        spent = [Spent() for _ in range(self.variant.workers)]
        for chunk, (index, results, its) in zip(self.chunks, answers, strict=True):
            if isinstance(results, Failure):
                raise CallFailed(results)
            self.results[chunk.start : chunk.stop] = results
            spent[index].add(its)
        if self._received is None:
            self._received = len(ForkingPickler.dumps(self.results))
        record.bytes_sent += self._sent
        record.bytes_received += self._received
        return spent


class _Seat:
    """A worker's own: the function, and where its time has gone."""

    def __init__(self, job: Job) -> None:
        self._call, self._flags, self._index = job.call(), job.flags, worker_id()
        self.meter = Meter()
        self._last = time.thread_time()

    def piece(self, items: Sequence[Any]) -> tuple[int, Any, Spent]:
        """Do a few calls; what was done on the core since the last ones, the pool did."""
        pool = time.thread_time() - self._last
        began = self.meter.start()
        self._flags[self._index] = 1
        results: Any = [None] * len(items)
        try:
            do(self._call, items, results, range(len(items)))
        except CallFailed as error:
            results = error.failure
        self._flags[self._index] = 0
        spent = self.meter.stop(began)
        spent.wall, spent.cpu, spent.serialising = spent.wall + pool, spent.cpu + pool, pool
        self._last = time.thread_time()
        return self._index, results, spent


def _begin(job: Job, queued: Any, ready: Any) -> None:
    seat = worker_state()["seat"] = _Seat(job)
    queued[worker_id()] = seat.meter.queued()
    ready.add(1)


def _piece(items: Sequence[Any]) -> tuple[int, Any, Spent]:
    seat: _Seat = worker_state()["seat"]
    return seat.piece(items)
