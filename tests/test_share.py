"""Arrays in shared memory, which travel by reference."""

import copy
import os
import pickle
import queue
import signal
import sys
from typing import Any

import numpy
import pytest

import pumasi
from children import running
from programs import run_program

METHODS = ("fork", "spawn", "forkserver")
HANGS = 60


@pytest.fixture(params=METHODS)
def ctx(request: Any) -> Any:
    return pumasi.get_context(request.param)


def blocks() -> int:
    """How many blocks the heap has, with what dead processes held given back."""
    pumasi.heap.collect()
    kinds: dict[str, dict[str, int]] = pumasi.heap.stats()["kinds"]
    return kinds["Buffer"]["objects"] if "Buffer" in kinds else 0


def overwrite(array: Any, part: Any) -> None:
    assert type(array) is type(part) is type(pumasi.share(0))
    array[0] = 1
    part[...] = 2


@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(6, dtype="int16"),
        numpy.arange(24.0).reshape(2, 3, 4),
        numpy.asfortranarray(numpy.arange(12.0).reshape(3, 4)),
        numpy.arange(20)[::-3],
        numpy.array(5.5),
        numpy.zeros((0, 3)),
        numpy.array(["2026-11-22"], "M8[D]"),
        numpy.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
        numpy.array(["쌀", "rice"]),
        numpy.array([True, False]),
        [1, 2, 3],
        memoryview(b"bytes"),
    ],
    ids=str,
)
def test_an_array_is_equal_there_and_where_it_goes(array: Any) -> None:
    shared = pumasi.share(array)
    plain = numpy.asarray(array)
    there = pumasi.List([shared])[0]
    for one in (shared, there):
        assert one.dtype == plain.dtype
        assert one.shape == plain.shape
        assert numpy.array_equal(one, plain)
        assert one.flags.fnc == plain.flags.fnc
    assert plain.size == 0 or numpy.shares_memory(shared, there)


def test_children_write_into_it(ctx: Any) -> None:
    shared = pumasi.share(numpy.zeros((3, 4)))
    with running(ctx, overwrite, shared, shared[1:, ::2]) as child:
        child.join(HANGS)
        assert child.exitcode == 0
    assert shared.tolist() == [[1, 1, 1, 1], [2, 0, 2, 0], [2, 0, 2, 0]]


def double(array: Any) -> Any:
    array *= 2
    return array


def test_a_pool_gets_it_and_gives_it_back_in_place(ctx: Any) -> None:
    shared = pumasi.share(numpy.arange(1000))
    with ctx.Pool(2) as pool:
        halves = pool.map(double, [shared[:500], shared[500:]])
        assert all(numpy.shares_memory(half, shared) for half in halves)
        made = pool.apply(make, (2000,))
    pool.join()
    assert shared.tolist() == list(range(0, 2000, 2))
    assert made.tolist() == list(range(2000))


def make(n: int) -> Any:
    return pumasi.share(numpy.arange(n))


def test_queues_and_containers_carry_it() -> None:
    shared = pumasi.share(numpy.zeros(5))
    line: queue.Queue[Any] = pumasi.Queue()  # type: ignore[assignment]
    line.put({"part": shared[2:4]})
    line.get()["part"][0] = 3
    places = pumasi.Dict(a=shared)
    places["a"][-1] = 9
    assert shared.tolist() == [0, 0, 3, 0, 9]
    assert numpy.shares_memory(pickle.loads(pickle.dumps(shared)), shared)


def test_views_are_shared_and_what_is_computed_is_not() -> None:
    shared = pumasi.share(numpy.arange(12).reshape(3, 4))
    for view in (shared.T, shared[1], shared[:, ::-1], shared.reshape(-1), shared[1:][::-1, 1:3]):
        there = pumasi.List([view])[0]
        assert numpy.array_equal(there, view)
        assert numpy.shares_memory(there, shared)
        assert there.strides == view.strides
    for own in (shared + 1, numpy.sqrt(shared), shared.copy(), shared.sum(axis=0), shared > 2):
        assert type(own) is numpy.ndarray
    assert isinstance(shared.sum(), numpy.integer)
    for own in (shared[[0, 2]], copy.deepcopy(shared), shared.astype(float)):
        there = pumasi.List([own])[0]
        assert type(there) is numpy.ndarray
        assert numpy.array_equal(there, own)
        there[...] = 0
        assert own.any()
    again = shared
    again += 1
    assert again is shared
    assert shared[0, 0] == 1


def test_read_only_stays_read_only() -> None:
    source = numpy.arange(4)
    shared = pumasi.share(source, readonly=True)
    source[0] = 99
    for one in (shared, pumasi.List([shared])[0], shared[1:]):
        with pytest.raises(ValueError, match="read-only"):
            one[0] = 5
    assert shared.tolist() == [0, 1, 2, 3]


def test_an_array_that_is_shared_is_not_copied_again() -> None:
    shared = pumasi.share(numpy.arange(4))
    assert numpy.shares_memory(pumasi.share(shared), shared)
    assert not pumasi.share(shared, readonly=True).flags.writeable
    assert shared.flags.writeable


def test_objects_cannot_be_shared() -> None:
    with pytest.raises(TypeError, match="array of Python objects"):
        pumasi.share(numpy.array([object()]))


def test_a_full_heap_says_so() -> None:
    with pytest.raises(MemoryError):
        pumasi.share(numpy.broadcast_to(numpy.zeros(1), (pumasi.heap.limit,)))


def hold(array: Any, ready: Any) -> None:
    kept = [array, array[1:], pumasi.share(numpy.ones(100_000))]
    ready.set()
    signal.pause()
    del kept


def test_memory_comes_back_when_the_last_view_has_gone() -> None:
    before = blocks()
    shared = pumasi.share(numpy.ones(100_000))
    places = pumasi.List([shared[10:], {"deep": [shared]}])
    assert blocks() > before
    del shared
    assert places[0].sum() == 100_000 - 10
    part = places[0]
    del places
    assert part.sum() == 100_000 - 10
    assert blocks() > before
    del part
    assert blocks() == before


def test_memory_comes_back_after_a_kill(ctx: Any) -> None:
    ready = ctx.Event()
    before = blocks()
    shared = pumasi.share(numpy.ones(100_000))
    with running(ctx, hold, shared, ready) as child:
        assert ready.wait(HANGS)
        assert blocks() >= before + 2
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert shared.sum() == 100_000
    del shared, child
    assert blocks() == before


def test_without_numpy_the_error_names_it() -> None:
    program = "import sys; sys.modules['numpy'] = None; import pumasi; pumasi.share([1])"
    done = run_program([sys.executable, "-c", program])
    assert "numpy" in done.stderr
    assert 'pip install "pumasi[numpy]"' in done.stderr
