"""The ways to run the work inside a host: in series and on threads; and what all ways share."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from . import system
from .variants import SERIAL, Variant
from .work import Work, chunks
from .worker import CallFailed, Meter, Spent, do


@dataclass
class Pass:
    """One pass over the inputs, or the mean of several: seconds and bytes."""

    seconds: float = 0.0
    host_waited: float = 0.0
    host_cpu: float = 0.0
    process_cpu: float = 0.0
    serialising: float = 0.0
    moving: float = 0.0
    bytes_sent: int = 0
    bytes_received: int = 0
    workers: list[Spent] = field(default_factory=list)


class Variety:
    """What all variants have in common."""

    def __init__(self, work: Work, variant: Variant, flags: Any) -> None:
        self.work, self.variant, self.flags = work, variant, flags
        self.call = work.call()
        self.results: Any = [None] * len(work.inputs)
        self.chunks = chunks(len(work.inputs), variant.workers)
        self.placed_seconds = 0.0
        self.placed_bytes = 0
        self.queued = 0.0

    def open(self) -> None:
        """Start the workers and wait until they are ready."""

    def close(self) -> None:
        """End the workers."""

    def tasks(self) -> list[tuple[int, int]]:
        """Return process and thread of each worker."""
        return [(os.getpid(), threading.get_native_id())]

    def once(self, record: Pass) -> list[Spent]:
        """Do one pass; leave the results in ``results``."""
        raise NotImplementedError

    def run(self, loops: int) -> Pass:
        """Do some passes and return their mean."""
        record, queued = Pass(), system.Clock()
        totals = [Spent() for _ in range(self.variant.workers)]
        before, cpu, own = queued.waited(), time.process_time(), time.thread_time()
        began = time.perf_counter()
        for _ in range(loops):
            for total, spent in zip(totals, self.once(record), strict=True):
                total.add(spent)
        record.seconds = (time.perf_counter() - began) / loops
        record.host_cpu = (time.thread_time() - own) / loops
        record.process_cpu = (time.process_time() - cpu) / loops
        if self.variant.kind != SERIAL:
            record.host_waited = (queued.waited() - before) / loops
        queued.close()
        record.serialising /= loops
        record.moving /= loops
        record.bytes_sent //= loops
        record.bytes_received //= loops
        for total in totals:
            for name, seconds in vars(total).items():
                setattr(total, name, seconds / loops)
        record.workers = totals
        return record


class Serial(Variety):
    """One call after the other, in the main thread."""

    def open(self) -> None:
        """Make the meter of the only worker."""
        self._meter = Meter()

    def close(self) -> None:
        """Let go of the meter."""
        self._meter.close()

    def once(self, record: Pass) -> list[Spent]:
        """Do one pass."""
        meter = self._meter
        meter.skip()
        began = meter.start()
        self.flags[0] = 1
        do(self.call, self.work.inputs, self.results, range(len(self.results)))
        self.flags[0] = 0
        return [meter.stop(began)]


class Threads(Variety):
    """A pool of threads, which take chunks as they come free."""

    def open(self) -> None:
        """Start the threads."""
        self._orders: queue.SimpleQueue[deque[range] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(index,), daemon=True)
            for index in range(self.variant.workers)
        ]
        for thread in self._threads:
            thread.start()
        self.queued = max(self._answers.get()[1] for _ in self._threads)

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()

    def tasks(self) -> list[tuple[int, int]]:
        """Return process and thread of each worker."""
        return [(os.getpid(), thread.native_id or 0) for thread in self._threads]

    def once(self, record: Pass) -> list[Spent]:
        """Do one pass."""
        todo = deque(self.chunks)
        for _ in self._threads:
            self._orders.put(todo)
        answers = dict(self._answers.get() for _ in self._threads)
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return [answers[key] for key in sorted(answers)]

    def _work(self, index: int) -> None:
        meter = Meter()
        self._answers.put((index, meter.queued()))
        taken = 0
        while (todo := self._orders.get()) is not None:
            # One thread may be quick enough to take two orders: each has an answer of its own.
            taken += 1
            meter.skip()
            began = meter.start()
            self.flags[index] = 1
            try:
                with contextlib.suppress(IndexError):
                    while True:
                        do(self.call, self.work.inputs, self.results, todo.popleft())
                answer: Any = None
            except CallFailed as error:
                answer = error
            self.flags[index] = 0
            self._answers.put((index + taken * self.variant.workers, answer or meter.stop(began)))
        meter.close()
