"""Other libraries for Python, each used as its own documents advise; those which are installed.

`run.sh` installs them one by one from `peers.txt`. One that cannot be installed on a machine has no
rows there.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

DISTRIBUTIONS = ("faster-fifo", "quick-queue", "dejaq", "mpire", "loky", "UltraDict")

#: Makes a queue which holds so many bytes at a time, where that must be said.
Make = Callable[[int], Any]
#: Calls a function with each of the items, one by one.
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Any]


@dataclass(frozen=True)
class Peer:
    """A queue of another library."""

    name: str
    make: Make
    #: Whether it takes any item at once; one which collects items first has a row for many only.
    prompt: bool = True
    #: To be called when the last item has been put.
    finish: Callable[[Any], object] = lambda _queue: None


def queues() -> list[Peer]:
    """Return the queues there are."""
    found = []
    if module := _module("faster_fifo"):
        fifo = module.Queue
        found.append(Peer("faster-fifo", lambda size: fifo(max_size_bytes=size)))
    if module := _module("quick_queue"):
        collecting = module.QQueue
        found.append(Peer("quick-queue", lambda _size: collecting(), False, lambda q: q.end()))
    if module := _module("dejaq"):
        ring = module.DejaQueue
        found.append(Peer("dejaq", lambda size: ring(buffer_bytes=size)))
    return found


@contextmanager
def pools(workers: int) -> Iterator[list[tuple[str, Map]]]:
    """Start the pools there are, and end them."""
    found: list[tuple[str, Map]] = []
    with ExitStack() as stack:
        if module := _module("mpire"):
            pool = module.WorkerPool(workers, start_method="fork", keep_alive=True)
            mpire = stack.enter_context(pool)
            found.append(("mpire", lambda f, items: mpire.map(f, items, chunk_size=1)))
        if module := _module("loky"):
            executor = stack.enter_context(module.ProcessPoolExecutor(workers))
            found.append(("loky", lambda f, items: list(executor.map(f, items, chunksize=1))))
        yield found


@contextmanager
def dicts(content: dict[str, int]) -> Iterator[list[tuple[str, Any]]]:
    """Make the dicts in shared memory there are, with some content, and remove them again."""
    found: list[tuple[str, Any]] = []
    with ExitStack() as stack:
        if module := _module("UltraDict"):
            made = module.UltraDict(content)
            stack.callback(made.unlink)
            stack.callback(made.close)
            found.append(("UltraDict", made))
        yield found


#: The standard library's, where it has the same purpose.
PIPE = "Pipe"


class Pipe:
    """A pipe of the standard library with the names of a queue."""

    def __init__(self) -> None:
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)
        self.put, self.get = self._writer.send, self._reader.recv


def _module(name: str) -> Any:
    # One of them configures logging when it is imported, to where the table is printed.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
