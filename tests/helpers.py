"""What tests look at from outside: descriptors, children, shared objects."""

import contextlib
import gc
import os
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import pumasi

METHODS = ["fork", "spawn", "forkserver"]


def start_what_lasts() -> None:
    """Start the helpers of multiprocessing which live as long as the program."""
    resource_tracker.ensure_running()
    forkserver.ensure_running()


def descriptors() -> set[tuple[str, str]]:
    """What this process has open, by number and target."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        # The descriptor that lists the directory is gone by then.
        with contextlib.suppress(OSError):
            found.add((entry.name, os.readlink(entry)))
    return found


def children() -> set[int]:
    """The children of this process, the helpers of multiprocessing left out."""
    lasting = {forkserver._forkserver._forkserver_pid, resource_tracker._resource_tracker._pid}  # type: ignore[attr-defined]
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found - lasting


def objects() -> int:
    """How many shared objects are alive in the heap."""
    gc.collect()
    pumasi.heap.recover()
    pumasi.heap.collect()
    return pumasi.heap.stats()["objects"]
