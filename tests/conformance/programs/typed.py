"""Values and arrays of every type code and some ctypes types."""

import ctypes
import importlib
import multiprocessing.sharedctypes
import pickle
import sys

mp = importlib.import_module(sys.argv[1])


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_int)]


def show(name, f, *args, **kwargs):
    try:
        print(name, repr(f(*args, **kwargs)))
    except Exception as error:
        print(name, type(error).__name__, error)


def child(values, array, points, text, raw, raw_array):
    for value in values:
        value.value = 65
    array[1] = 5
    points[0].x = 2.5
    points[1].y = -1
    text.value = b"child"
    raw.value = 3.5
    raw_array[2] = 9


if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[2])
    codes = "bBhHiIlLqQfd"
    values = [ctx.Value(code) for code in codes]
    array = ctx.Array("h", range(4))
    points = ctx.Array(Point, [(1, 2), (3, 4)])
    text = ctx.Array("c", b"hello world")
    raw, raw_array = ctx.RawValue("d", 1.5), ctx.RawArray("i", 4)
    process = ctx.Process(target=child, args=(values, array, points, text, raw, raw_array))
    process.start()
    process.join()
    print(process.exitcode, [value.value for value in values])
    print(array[:], [(p.x, p.y) for p in points], text.value, text.raw, raw.value, raw_array[:])
    print(text[0], text[1:3], len(text))
    print(
        repr(array).split(" for ")[0],
        values[0],
        type(array).__name__,
        type(values[0]).__name__,
        type(text).__name__,
    )

    point = ctx.Value(Point, 1.5, 7)
    print(point.x, point.y, type(point).__name__)
    point.x += 1
    print(point.get_obj().x, isinstance(point.get_obj(), Point))
    unlocked = ctx.Value("i", 5, lock=False)
    print(type(unlocked).__name__, unlocked.value)
    lock = ctx.Lock()
    print(ctx.Value("i", lock=lock).get_lock() is lock)
    show("lock", ctx.Value, "i", 1, lock=5)
    wide = ctx.Array("u", "한글")
    print(wide[:], wide[0], wide.get_obj().value)
    flags = ctx.Array(ctypes.c_bool, [True, False])
    print(flags[:], flags[0])
    flags[1] = 5
    print(flags[1])
    print(ctx.Value(ctypes.c_longdouble, 1.5).value)

    value = ctx.Value("i", 3)
    show("float", setattr, value, "value", 1.5)
    show("str", setattr, value, "value", "x")
    value.value = 2**40 + 7
    print(value.value)
    value.value = -1
    print(value.value, ctx.Value("I", -1).value)
    show("init", ctx.Value, "i", "x")
    show("double", setattr, ctx.Value("d"), "value", "x")
    double = ctx.Value("d")
    double.value = 3
    print(double.value)
    show("huge", setattr, double, "value", 10**400)
    show("index", lambda: array[99])
    show("index", lambda: array["x"])
    show("set", array.__setitem__, 99, 1)
    show("set", array.__setitem__, 0, 1.5)
    show("slice", array.__setitem__, slice(0, 2), [8, 9])
    show("slice", array.__setitem__, slice(0, 2), [8])
    print(array[:], array[-1], array[::2], list(array), sum(array))
    with array.get_lock():
        array[0] = 1
    with array as entered:
        print(entered, array.acquire(False), array.release())
    show("pickle", pickle.dumps, array)
    print(bytes(memoryview(raw_array))[:4], memoryview(array.get_obj()).format)
    print(isinstance(array, multiprocessing.sharedctypes.SynchronizedArray))
    copied = multiprocessing.sharedctypes.copy(raw_array)
    print(copied[:])
    show("negative", ctx.RawArray, "i", -1)
    print(len(ctx.Array("d", 0)), ctx.Array("d", [])[:])
    matrix = ctx.RawArray(ctypes.c_int * 2, 2)
    matrix[1][0] = 4
    print([list(row) for row in matrix])
