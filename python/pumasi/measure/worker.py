"""What a worker does: its share of the calls, with a record of where the time went.

The same loop serves all variants, so that what differs between them is what they are.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from . import system
from .work import brief


@dataclass
class Spent:
    """Seconds that one worker spent in one pass over the inputs.

    ``wall`` while it had work, of which ``cpu`` on a core and ``waited`` ready to run, but without
    one; ``serialising`` in pickles, ``moving`` in reading and writing pipes.
    """

    wall: float = 0.0
    cpu: float = 0.0
    waited: float = 0.0
    serialising: float = 0.0
    moving: float = 0.0

    def add(self, other: Spent) -> None:
        """Add what another chunk took."""
        self.wall += other.wall
        self.cpu += other.cpu
        self.waited += other.waited
        self.serialising += other.serialising
        self.moving += other.moving


@dataclass(frozen=True)
class Failure:
    """How a call failed, in texts, so that it can be sent whatever the exception is."""

    item: str
    error: str
    trace: str


class CallFailed(Exception):
    """A call of the measured function raised."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


def do(
    call: Callable[[Any], Any], inputs: Sequence[Any], results: Any, positions: Sequence[int]
) -> None:
    """Call the function for these positions, and put its results there."""
    position = -1
    try:
        for position in positions:
            results[position] = call(inputs[position])
    except Exception as error:
        raise failed(error, inputs[position]) from None


def failed(error: BaseException, item: object) -> CallFailed:
    """Describe an exception which a call raised."""
    # The first frames are ours.
    frames = traceback.extract_tb(error.__traceback__)[1:]
    trace = "".join(traceback.format_list(frames[-6:])).rstrip()
    return CallFailed(Failure(brief(item), f"{type(error).__name__}: {error}", trace))


class Meter:
    """Measures what the thread that makes it spends."""

    def __init__(self) -> None:
        self._queue = system.Clock()
        self._last = self._queue.waited()

    def queued(self) -> float:
        """Return for how long the thread has been ready without a core, in its whole life."""
        return self._queue.waited()

    def start(self) -> tuple[float, float]:
        """Begin a stretch of work."""
        return time.perf_counter(), time.thread_time()

    def stop(self, began: tuple[float, float]) -> Spent:
        """End a stretch; waiting for a core counts from the end of the one before."""
        wall, cpu = time.perf_counter() - began[0], time.thread_time() - began[1]
        queued = self._queue.waited()
        waited, self._last = queued - self._last, queued
        return Spent(wall, cpu, waited)

    def skip(self) -> None:
        """Forget how long the thread has waited for a core until now."""
        self._last = self._queue.waited()

    def close(self) -> None:
        """Close the clock's file."""
        self._queue.close()


@dataclass
class Job:
    """What a worker process is started with."""

    function: Callable[..., Any]
    star: bool
    index: int
    flags: Any
    inputs: Any = None
    results: Any = None
    counter: Any = None
    chunks: list[range] | None = None

    def call(self) -> Callable[[Any], Any]:
        """Return the function of one input."""
        if not self.star:
            return self.function
        function = self.function
        return lambda arguments: function(*arguments)


def process(connection: Connection[Any, Any], job: Job) -> None:
    """Work until an empty message comes: the main function of a worker process."""
    # A Ctrl-C ends the process which started all this, and that one ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    system.die_with_parent()
    meter, call = Meter(), job.call()
    inputs = job.inputs.open() if hasattr(job.inputs, "open") else job.inputs
    with contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
        # Time without a core so far, since the process was made.
        ready = threading.get_native_id(), meter.queued()
        connection.send_bytes(ForkingPickler.dumps(ready))
        while True:
            message = connection.recv_bytes()
            if not message:
                return
            began = meter.start()
            job.flags[job.index] = 1
            try:
                answer = _answer(call, job, inputs, message)
            except CallFailed as error:
                answer = (error.failure, Spent())
            moved = time.perf_counter()
            try:
                packed = ForkingPickler.dumps(answer[0])
            except Exception as error:
                failure = Failure("", f"a result cannot be pickled: {error}", "")
                packed = ForkingPickler.dumps(failure)
            sent = time.perf_counter()
            connection.send_bytes(packed)
            job.flags[job.index] = 0
            spent = meter.stop(began)
            spent.serialising = answer[1].serialising + sent - moved
            spent.moving = time.perf_counter() - sent
            connection.send_bytes(ForkingPickler.dumps(spent))


def _answer(call: Callable[[Any], Any], job: Job, inputs: Any, message: bytes) -> tuple[Any, Spent]:
    began = time.perf_counter()
    items = ForkingPickler.loads(message)
    spent = Spent(serialising=time.perf_counter() - began)
    if job.chunks is None:
        results: list[Any] = [None] * len(items)
        do(call, items, results, range(len(items)))
        return results, spent
    while (number := job.counter.add(1) - 1) < len(job.chunks):
        do(call, inputs, job.results, job.chunks[number])
    return None, spent
