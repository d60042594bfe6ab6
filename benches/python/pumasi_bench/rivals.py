"""The rivals, set up as their own documents advise for speed, and taken down again."""

from __future__ import annotations

import importlib
import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.managers import SyncManager
from typing import Any

MULTIPROCESSING = "multiprocessing"
MANAGER = "Manager"
LMDB = "lmdb"

manager = multiprocessing.Manager
"""The standard library's Manager: a server, and proxies whose every call is a round trip to it."""

__all__ = ["LMDB", "MANAGER", "MULTIPROCESSING", "SyncManager", "lmdb_environment", "manager"]


@contextmanager
def lmdb_environment() -> Iterator[Any]:
    """Open an lmdb database which never waits for the disk, in a temporary folder.

    ``sync=False`` gives up durability, which pumasi does not offer either. ``writemap=True`` makes
    a transaction with one put four times as fast: lmdb is to show its best.
    """
    lmdb = importlib.import_module("lmdb")
    with tempfile.TemporaryDirectory(prefix="pumasi-bench-") as folder:
        environment = lmdb.open(folder, map_size=1 << 26, sync=False, metasync=False, writemap=True)
        try:
            yield environment
        finally:
            environment.close()
