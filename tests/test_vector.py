"""Vector: what `array.array` has, across processes, and its views."""

import collections.abc
import copy
import ctypes
import gc
import itertools
import json
import math
import operator
import os
import pickle
import signal
import threading
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import pumasi
from children import running
from pumasi import Dict, List, Vector

NUMBERS = "bBhHiIlLqQfd"


class Point(ctypes.Structure):
    """Larger than any processor writes in one piece, and with a gap at its end."""

    _fields_ = [
        ("x", ctypes.c_double),
        ("y", ctypes.c_double),
        ("n", ctypes.c_int),
        ("pair", ctypes.c_short * 2),
        ("flag", ctypes.c_byte),
    ]


def point(n: int) -> Point:
    return Point(n, n, n, (n % 100, n % 100), n % 100)


def values(p: Point) -> set[float]:
    return {p.x % 100, p.y % 100, p.n % 100, p.pair[0], p.pair[1], p.flag}


def test_making_one() -> None:
    assert Vector("d").tolist() == []
    assert Vector("i", 3).tolist() == [0, 0, 0]
    assert Vector("h", [1, 2]) == Vector("h", (1, 2)) == Vector("h", array("h", [1, 2]))
    assert Vector("q", iter([1, 2])) == Vector("q", Vector("b", [1, 2])) == array("i", [1, 2])
    assert Vector("i", b"\1\0\0\0").tolist() == [1]
    assert Vector(int, [1]).typecode == "q"
    assert Vector(float, [1]).typecode == "d"
    assert Vector(ctypes.c_uint16, [1]).typecode == "H"
    for code in NUMBERS:
        vector = Vector(code, [1, 2])
        assert (vector.typecode, vector.itemsize) == (code, array(code).itemsize)
    for arguments, error, text in (
        ((), TypeError, "typecode_or_type"),
        (("d", (), 3), TypeError, "2 positional"),
        (("x",), ValueError, "bad typecode"),
        (("no such type",), TypeError, "."),
        ((object,), TypeError, "."),
        ((ctypes.c_void_p,), TypeError, "address"),
        ((ctypes.POINTER(ctypes.c_int),), TypeError, "address"),
        (("d", None, 1), TypeError, "."),
        (("d", 1.5), TypeError, "not iterable"),
        (("d", ["x"]), TypeError, "must be real number"),
        (("b", [300]), OverflowError, "greater than maximum"),
        (("B", [-1]), OverflowError, "less than minimum|negative"),
        (("i", [1.5]), TypeError, "."),
        (("i", b"abc"), ValueError, "not a multiple of item size"),
        (("i", -1), ValueError, "non-negative"),
        (("d", 2**58), MemoryError, "out of shared memory"),
    ):
        with pytest.raises(error, match=text):
            Vector(*arguments)


def test_it_has_every_name_of_array() -> None:
    # What has to do with files, addresses, byte order and texts is left out.
    left_out = {"buffer_info", "byteswap", "fromfile", "tofile", "fromlist", "fromunicode"}
    assert set(dir(array)) - set(dir(Vector)) <= left_out | {"tounicode", "__bool__"}


@pytest.mark.parametrize("code", NUMBERS)
def test_the_limits_of_numbers(code: str) -> None:
    if code in "fd":
        kept = [0.1, -math.inf, 1e300, math.nan, 7]
    else:
        bits = 8 * array(code).itemsize
        low, high = (
            (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if code.islower() else (0, 2**bits - 1)
        )
        kept = [low, high, True]
        for outside in (low - 1, high + 1, 2**70, -(2**70)):
            with pytest.raises(OverflowError):
                Vector(code).append(outside)
    vector: Vector[Any] = Vector(code)
    for number in kept:
        vector.append(number)
    assert vector.tobytes() == array(code, kept).tobytes()
    assert repr(vector.tolist()) == repr(array(code, kept).tolist())
    assert repr(Vector(code, kept)) == repr(array(code, kept)).replace("array", "Vector")


def test_operations_as_those_of_an_array() -> None:
    shared: Vector[int] = Vector("i", range(5))
    shared.append(5)
    shared.extend([6, 7])
    shared.insert(0, -1)
    shared.insert(99, 8)
    assert shared.tolist() == list(range(-1, 9))
    assert (shared.pop(), shared.pop(0), shared.pop(-2)) == (8, -1, 6)
    assert (shared[0], shared[-1], shared[1:3]) == (0, 7, array("i", [1, 2]))
    assert (shared.index(5), shared.index(5, 2), shared.count(3)) == (5, 5, 1)
    assert 5 in shared
    assert "x" not in shared
    shared.remove(5)
    shared.reverse()
    assert shared.tolist() == [7, 4, 3, 2, 1, 0]
    del shared[0]
    del shared[1:3]
    assert shared.tolist() == [4, 1, 0]
    shared[0] = 9
    shared[1:] = array("i", [5, 6, 7])
    shared[::2] = [0, 0]
    assert shared.tolist() == [0, 5, 0, 7]
    assert list(reversed(shared)) == [7, 0, 5, 0]
    assert shared + shared == array("i", [0, 5, 0, 7]) * 2 == shared * 2 == 2 * shared
    assert array("i", [1]) + shared == array("i", [1, 0, 5, 0, 7])
    alias = shared
    shared += [1]
    shared *= 2
    assert alias is shared
    assert shared.tolist() == [0, 5, 0, 7, 1] * 2
    shared *= 0
    shared.frombytes(array("i", [3, 4]))
    assert shared.tobytes() == array("i", [3, 4]).tobytes()
    shared.clear()
    assert len(shared) == 0
    for operation, error, text in (
        (lambda: shared.pop(), IndexError, "pop from empty"),
        (lambda: shared[0], IndexError, "index out of range"),
        (lambda: shared.remove(1), ValueError, "not in"),
        (lambda: shared.index(1), ValueError, "not in"),
        (lambda: shared["x"], TypeError, "must be integers"),
        (lambda: shared[2**70], IndexError, "cannot fit"),
        (lambda: operator.setitem(shared, 0, 1), IndexError, "assignment index out of range"),
        (lambda: operator.setitem(shared, slice(0, 9, 2), [1]), ValueError, "extended slice"),
        (lambda: shared[::0], ValueError, "step cannot be zero"),
        (lambda: shared.frombytes(b"abc"), ValueError, "not a multiple"),
        (lambda: shared.extend(5), TypeError, "not iterable"),  # type: ignore[arg-type]
        (lambda: operator.add(shared, [1]), TypeError, "unsupported operand"),
        (lambda: hash(shared), TypeError, "unhashable"),
    ):
        with pytest.raises(error, match=text):
            operation()


def test_what_raises_on_the_way_changes_nothing() -> None:
    shared: Vector[int] = Vector("b", [1, 2])

    def numbers() -> Any:
        yield 3
        raise KeyError("no more")

    for change in (
        lambda: shared.extend(numbers()),
        lambda: shared.extend([3, 999]),
        lambda: shared.extend([3, "x"]),  # type: ignore[list-item]
        lambda: operator.setitem(shared, slice(None), numbers()),
        lambda: operator.iadd(shared, [1000]),
    ):
        with pytest.raises((KeyError, OverflowError, TypeError)):
            change()
    assert shared.tolist() == [1, 2]


def test_comparing_and_copying() -> None:
    shared = Vector("d", [1, 2])
    assert shared == array("i", [1, 2]) == Vector("b", [1, 2])
    assert shared != array("d", [1])
    assert shared != [1, 2]
    assert shared < Vector("d", [1, 3]) <= array("d", [1, 3])
    assert shared > array("d", [1])
    with pytest.raises(TypeError):
        operator.lt(shared, [1])
    # A NaN is not even itself, there as here.
    strange = Vector("d", [math.nan])
    assert (strange == strange) is (array("d", [math.nan]) == array("d", [math.nan]))
    for made in (shared.copy(), shared.snapshot(), shared.to_plain()):
        assert type(made) is array
    assert type(copy.copy(shared)) is type(copy.deepcopy(shared)) is array
    assert json.dumps({"v": shared}, default=pumasi.json_default) == '{"v": [1.0, 2.0]}'
    assert isinstance(shared, collections.abc.MutableSequence)
    assert str(Vector[float]) == "pumasi.Vector[float]"


def test_iterating_is_by_index() -> None:
    shared = Vector("q", [1, 2])
    for number in shared:
        if len(shared) < 5:
            shared.append(number + 10)
    assert shared.tolist() == [1, 2, 11, 12, 21]
    iterator = iter(shared)
    assert list(iterator) == shared.tolist()
    shared.append(1)
    assert list(iterator) == []


def test_one_step() -> None:
    hits = Vector("q", 3)
    assert (hits.add(1), hits.add(1, 4), hits.add(-1, -2)) == (1, 5, -2)
    assert (hits.max(0, 7), hits.max(0, 3), hits.min(0, 2)) == (7, 7, 2)
    assert hits.compare_exchange(0, 2, 9)
    assert not hits.compare_exchange(0, 2, 8)
    assert hits.update_with(0, lambda n: n * 10) == 90
    assert hits.tolist() == [90, 5, -2]
    bytes_ = Vector("B", [250])
    assert bytes_.add(0, 10) == 4
    assert Vector("f", [0.5]).add(0, 0.25) == 0.75
    with pytest.raises(IndexError):
        hits.add(3)
    with pytest.raises(TypeError):
        hits.add(0, "x")
    with pytest.raises(TypeError, match="no atomic arithmetic"):
        Vector(Point, 1).add(0)
    with pytest.raises(ZeroDivisionError):
        hits.update_with(0, lambda n: n // 0)


def test_structures() -> None:
    shared: Vector[Any] = Vector(Point, [point(1), (2, 2, 2, (2, 2), 2)])
    shared.append(point(3))
    assert [values(p) for p in shared] == [{1}, {2}, {3}]
    shared[0] = point(7)
    assert values(shared.pop(0)) == {7}
    shared[0].x = 99  # a copy
    assert values(shared[0]) == {2}
    assert (shared.typecode, shared.itemsize) == (None, ctypes.sizeof(Point))
    assert repr(shared).startswith("Vector(Point, [")
    assert type(shared.to_plain()) is list
    view = memoryview(shared)
    assert (view.itemsize, len(view), view.readonly) == (ctypes.sizeof(Point), 2, False)
    with pytest.raises(TypeError):
        shared.append("x")
    letters: Vector[Any] = Vector(ctypes.c_char * 3, [b"abc"])
    assert letters[0].value == b"abc"
    flags: Vector[Any] = Vector(bool, [0, "x"])
    flags.append([])
    assert flags.tolist() == [False, True, False]
    assert (flags.typecode, memoryview(flags).format) == ("?", "?")


def test_numpy_lays_arrays_over_it() -> None:
    numpy = pytest.importorskip("numpy")
    shared: Vector[Any] = Vector("d", [1, 2, 3])
    view = numpy.asarray(shared)
    assert view.dtype == numpy.float64
    view[0] = 9
    shared[1] = 8
    assert (shared.tolist(), view.tolist()) == ([9, 8, 3], [9, 8, 3])
    assert numpy.sum(shared) == 20
    del view
    shared.extend(numpy.arange(1000.0))
    assert len(shared) == 1003
    for dtype in ("float32", "complex128", "<i2", ">i4", "S5", [("a", "i4"), ("b", "f8")]):
        plain = numpy.zeros(3, dtype)
        made: Vector[Any] = Vector(plain.dtype, plain)
        made.append(plain[0])
        over = numpy.asarray(made)
        assert over.dtype == plain.dtype
        assert over.shape == (4,)
        assert made[3] == plain[0]
        if made.typecode is None:
            assert type(made[3]) is type(plain[0])
    assert type(Vector("complex64", [1j]).to_plain()) is numpy.ndarray
    assert Vector("float64").typecode == "d"
    points = Vector(Point, [point(3), point(4)])
    over = numpy.asarray(points)
    assert over["x"].tolist() == [3, 4]
    assert over["pair"].tolist() == [[3, 3], [4, 4]]
    with pytest.raises(TypeError, match="Python objects"):
        Vector(numpy.dtype(object))
    with pytest.raises(TypeError, match="buffer protocol"):
        Vector("datetime64[s]")


def refused(vector: Vector[Any]) -> None:
    """Whatever would move or remove elements is refused, and changes nothing."""
    before = vector.tolist()
    for change in (
        vector.pop,
        vector.clear,
        vector.shrink,
        lambda: vector.pop(0),
        lambda: vector.insert(0, 1),
        lambda: vector.remove(before[0]),
        lambda: vector.reserve(100_000),
        lambda: vector.extend([0] * 100_000),
        lambda: operator.delitem(vector, 0),
        lambda: operator.delitem(vector, slice(0, 2)),
        lambda: operator.setitem(vector, slice(0, 1), [1, 2, 3]),
        lambda: operator.imul(vector, 3),
    ):
        with pytest.raises(BufferError, match="Existing exports of data"):
            change()
    assert vector.tolist() == before


def test_a_view_keeps_elements_where_they_are() -> None:
    shared: Vector[Any] = Vector("i", [1, 2, 3])
    shared.reserve(10)
    view = memoryview(shared)
    refused(shared)
    # What moves nothing goes on.
    shared.append(4)
    shared.extend([5, 6])
    shared[0] = 10
    shared[1:3] = [20, 30]
    shared.reverse()
    shared.add(0)
    assert (view.tolist(), shared.tolist()) == ([7, 5, 4], [7, 5, 4, 30, 20, 10])
    assert (view.format, view.itemsize, view.nbytes, view.shape) == ("i", 4, 12, (3,))
    another = memoryview(shared)
    view.release()
    refused(shared)
    another.release()
    shared.pop()
    assert memoryview(Vector("d")).tolist() == []
    # A view keeps the vector alive.
    view = memoryview(Vector("i", [1, 2]))
    gc.collect()
    assert view.tolist() == [1, 2]


def hold_a_view(vector: Vector[Any], ready: Any, done: Any) -> None:
    view = memoryview(vector)
    ready.set()
    done.wait()
    assert view[0] == 77
    view.release()


def test_views_of_other_processes_count(ctx: Any, run: Callable[..., None]) -> None:
    shared: Vector[Any] = Vector("q", range(8))
    ready, done = ctx.Event(), ctx.Event()
    with running(ctx, hold_a_view, shared, ready, done) as child:
        assert ready.wait(60)
        refused(shared)
        shared[0] = 77
        done.set()
        child.join(60)
        assert child.exitcode == 0
    shared.extend(range(1000))
    assert shared.pop() == 999


def test_views_of_the_dead_are_forgotten() -> None:
    ctx = pumasi.get_context("fork")
    shared: Vector[Any] = Vector("q", range(8))
    for _ in range(5):
        ready, done = ctx.Event(), ctx.Event()
        with running(ctx, hold_a_view, shared, ready, done) as child:
            assert ready.wait(60)
            refused(shared)
            os.kill(child.pid, signal.SIGKILL)
            child.join()
        # Whoever needs it settles what the dead has left.
        shared.insert(0, 1)
        shared.extend(range(100))
    assert len(shared) == 8 + 5 * 101


def test_a_child_of_a_fork_has_the_views_of_its_parent() -> None:
    ctx = pumasi.get_context("fork")
    shared: Vector[Any] = Vector("q", [77])
    view = memoryview(shared)
    ready, done = ctx.Event(), ctx.Event()

    def wait() -> None:
        ready.set()
        done.wait()

    with running(ctx, wait) as child:
        assert ready.wait(60)
        view.release()
        refused(shared)
        done.set()
        child.join(60)
        assert child.exitcode == 0
    shared.extend(range(1000))


def fill(vector: Vector[Any], first: int) -> None:
    for n in range(first, first + 500):
        vector.append(n)
        vector.add(0)


def test_processes_append_and_count(ctx: Any, run: Callable[..., None]) -> None:
    shared: Vector[Any] = Vector("q", [0])
    with running(ctx, fill, shared, 0) as one, running(ctx, fill, shared, 1000) as other:
        for child in (one, other):
            child.join(60)
            assert child.exitcode == 0
    numbers = shared.tolist()
    assert numbers[0] == 1000
    assert sorted(numbers[1:]) == [*range(500), *range(1000, 1500)]
    assert [n for n in numbers[1:] if n < 500] == list(range(500))


def use_nested(found: Any, done: Any) -> None:
    vector, struct = found["v"], found["s"][0]
    vector.append(4)
    struct.append(point(5))
    done.put((vector, struct.tolist()[1].n))


def test_it_travels_and_nests(ctx: Any, run: Callable[..., None]) -> None:
    vector = Vector("i", [1, 2, 3])
    found = Dict(v=vector, s=List([Vector(Point, [point(1)])]))
    done = ctx.Queue()
    run(ctx, use_nested, found, done)
    back, n = done.get(timeout=60)
    assert (back == vector, n) == (True, 5)
    back.append(5)
    assert vector.tolist() == [1, 2, 3, 4, 5]
    assert found.to_plain()["v"] == array("i", [1, 2, 3, 4, 5])
    assert type(found.to_plain()["v"]) is array
    again = pickle.loads(pickle.dumps(vector))
    assert type(again) is Vector
    again.append(6)
    assert vector[-1] == 6


class Named(Vector[Any]):
    """A subclass pickles as itself."""


def test_a_subclass() -> None:
    named = Named("d", [1])
    assert repr(named) == "Named('d', [1.0])"
    assert type(pickle.loads(pickle.dumps(named))) is Named


def test_threads_lose_nothing() -> None:
    shared: Vector[Any] = Vector("q", 1)
    threads = [threading.Thread(target=fill, args=(shared, n * 1000)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert (shared[0], len(shared)) == (2000, 2001)


def test_locked_keeps_others_out(ctx: Any, run: Callable[..., None]) -> None:
    shared: Vector[Any] = Vector("q", [0])
    with shared.locked() as inside:
        assert inside is shared
        child = ctx.Process(target=shared.append, args=(1,))
        child.start()
        shared.append(2)
        assert 1 not in shared
    child.join(60)
    assert child.exitcode == 0
    assert shared.tolist() == [0, 2, 1]


def write(numbers: Vector[Any], points: Vector[Any], ready: Any) -> None:
    """Grows, shrinks and overwrites for ever: the numbers are 0, 1, ... at every moment."""
    for n in itertools.count():
        numbers.append(len(numbers))
        numbers.extend(range(len(numbers), len(numbers) + n % 50))
        points[n % len(points)] = point(n)
        points[1:3] = [point(n), point(n)]
        if n % 3 == 0:
            points.append(point(n))
            points.insert(0, point(n))
            points.pop(1)
        if len(numbers) > 2000:
            del numbers[n % 100 :]
            numbers.shrink()
            del points[3:]
        if n == 100:
            ready.set()


def test_a_kill_leaves_all_or_nothing_of_a_change() -> None:
    ctx = pumasi.get_context("fork")
    pumasi.heap.recover()
    pumasi.heap.collect()
    before = pumasi.heap.stats()["objects"]
    numbers: Vector[Any] = Vector("q")
    points: Vector[Any] = Vector(Point, [point(0)] * 3)
    for _ in range(12):
        ready = ctx.Event()
        with running(ctx, write, numbers, points, ready) as child:
            assert ready.wait(60)
            for _ in range(5):
                found = numbers.tolist()
                assert found == list(range(len(found)))
                assert all(len(values(p)) == 1 for p in points.tolist())
            os.kill(child.pid, signal.SIGKILL)
            child.join()
        found = numbers.tolist()
        assert found == list(range(len(found)))
        assert all(len(values(p)) == 1 for p in points.tolist())
        # It goes on from where it was.
        numbers.append(len(found))
        numbers.shrink()
    del numbers, points, ready
    gc.collect()
    pumasi.heap.recover()
    pumasi.heap.collect()
    assert pumasi.heap.stats()["objects"] <= before


def test_stats_and_the_observer_know_it() -> None:
    vector = Vector("d", 10_000)
    assert pumasi.heap.stats()["kinds"]["Vector"]["bytes"] >= 80_000
    pumasi.heap.counting = True
    try:
        vector.append(1)
        vector.extend(range(100_000))
        vector[0] = 1
        vector.add(0)
        vector.pop()
        vector.pop(0)
        vector.insert(5, 1)
        del vector[3:5]
        vector.reverse()
        vector.clear()
        counted = pumasi.stats(vector)
    finally:
        pumasi.heap.counting = False
    once = ("append", "extend", "set", "add", "insert", "splice", "reorder", "clear")
    assert {name: counted[name] for name in once} == dict.fromkeys(once, 1)
    assert counted["pop"] == 2


numbers = st.integers(-(2**31), 2**31 - 1)
indices = st.integers(-12, 12)
slices = st.builds(
    slice, st.none() | indices, st.none() | indices, st.sampled_from([None, 1, 1, 2, -1, -3])
)


def outcome(operation: Any, target: Any) -> Any:
    """What an operation returns, or the type of what it raises."""
    try:
        result = operation(target)
    except (IndexError, ValueError, TypeError) as error:
        return type(error)
    return None if result is target else result


class VectorMachine(RuleBasedStateMachine):
    """Does the same to an array and to a Vector."""

    @initialize(given=st.lists(numbers, max_size=20))
    def begin(self, given: list[int]) -> None:
        self.plain = array("i", given)
        self.shared: Vector[int] = Vector("i", given)

    def both(self, operation: Any) -> None:
        expected, found = outcome(operation, self.plain), outcome(operation, self.shared)
        assert found == expected

    @rule(value=numbers)
    def append(self, value: int) -> None:
        self.both(lambda x: x.append(value))

    @rule(items=st.lists(numbers, max_size=40))
    def extend(self, items: list[int]) -> None:
        self.both(lambda x: x.extend(items))

    @rule(index=indices, value=numbers)
    def insert(self, index: int, value: int) -> None:
        self.both(lambda x: x.insert(index, value))

    @rule(index=indices)
    def pop(self, index: int) -> None:
        self.both(lambda x: x.pop(index))

    @rule(index=indices, value=numbers)
    def set_one(self, index: int, value: int) -> None:
        self.both(lambda x: x.__setitem__(index, value))

    @rule(index=indices)
    def get_and_delete(self, index: int) -> None:
        self.both(lambda x: x[index])
        self.both(lambda x: x.__delitem__(index))

    @rule(part=slices, items=st.lists(numbers, max_size=6))
    def set_slice(self, part: slice, items: list[int]) -> None:
        self.both(lambda x: x[part])
        # An array takes an empty one in the place of an extended slice; a Vector is a list there.
        if items or part.step in (None, 1):
            self.both(lambda x: x.__setitem__(part, array("i", items)))

    @rule(part=slices)
    def delete_slice(self, part: slice) -> None:
        self.both(lambda x: x.__delitem__(part))

    @rule(value=numbers | st.sampled_from([0, 1]))
    def search(self, value: int) -> None:
        self.both(lambda x: x.index(value))
        self.both(lambda x: x.count(value))
        self.both(lambda x: value in x)
        self.both(lambda x: x.remove(value))

    @rule()
    def reverse(self) -> None:
        self.both(lambda x: x.reverse())

    @rule(times=st.integers(-1, 3))
    def repeat(self, times: int) -> None:
        if len(self.plain) < 200:
            self.plain *= times
            self.shared *= times

    @invariant()
    def same(self) -> None:
        if hasattr(self, "plain"):
            assert self.shared == self.plain
            assert self.shared.tobytes() == self.plain.tobytes()
            assert list(self.shared) == list(self.plain)
            assert repr(self.shared) == repr(self.plain).replace("array", "Vector")

    def teardown(self) -> None:
        if hasattr(self, "shared"):
            self.shared.clear()


relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))
TestVectorMachine = VectorMachine.TestCase
TestVectorMachine.settings = settings(relaxed, max_examples=30, stateful_step_count=40)


@relaxed
@given(st.sampled_from("fd"), st.lists(st.floats(width=32)))
def test_any_floats(code: str, floats: list[float]) -> None:
    assert Vector(code, floats).tobytes() == array(code, floats).tobytes()
