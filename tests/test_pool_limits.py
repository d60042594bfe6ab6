"""Limits of time for one call of a pool.

Nothing here is late that is not to be: what has a short limit runs for ever, or fifty times less.
"""

import os
import signal
import threading
import time

import pytest

import pumasi as mp
from pumasi._pool import setup, worker
from pumasi.exceptions import TaskTimeout, WorkerDied


@pytest.fixture
def fork():
    return mp.get_context("fork")


def square(x):
    return x * x


def own_pid():
    return os.getpid()


def forever(*_):
    while True:
        time.sleep(1)


def deaf(*_):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    forever()


def wait_for_file(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    return "came"


def alarms():
    return signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)


def every_way(pool, function, **limits):
    """Each method that calls, as something that gives its one result."""
    return {
        "apply": lambda: pool.apply(function, (1,), **limits),
        "apply_async": lambda: pool.apply_async(function, (1,), **limits).get(60),
        "map": lambda: pool.map(function, [1], **limits),
        "map in chunks": lambda: pool.map(function, [1, 2, 3], 2, **limits),
        "starmap": lambda: pool.starmap(function, [(1,)], **limits),
        "starmap in chunks": lambda: pool.starmap(function, [(1,), (2,)], 2, **limits),
        "map_async": lambda: pool.map_async(function, [1], **limits).get(60),
        "starmap_async": lambda: pool.starmap_async(function, [(1,)], **limits).get(60),
        "imap": lambda: list(pool.imap(function, [1], **limits)),
        "imap in chunks": lambda: list(pool.imap(function, [1, 2], 2, **limits)),
        "imap_unordered": lambda: list(pool.imap_unordered(function, iter([1]), **limits)),
    }


WAYS = list(every_way(None, None))


def test_a_late_call_is_killed_and_no_other(fork, tmp_path):
    path = tmp_path / "file"
    with fork.Pool(2) as pool:
        other = pool.apply_async(wait_for_file, (str(path),))
        for way, call in every_way(pool, deaf, timeout=0.2).items():
            with pytest.raises(TaskTimeout, match=r"longer than 0\.2 s"):
                call()
            assert not other.ready(), way
        path.touch()
        assert other.get(60) == "came"
        assert pool.map(square, range(10)) == [x * x for x in range(10)]


def test_a_late_call_is_interrupted_and_no_other(fork):
    with fork.Pool(1) as pool:
        worker = pool.apply(own_pid)
        for call in every_way(pool, forever, soft_timeout=0.1).values():
            with pytest.raises(TaskTimeout, match=r"longer than 0\.1 s"):
                call()
        assert pool.apply(own_pid) == worker
        # Nothing is left that could hit another call.
        assert pool.apply(alarms) == ((0.0, 0.0), signal.SIG_DFL)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_in_time_has_its_result(fork, way):
    with fork.Pool(1) as pool:
        free = every_way(pool, square)[way]()
        assert every_way(pool, square, timeout=100, soft_timeout=100)[way]() == free


@pytest.mark.parametrize("limit", ["timeout", "soft_timeout"])
def test_it_goes_before_the_pools_own(fork, limit):
    with fork.Pool(1, **{limit: 1}) as pool:
        pool.apply(time.sleep, (2,), **{limit: 100})
        with pytest.raises(TaskTimeout, match=r"longer than 1 s"):
            pool.apply(forever)


def test_the_pools_own_does_not_even_begin(monkeypatch):
    # A worker that is stopped just then would be late by a limit that is not this task's.
    begun = []
    before = signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: begun.append(seconds))
    try:
        do = setup.interrupted(worker.call, 0.1)
        limited = setup.Limited(worker.APPLY, abs, 100)
        assert do(worker.LIMITED, limited, ((-1,), {})) == 1
        assert do(worker.APPLY, abs, ((-2,), {})) == 2
    finally:
        signal.signal(signal.SIGALRM, before)
    assert begun == [100, 0, 0.1, 0]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_it_travels(method):
    with mp.get_context(method).Pool(1) as pool:
        with pytest.raises(TaskTimeout):
            pool.apply(forever, soft_timeout=0.1)
        with pytest.raises(TaskTimeout):
            pool.apply(deaf, timeout=0.1)
        assert pool.apply(square, (3,), soft_timeout=100) == 9


class Scaled:
    """A callable with a state, of which each task has a copy."""

    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        self.by += 1
        return x * self.by


def test_callables_of_all_kinds(fork):
    with fork.Pool(1, insights=True) as pool:
        assert pool.apply(Scaled(1), (2,), soft_timeout=100) == 4
        assert pool.map(Scaled(1), [2, 2], 1, soft_timeout=100) == [4, 4]
        assert pool.apply(divmod, (7, 2), soft_timeout=100) == (3, 1)
        slowest = [text for _, text in pool.insights()["slowest"]]
        assert any(text.startswith("divmod: ") for text in slowest), slowest


def test_closures(fork):
    pytest.importorskip("cloudpickle")
    by = 3
    with fork.Pool(1) as pool:
        assert pool.map(lambda x: by * x, [1, 2], soft_timeout=100) == [3, 6]


def dies_at_first(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        forever()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("limit", ["timeout", "soft_timeout"])
def test_a_second_try_has_the_limit_of_the_first(fork, tmp_path, limit):
    path = tmp_path / "file"
    with fork.Pool(1, retries=1) as pool:
        path.touch()
        # On a busy machine the first try may already be late, before it has come to that.
        while path.exists():
            with pytest.raises(TaskTimeout):
                pool.apply(dies_at_first, (str(path),), **{limit: 1})
    with fork.Pool(1) as pool:
        path.touch()
        with pytest.raises(WorkerDied):
            pool.apply(dies_at_first, (str(path),), **{limit: 100})


def test_nobody_needs_to_wait_for_it(fork):
    came = threading.Event()
    with fork.Pool(1) as pool:
        pool.apply_async(deaf, timeout=0.1, error_callback=lambda error: came.set())
        assert came.wait(60)
        pool.apply_async(deaf, timeout=0.1)
        # Its worker is replaced, and this has a turn.
        assert pool.apply_async(square, (2,)).get(60) == 4


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_what_is_no_limit(fork, seconds):
    with fork.Pool(1) as pool:
        for name in ("timeout", "soft_timeout"):
            for call in every_way(pool, square, **{name: seconds}).values():
                with pytest.raises(ValueError, match=f"^{name} must be a positive number"):
                    call()
        with pytest.raises(TypeError):
            pool.map(square, [1], 1, None, 5)
