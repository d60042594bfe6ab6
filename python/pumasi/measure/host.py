"""The process in which one variant runs, from its first pass to its last.

Every variant has a process of its own: what one leaves in memory does not weigh on another, its
peak memory is its own, and a function that hangs or crashes takes nothing else with it.  The
session commands over a pipe; an answer is a pair of a word and what it stands for.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from .. import context
from . import system
from .variants import NATIVE, PICKLED, PROCESSES, SERIAL, SHARED, Variant
from .work import Work, chunks
from .worker import CallFailed, Failure, Job, Meter, Spent, do, process


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

    @property
    def unhurried(self) -> float:
        """The seconds it would have taken had no worker waited for a core.

        Where others use the machine too, this is what the variant itself can do; exact as far as
        the worker which waited longest was also the last one to end.
        """
        waited = max((worker.waited for worker in self.workers), default=0.0) + self.host_waited
        floor = max((worker.cpu for worker in self.workers), default=0.0)
        return max(self.seconds - waited, floor, self.host_cpu, self.seconds * 1e-3)


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


class Processes(Variety):
    """Processes which are started once and then get chunks, as in a Pool."""

    def __init__(self, work: Work, variant: Variant, flags: Any) -> None:
        super().__init__(work, variant, flags)
        self._context = context.default_context.get_context(variant.method)
        if variant.method == "forkserver":
            _forget_fork_server()
        self._placed: Any = None
        self._counter: Any = None
        self._common: Any = None
        if variant.arguments != PICKLED:
            self._place()

    def _place(self) -> None:
        from .. import _core

        began = time.perf_counter()
        if self.variant.arguments == NATIVE:
            self._placed = _core.List(self.work.inputs)
        elif self.variant.arguments == SHARED:
            self._placed = Arrays(self._context, self.work.inputs)
        self._common = _core.List([None] * len(self.results))
        self.placed_seconds = time.perf_counter() - began
        self.placed_bytes = sum(_payload(item) for item in self.work.inputs)
        self._counter = self._context.Value("q", 0)

    def open(self) -> None:
        """Start the processes, and wait until each has imported what it needs."""
        self._workers = []
        for index in range(self.variant.workers):
            here, there = self._context.Pipe()
            job = Job(self.work.function, self.work.star, index, self.flags)
            if self._placed is not None:
                job.inputs, job.results = self._placed, self._common
                job.counter, job.chunks = self._counter, self.chunks
            # Not a daemon: the measured function may start processes of its own.
            worker = self._context.Process(  # type: ignore[attr-defined]
                target=process, args=(there, job)
            )
            worker.start()
            there.close()
            self._workers.append((worker, here))
        ready = [self._receive(number) for number in range(self.variant.workers)]
        self._tids = [tid for tid, _ in ready]
        self.queued = max(queued for _, queued in ready)

    def close(self) -> None:
        """End the processes."""
        for _, connection in self._workers:
            with contextlib.suppress(OSError):
                connection.send_bytes(b"")
            connection.close()
        for worker, _ in self._workers:
            worker.join(5)
            if worker.is_alive():
                worker.kill()
                worker.join()
            worker.close()

    def tasks(self) -> list[tuple[int, int]]:
        """Return process and thread of each worker."""
        pids = [worker.pid or 0 for worker, _ in self._workers]
        return list(zip(pids, self._tids, strict=True))

    def once(self, record: Pass) -> list[Spent]:
        """Do one pass."""
        if self._placed is not None:
            return self._once_in_place(record)
        spent = [Spent() for _ in self._workers]
        todo = deque(self.chunks)
        numbers = {connection: i for i, (_, connection) in enumerate(self._workers)}
        doing: dict[int, range] = {}
        for number in range(len(self._workers)):
            self._hand_out(number, todo, doing, record)
        while doing:
            busy = [self._workers[number][1] for number in doing]
            for ready in wait(busy):
                number = numbers[ready]  # type: ignore[index]
                chunk = doing.pop(number)
                results = self._result(number, record)
                self._hand_out_after(number, spent, todo, doing, record)
                for position, result in zip(chunk, results, strict=True):
                    self.results[position] = result
        return spent

    def _once_in_place(self, record: Pass) -> list[Spent]:
        self._counter.value = 0
        order = ForkingPickler.dumps(None)
        for _, connection in self._workers:
            connection.send_bytes(order)
        spent = []
        for number in range(len(self._workers)):
            self._result(number, record)
            spent.append(self._receive(number))
        began = time.perf_counter()
        self.results = self._common.to_plain()
        record.serialising += time.perf_counter() - began
        return spent

    def _hand_out_after(
        self,
        number: int,
        spent: list[Spent],
        todo: deque[range],
        doing: dict[int, range],
        record: Pass,
    ) -> None:
        spent[number].add(self._receive(number))
        self._hand_out(number, todo, doing, record)

    def _hand_out(
        self, number: int, todo: deque[range], doing: dict[int, range], record: Pass
    ) -> None:
        if not todo:
            return
        chunk = todo.popleft()
        began = time.perf_counter()
        packed = ForkingPickler.dumps([self.work.inputs[position] for position in chunk])
        sent = time.perf_counter()
        try:
            self._workers[number][1].send_bytes(packed)
        except OSError:
            raise self._died(number) from None
        record.serialising += sent - began
        record.moving += time.perf_counter() - sent
        record.bytes_sent += len(packed)
        doing[number] = chunk

    def _result(self, number: int, record: Pass) -> Any:
        began = time.perf_counter()
        try:
            packed = self._workers[number][1].recv_bytes()
        except (EOFError, OSError):
            raise self._died(number) from None
        received = time.perf_counter()
        result = ForkingPickler.loads(packed)
        if self._placed is None:
            record.moving += received - began
            record.serialising += time.perf_counter() - received
            record.bytes_received += len(packed)
        if isinstance(result, Failure):
            raise CallFailed(result)
        return result

    def _receive(self, number: int) -> Any:
        try:
            return ForkingPickler.loads(self._workers[number][1].recv_bytes())
        except (EOFError, OSError):
            raise self._died(number) from None

    def _died(self, number: int) -> Exception:
        worker = self._workers[number][0]
        worker.join(5)
        return WorkerDied(f"a worker process ended with exit code {worker.exitcode}")


def _forget_fork_server() -> None:
    """Let this process start a fork server of its own: the one it inherited is no child of it."""
    from multiprocessing import forkserver

    server: Any = forkserver._forkserver
    server._forkserver_pid = server._forkserver_address = server._forkserver_alive_fd = None


class WorkerDied(Exception):
    """A worker process ended before its work did."""


class Arrays:
    """NumPy arrays moved into shared memory; in each process opened as views of it."""

    def __init__(self, chosen: context.BaseContext, arrays: list[Any]) -> None:
        import numpy

        self._parts = []
        for array in arrays:
            block = chosen.RawArray("b", array.nbytes)
            self._parts.append((block, array.dtype, array.shape))
            numpy.frombuffer(block, dtype=array.dtype).reshape(array.shape)[...] = array

    def open(self) -> list[Any]:
        """Return the views."""
        import numpy

        return [
            numpy.frombuffer(block, dtype=dtype).reshape(shape)
            for block, dtype, shape in self._parts
        ]


class GilProbe:
    """A thread which asks for the interpreter's lock about every millisecond.

    After a sleep it needs the lock to go on.  What it waited beyond the sleep, less the time for
    which it was ready and had no core, it waited for the lock.  Each question counts for as long as
    it took with its sleep, because a held lock is asked for less often.
    """

    SLEEP = 0.001
    HELD = 0.0004

    def __init__(self) -> None:
        self._stop = False
        self._held = self._all = 0.0
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> float | None:
        """Return the share of the time in which the lock was held, or None without an answer."""
        self._stop = True
        self._thread.join()
        return self._held / self._all if self._all else None

    def _ask(self) -> None:
        queued = system.Clock()
        while not self._stop:
            before, began = queued.waited(), time.perf_counter()
            time.sleep(self.SLEEP)
            took = time.perf_counter() - began
            waited = took - self.SLEEP - (queued.waited() - before)
            self._all += took
            if waited > self.HELD:
                self._held += took
        queued.close()


_VARIETIES: dict[str, type[Variety]] = {SERIAL: Serial, PROCESSES: Processes, "threads": Threads}


def main(connection: Connection[Any, Any], work: Work, variant: Variant, flags: Any) -> None:
    """Obey the session until it closes the connection: the main function of a host."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    system.die_with_parent()
    # Collections of what the program had before would fall at random upon one run or another; what
    # was there is set aside, and the collector stays on for what the work itself makes.
    gc.collect()
    gc.freeze()
    obey = _obey(work, variant, flags)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            order, *arguments = connection.recv()
            try:
                answer = obey(connection, order, *arguments)
            except CallFailed as error:
                answer = ("failed", error.failure)
            except WorkerDied as error:
                answer = ("died", str(error))
            except Exception as error:
                answer = ("broken", f"{type(error).__name__}: {error}")
            connection.send(answer)
            if order == "close":
                return


def _obey(work: Work, variant: Variant, flags: Any) -> Callable[..., tuple[str, Any]]:
    variety: Variety | None = None

    def obey(connection: Connection[Any, Any], order: str, *arguments: Any) -> tuple[str, Any]:
        nonlocal variety
        if order == "open":
            if variety is None:
                variety = _VARIETIES[variant.kind](work, variant, flags)
            else:
                variety.close()
            clock = system.Clock()
            before, began = clock.waited(), time.perf_counter()
            variety.open()
            took = time.perf_counter() - began
            queued = clock.waited() - before + variety.queued
            clock.close()
            free = max(took - queued, took / 10)
            return "open", (took, free, variety.placed_seconds, variety.placed_bytes)
        assert variety is not None
        if order == "check":
            record = variety.run(1)
            return "checked", (record, _packed(variety.results))
        if order == "run":
            return "ran", variety.run(*arguments)
        if order == "probe":
            loops, with_gil = arguments
            connection.send(("tasks", variety.tasks()))
            if not with_gil:
                return "ran", (variety.run(loops), None)
            probe = GilProbe()
            probe.start()
            try:
                record = variety.run(loops)
            finally:
                held = probe.stop()
            return "ran", (record, held)
        variety.close()
        return "closed", None

    return obey


def _payload(item: Any) -> int:
    """Bytes that an input takes in shared memory: of an array its own, of the others a cell's."""
    if hasattr(item, "nbytes"):
        return int(item.nbytes)
    return 8 + (len(item) if isinstance(item, (str, bytes)) else 0)


def _packed(results: list[Any]) -> bytes | str:
    try:
        return bytes(ForkingPickler.dumps(results))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
