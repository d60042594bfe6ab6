"""Value, Array and the raw ctypes objects inside them."""

import ctypes
import gc
import multiprocessing.sharedctypes
import pickle
import threading
import time
from typing import Any

import pytest

import helpers
import pumasi
from pumasi import sharedctypes

INTEGERS = "bBhHiIlLqQ"
FLOATS = "fd"


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_int)]


class Pixel(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_int)]


class Point3(Point):
    _fields_ = [("z", ctypes.c_int)]


class Choice(ctypes.Union):
    _fields_ = [("i", ctypes.c_int), ("f", ctypes.c_float)]


class Meters(ctypes.c_int):
    pass


@pytest.mark.parametrize("code", INTEGERS)
def test_integers_wrap_as_in_c(code: str) -> None:
    ours, theirs = pumasi.Value(code), multiprocessing.Value(code)
    bits = 8 * ctypes.sizeof(sharedctypes.typecode_to_type[code])
    for number in (0, -1, 2 ** (bits - 1), 2 ** (bits - 1) - 1, 2**bits - 1, 2**bits + 5, -(2**70)):
        ours.value = theirs.value = number
        assert ours.value == theirs.value
    ours.value = 2 ** (bits - 1) - 1
    theirs.value = 2 ** (bits - 1) - 1
    theirs.value += 1
    assert ours.add(1) == theirs.value == ours.value


@pytest.mark.parametrize("code", FLOATS)
def test_floats(code: str) -> None:
    ours, theirs = pumasi.Value(code), multiprocessing.Value(code)
    for number in (0, 1.1, -2, 1e300, float("inf"), 2**60 + 1, True):
        ours.value = theirs.value = number
        assert ours.value == theirs.value
        assert type(ours.value) is float
    ours.value = 1
    assert ours.add(0.5) == 1.5


@pytest.mark.parametrize("code", INTEGERS + FLOATS)
def test_arrays_of_every_type_code(code: str) -> None:
    shared = pumasi.Array(code, [1, 2, 3, 4])
    assert shared[:] == [1, 2, 3, 4]
    assert (shared[0], shared[-1], shared[1:3], len(shared)) == (1, 4, [2, 3], 4)
    shared[-1] = 9
    shared[0:2] = [7, 8]
    assert list(shared) == [7, 8, 3, 9]
    assert shared.add(0, 3) == 10
    assert shared.max(1, 5) == 8
    assert shared.min(1, 5) == 5
    assert shared.compare_exchange(2, 3, 1)
    assert not shared.compare_exchange(2, 3, 1)
    assert shared[:] == [10, 5, 1, 9]
    for index in (4, -5, 10**20):
        with pytest.raises(IndexError):
            shared[index]
        with pytest.raises(IndexError):
            shared[index] = 1
    with pytest.raises(IndexError):
        shared.add(4, 1)
    assert pumasi.Array(code, 3)[:] == [0, 0, 0]


def test_atomic_steps_on_values() -> None:
    value = pumasi.Value("i", 5)
    assert value.add(3) == 8
    assert value.max(7) == 8
    assert value.max(9) == 9
    assert value.min(4) == 4
    assert value.compare_exchange(4, 1)
    assert not value.compare_exchange(4, 2)
    assert value.value == 1
    signed = pumasi.Value("b", -5)
    assert signed.max(-7) == -5
    assert signed.min(-7) == -7
    with pytest.raises(TypeError):
        value.add("x")
    with pytest.raises(TypeError):
        value.add(1.5)
    with pytest.raises(TypeError, match="arithmetic"):
        pumasi.Value(ctypes.c_wchar, "x").add(1)


def test_structures() -> None:
    point = pumasi.Value(Point3, 1.5, 2, 3)
    assert (point.x, point.y, point.z) == (1.5, 2, 3)
    point.x += 1
    assert point.get_obj().x == 2.5
    assert type(point).__name__ == "SynchronizedPoint3"
    choice = pumasi.Value(Choice)
    choice.f = 1.0
    assert choice.i == 0x3F800000
    points = pumasi.Array(Point, [(1, 2), (3, 4)])
    points[1].y = 7
    assert [(p.x, p.y) for p in points] == [(1.0, 2), (3.0, 7)]
    assert isinstance(pumasi.Array(Meters, 2)[0], Meters)


def test_characters() -> None:
    text = pumasi.Array("c", b"hello")
    assert (text.value, text.raw, text[1:3], text[0]) == (b"hello", b"hello", b"el", b"h")
    text.value = b"hi"
    assert (text.value, text.raw) == (b"hi", b"hi\0lo")
    wide = pumasi.Array("u", "한국")
    assert (wide[:], wide[0]) == ("한국", "한")
    flags = pumasi.Array(ctypes.c_bool, [True, False])
    flags[1] = 1
    assert flags[:] == [True, True]


def test_get_obj_is_a_ctypes_object_which_keeps_its_memory() -> None:
    shared = pumasi.Array("i", [1, 2, 3])
    inner = shared.get_obj()
    assert isinstance(inner, ctypes.c_int * 3)
    before = helpers.objects()
    del shared
    gc.collect()
    assert inner[:] == [1, 2, 3]
    assert helpers.objects() == before - 1  # the lock
    view = memoryview(inner)
    del inner
    gc.collect()
    assert view.cast("B").cast("i")[2] == 3


def test_isinstance_and_modules() -> None:
    assert isinstance(pumasi.Value("i"), multiprocessing.sharedctypes.Synchronized)
    assert isinstance(pumasi.Array("i", 1), multiprocessing.sharedctypes.SynchronizedArray)
    assert isinstance(pumasi.Array("c", 1), multiprocessing.sharedctypes.SynchronizedString)
    assert type(pumasi.Value("i")).__module__ == "pumasi.sharedctypes"
    assert repr(pumasi.Value("i", 5)) == "<Synchronized wrapper for c_int(5)>"


def test_locks_of_ones_own() -> None:
    for lock in (pumasi.Lock(), pumasi.RLock(), threading.Lock(), multiprocessing.Lock()):
        value = pumasi.Value("i", 1, lock=lock)
        assert value.get_lock() is lock
        assert value.add(1) == 2
        value.value = 5
        assert value.value == 5
        with value.get_lock():
            pass
    assert isinstance(pumasi.Value("i", lock=False), ctypes.c_int)
    with pytest.raises(AttributeError, match="acquire"):
        pumasi.Value("i", lock=5)
    with pytest.raises(AssertionError):
        sharedctypes.synchronized(pumasi.Value("i"))
    assert sharedctypes.synchronized(pumasi.RawValue("i", 3)).value == 3
    copied = sharedctypes.copy(pumasi.RawArray("i", [1, 2]))
    assert copied[:] == [1, 2]


@pytest.mark.parametrize(
    "access",
    [
        lambda v, a: v.value,
        lambda v, a: setattr(v, "value", 1),
        lambda v, a: v.add(1),
        lambda v, a: v.compare_exchange(0, 1),
        lambda v, a: a[0],
        lambda v, a: a.__setitem__(0, 1),
        lambda v, a: a[:],
        lambda v, a: a.add(0, 1),
    ],
)
def test_every_access_waits_for_a_holder_of_the_lock(access: Any) -> None:
    lock = pumasi.RLock()
    value, array = pumasi.Value("i", lock=lock), pumasi.Array("i", 1, lock=lock)
    done = threading.Event()

    def run() -> None:
        access(value, array)
        done.set()

    thread = threading.Thread(target=run)
    with value.get_lock():
        access(value, array)  # the holder itself is not kept out
        thread.start()
        assert not done.wait(0.1)
    assert done.wait(60)
    thread.join()


def test_numpy_sees_the_memory_itself() -> None:
    numpy = pytest.importorskip("numpy")
    shared = pumasi.Array("d", [1, 2, 3])
    view = numpy.asarray(shared)
    assert (view.dtype, view.shape) == (numpy.float64, (3,))
    view[1] = 7
    assert shared[1] == 7
    shared[2] = 8
    assert view[2] == 8
    for other in (
        numpy.frombuffer(shared.get_obj(), "d"),
        numpy.ctypeslib.as_array(shared.get_obj()),
        numpy.asarray(pumasi.RawArray("i", 4)),
    ):
        assert other.flags.writeable
    del shared
    gc.collect()
    assert view.tolist() == [1, 7, 8]
    points = numpy.asarray(pumasi.Array(Pixel, 2))
    assert points.dtype.names == ("x", "y")


def test_numpy_dtypes() -> None:
    numpy = pytest.importorskip("numpy")
    assert pumasi.Array("float64", 2)[:] == [0.0, 0.0]
    assert pumasi.Array(numpy.dtype("int16"), [1, 2])[:] == [1, 2]
    assert pumasi.Value(numpy.uint8, 300).value == 44
    record = pumasi.Value(numpy.dtype([("a", "i4"), ("b", "f8")]))
    record.b = 1.5
    assert (record.a, record.b) == (0, 1.5)
    value = pumasi.Value("i", 1)
    assert value.add(numpy.int64(2)) == 3
    with pytest.raises(TypeError, match="ctypes type"):
        pumasi.Array("complex128", 2)


@pytest.mark.parametrize("asked", ["x", "no such type", int, None, 5, object()])
def test_what_is_no_type(asked: Any) -> None:
    with pytest.raises(TypeError, match="type"):
        pumasi.Value(asked)


def test_they_are_only_inherited() -> None:
    for shared in (pumasi.Value("i"), pumasi.Array("i", 1), pumasi.RawValue("i")):
        with pytest.raises(RuntimeError, match="inheritance"):
            pickle.dumps(shared)


# ---- across processes ----------------------------------------------------------------------


def test_no_update_is_lost(ctx: Any) -> None:
    value, array, raw = ctx.Value("q"), ctx.Array("d", 3), ctx.RawArray("i", 1)
    children = [ctx.Process(target=work_added, args=(value, array, raw, 300)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert value.value == 1800
    assert sum(array) == 900
    assert raw[0] == 1


def work_added(value: Any, array: Any, raw: Any, n: int) -> None:
    for i in range(n):
        with value.get_lock():
            value.value += 1
        value.add(1)
        array.add(i % len(array), 1)
    raw[0] = 1


def hold_and_write(value: Any, inside: Any) -> None:
    with value.get_lock():
        inside.set()
        time.sleep(0.2)
        value.value = 50


def test_a_write_from_outside_does_not_slip_into_a_critical_section(ctx: Any) -> None:
    value, inside = ctx.Value("i"), ctx.Event()
    child = ctx.Process(target=hold_and_write, args=(value, inside))
    child.start()
    assert inside.wait(60)
    value.value = 100
    assert value.value == 100
    child.join()


def hold_and_die(value: Any, inside: Any) -> None:
    value.get_lock().acquire()
    inside.set()
    time.sleep(1000)


def test_the_lock_of_a_value_survives_a_kill(ctx: Any) -> None:
    value, inside = ctx.Value("i", 7), ctx.Event()
    child = ctx.Process(target=hold_and_die, args=(value, inside))
    child.start()
    assert inside.wait(60)
    child.kill()
    child.join()
    assert value.add(1) == 8
    with pytest.warns(pumasi.OwnerDiedWarning), value.get_lock():
        value.value = 1


def change_structure(point: Any) -> None:
    point.x = 9.0
    point.get_obj().y = 3


def test_structures_across_processes(ctx: Any) -> None:
    point = ctx.Value(Point, 1, 2)
    child = ctx.Process(target=change_structure, args=(point,))
    child.start()
    child.join()
    assert (point.x, point.y) == (9.0, 3)
