"""Arrow's objects in shared memory, which travel by reference."""

import os
import pickle
import signal
from typing import Any

import numpy
import pyarrow
import pytest

import pumasi
from children import running
from test_share import HANGS, METHODS, blocks


@pytest.fixture(params=METHODS)
def ctx(request: Any) -> Any:
    return pumasi.get_context(request.param)


def table() -> Any:
    n = 5_000
    return pyarrow.table(
        {
            "number": range(n),
            "text": [None if i % 7 == 0 else f"쌀 {i}" for i in range(n)],
            "list": [[i] * (i % 3) for i in range(n)],
            "kind": pyarrow.array(["a", "b"] * (n // 2)).dictionary_encode(),
        }
    )


def buffers(value: Any) -> list[tuple[int, int]]:
    """Where the bytes of an Arrow object are."""
    found: list[pickle.PickleBuffer] = []
    pickle.dumps(value, protocol=5, buffer_callback=found.append)
    raw = [pyarrow.py_buffer(buffer) for buffer in found]
    return [(buffer.address, buffer.size) for buffer in raw if buffer.size]


@pytest.mark.parametrize(
    "value",
    [
        table(),
        table().to_batches()[0],
        pyarrow.array([1.5, None, 3]),
        pyarrow.chunked_array([[1, 2], [3]]),
        pyarrow.array(range(100))[10:20],
        pyarrow.py_buffer(b"bytes"),
        pyarrow.table({"none": pyarrow.array([], "int8")}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_is_equal_there_and_where_it_goes(value: Any) -> None:
    shared = pumasi.share(value)
    there = pumasi.List([shared])[0]
    line: Any = pumasi.SimpleQueue()
    line.put({"it": shared})
    for one in (shared, there, line.get()["it"]):
        assert type(one) is type(value)
        assert one.equals(value)
        assert buffers(one) == buffers(shared)
    assert not set(buffers(shared)) & set(buffers(value))
    assert pumasi.share(shared) is shared


def total(part: Any) -> tuple[int, list[tuple[int, int]]]:
    return sum(part["number"].to_pylist()), buffers(part)


def test_workers_read_it_where_it_is(ctx: Any) -> None:
    shared = pumasi.share(table())
    with ctx.Pool(2) as pool:
        results = pool.map(total, [shared.slice(0, 2_000), shared.slice(2_000)])
        back = pool.apply(pass_on, (shared,))
    pool.join()
    assert sum(found for found, _ in results) == sum(range(5_000))
    for _, places in results:
        assert len(places) == len(buffers(shared))
    assert buffers(back) == buffers(shared)


def pass_on(value: Any) -> Any:
    return value


def test_it_is_as_writable_as_was_asked() -> None:
    for readonly in (False, True):
        shared = pumasi.share(pyarrow.array([1, 2, 3]), readonly=readonly)
        there = pumasi.List([shared])[0]
        assert there.buffers()[1].is_mutable is not readonly
        numbers = numpy.frombuffer(there.buffers()[1], "int64")
        assert numbers.flags.writeable is not readonly
        if not readonly:
            numbers[0] = 9
            assert shared[0].as_py() == 9
    again = pumasi.share(pumasi.share(pyarrow.array([1])), readonly=True)
    assert not again.buffers()[1].is_mutable


def test_what_is_not_shared_travels_as_a_copy() -> None:
    pumasi.share(pyarrow.array([1]))
    plain = table()
    there = pumasi.List([plain])[0]
    assert there.equals(plain)
    assert not set(buffers(there)) & set(buffers(plain))
    assert pickle.loads(pickle.dumps(pumasi.share(plain))).equals(plain)


def hold(value: Any, ready: Any) -> None:
    ready.set()
    signal.pause()
    del value


def test_memory_comes_back_with_the_last_view(ctx: Any) -> None:
    ready = ctx.Event()
    before = blocks()
    shared = pumasi.share(table())
    part = shared["number"].chunk(0)[5:10]
    with running(ctx, hold, shared, ready) as child:
        assert ready.wait(HANGS)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    del shared, child
    assert blocks() > before
    assert part.to_pylist() == [5, 6, 7, 8, 9]
    del part
    assert blocks() == before


def test_a_full_heap_is_an_error() -> None:
    whole = pyarrow.array(numpy.broadcast_to(numpy.zeros(1), (1 << 20,)))
    limit = pumasi.heap.limit
    try:
        pumasi.heap.limit = pumasi.heap.stats()["used"] + (1 << 20)
        with pytest.raises(MemoryError):
            pumasi.share(whole)
    finally:
        pumasi.heap.limit = limit
    assert pumasi.share(whole).equals(whole)
