"""RwLock: many who read or one who writes, and what a death does to either."""

import contextlib
import signal
import threading
import time
import warnings
from typing import Any

import pytest

import pumasi
from children import running

HANGS = 60


def test_many_read_or_one_writes() -> None:
    lock = pumasi.RwLock()
    with lock.read() as entered:
        assert entered
        assert lock.acquire_read(False)
        assert (lock.readers, lock.locked()) == (2, False)
        assert not lock.acquire_write(block=False)
        begin = time.monotonic()
        assert not lock.acquire_write(timeout=0.05)
        assert time.monotonic() - begin >= 0.05
        lock.release_read()
    with lock.write():
        assert lock.locked()
        assert not lock.acquire_read(False)
        assert not lock.acquire_read(timeout=0.01)
        assert not lock.acquire_write(timeout=0.01)
    assert (lock.readers, lock.locked()) == (0, False)
    for release in (lock.release_read, lock.release_write):
        with pytest.raises(ValueError, match=r"release_\w+\(\) of a lock"):
            release()


def both_change(lock: Any, pair: Any, n: int) -> None:
    for _ in range(n):
        with lock.write():
            pair[0] += 1
            pair[1] += 1


def both_equal(lock: Any, pair: Any, n: int) -> None:
    for _ in range(n):
        with lock.read():
            assert pair[0] == pair[1]


def test_readers_see_no_half_done_change(ctx: Any) -> None:
    lock, pair = ctx.RwLock(), ctx.RawArray("l", 2)
    children = [
        ctx.Process(target=target, args=(lock, pair, 300))
        for target in (both_change, both_change, both_equal, both_equal)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(HANGS)
        assert child.exitcode == 0
    assert pair[:] == [600, 600]


def read_without_pause(lock: Any, reading: Any) -> None:
    while True:
        with lock.read():
            reading.set()


def test_readers_do_not_starve_a_writer() -> None:
    ctx = pumasi.get_context("fork")
    lock, reading = ctx.RwLock(), ctx.Event()
    with running(ctx, read_without_pause, lock, reading), contextlib.ExitStack() as stack:
        stack.enter_context(running(ctx, read_without_pause, lock, reading))
        assert reading.wait(HANGS)
        for _ in range(20):
            assert lock.acquire_write(timeout=HANGS)
            lock.release_write()


def write_without_pause(lock: Any, writing: Any) -> None:
    while True:
        with lock.write():
            writing.set()


def test_writers_do_not_starve_a_reader() -> None:
    ctx = pumasi.get_context("fork")
    lock, writing = ctx.RwLock(), ctx.Event()
    with running(ctx, write_without_pause, lock, writing):
        assert writing.wait(HANGS)
        for _ in range(20):
            assert lock.acquire_read(timeout=HANGS)
            lock.release_read()


def hold(lock: Any, side: str, held: Any) -> None:
    with getattr(lock, side)():
        held.set()
        signal.pause()


def test_the_share_of_a_killed_reader_comes_back(ctx: Any) -> None:
    lock, held = ctx.RwLock(), ctx.Event()
    with running(ctx, hold, lock, "read", held) as child:
        assert held.wait(HANGS)
        assert not lock.acquire_write(timeout=0.05)
        threading.Timer(0.1, child.kill).start()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert lock.acquire_write(timeout=HANGS)
        lock.release_write()


def test_the_death_of_a_writer_is_told_until_somebody_writes(ctx: Any) -> None:
    lock, held = ctx.RwLock(), ctx.Event()
    with running(ctx, hold, lock, "write", held) as child:
        assert held.wait(HANGS)
        threading.Timer(0.1, child.kill).start()
        for acquire, release in (
            (lock.acquire_read, lock.release_read),
            (lock.acquire_read, lock.release_read),
            (lock.acquire_write, lock.release_write),
        ):
            with pytest.warns(pumasi.OwnerDiedWarning, match=f"process {child.pid}"):
                assert acquire(timeout=HANGS)
            assert lock.owner_died.pid == child.pid
            release()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with lock.read(), lock.read():
            assert lock.owner_died is None


def test_where_warnings_are_errors_the_lock_is_free(ctx: Any) -> None:
    lock, held = ctx.RwLock(), ctx.Event()
    with running(ctx, hold, lock, "write", held) as child:
        assert held.wait(HANGS)
        child.kill()
        child.join()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for acquire in (lock.acquire_write, lock.acquire_read, lock.acquire_write):
            with pytest.raises(pumasi.OwnerDiedWarning):
                acquire()
        assert (lock.readers, lock.locked()) == (0, False)
