"""The work on processes, which are started once and then get chunks of the inputs, as in a Pool."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from .. import context
from .variants import NATIVE, PICKLED, SHARED, Variant
from .ways import Pass, Variety
from .work import Work
from .worker import CallFailed, Failure, Job, Spent, process


class Processes(Variety):
    """Processes which are started once and then get chunks, as in a Pool."""

    def __init__(self, work: Work, variant: Variant, flags: Any) -> None:
        super().__init__(work, variant, flags)
        self._context = context.default_context.get_context(variant.method)
        if variant.method == "forkserver":
            forget_fork_server()
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


def forget_fork_server() -> None:
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


def _payload(item: Any) -> int:
    """Bytes that an input takes in shared memory: of an array its own, of the others a cell's."""
    if hasattr(item, "nbytes"):
        return int(item.nbytes)
    return 8 + (len(item) if isinstance(item, (str, bytes)) else 0)
