"""Every type of a manager that pumasi serves without a server, and their exceptions."""

import importlib
import multiprocessing.managers
import sys

mp = importlib.import_module(sys.argv[1])


def show(name, f, *args, **kwargs):
    try:
        print(name, repr(f(*args, **kwargs)))
    except Exception as error:
        print(name, type(error).__name__, error)


def child(lst, dct, value, array, namespace, event, locks):
    lst.append("child")
    lst[0] = [1, 2]
    dct["child"] = {"nested": []}
    value.value = value.value + 1
    array[0] = 7
    namespace.x = "child"
    for lock in locks:
        lock.acquire()
    event.set()


def main():
    ctx = mp.get_context(sys.argv[2])
    manager = ctx.Manager()
    lst, dct = manager.list([1, 2, 3]), manager.dict(a=1)
    value, array = manager.Value("i", 3), manager.Array("i", [1, 2, 3])
    namespace, event = manager.Namespace(x=1), manager.Event()
    locks = [manager.Lock(), manager.Semaphore(1), manager.BoundedSemaphore(1)]
    print(type(manager).__name__)
    for proxy in (lst, dct, value, array, namespace):
        print(type(proxy).__name__, repr(proxy).split(" at ")[0], str(proxy))
        print(isinstance(proxy, getattr(multiprocessing.managers, type(proxy).__name__)))
    process = ctx.Process(target=child, args=(lst, dct, value, array, namespace, event, locks))
    process.start()
    process.join()
    print(event.is_set(), event.wait(), str(lst), str(dct), value.value, array[:], namespace.x)
    print([lock.acquire(False) for lock in locks])
    for lock in locks:
        show("release", lock.release)
    show("lock too often", locks[0].release)
    show("bounded too often", locks[2].release)
    rlock = manager.RLock()
    show("rlock", rlock.release)
    print(rlock.acquire(), rlock.acquire(), rlock.release(), rlock.release())
    show("no timeout", locks[0].acquire, False, 1)
    print(locks[0].acquire(True, 0.01), locks[0].acquire(timeout=0.01))
    with locks[1] as entered:
        print(entered)

    # Nested plain values are copies.
    dct["a"] = []
    dct["a"].append(1)
    print(dct["a"])
    # Nested proxies are the same object.
    dct["inner"] = manager.list()
    dct["inner"].append(1)
    dct["inner"].append(manager.dict(b=2))
    print(type(dct["inner"]).__name__, dct["inner"][0], dct["inner"][1]["b"])
    print(type(dct["inner"][1]).__name__)

    show("index", lambda: lst[99])
    show("set", lambda: lst.__setitem__(99, 1))
    show("remove", lst.remove, "missing")
    show("index", lst.index, "missing")
    show("pop", lst.pop, 99)
    show("slice", lambda: lst[0:2])
    show("step", lambda: lst[::-1])
    show("add", lambda: lst + [1])  # noqa: RUF005
    show("mul", lambda: lst * 2)
    show("rmul", lambda: 2 * lst)
    show("eq", lambda: lst == lst[:])
    show("contains", lambda: "child" in lst)
    show("count", lst.count, 2)
    show("reversed", lambda: list(reversed(lst)))
    lst += [5]
    lst *= 2
    show("len", lst.__len__)
    show("extend", lst.extend, [1])
    show("insert", lst.insert, 1, "x")
    show("del", lst.__delitem__, slice(0, 2))
    show("value", lst._getvalue)
    lst[:] = [3, 1, 2]
    show("sort", lst.sort)
    show("sort", lst.sort, reverse=True)
    show("reverse", lst.reverse)
    show("callmethod", lst._callmethod, "__getitem__", (0,))
    print(sorted(lst._exposed_))
    print(lst._token.typeid)
    show("hash", lambda: hash(lst) == hash(lst))

    dct = manager.dict([("k", 1)], z=2)
    show("missing", lambda: dct["missing"])
    show("unhashable", lambda: dct[[]])
    show("get", dct.get, "missing", 5)
    show("keys", dct.keys)
    show("values", dct.values)
    show("items", dct.items)
    show("iter", lambda: list(dct))
    show("contains", lambda: "k" in dct)
    show("len", lambda: len(dct))
    show("setdefault", dct.setdefault, "new")
    show("update", dct.update, {"u": 1}, w=2)
    show("update", dct.update, [("u", 3)])
    show("pop", dct.pop, "u")
    show("pop", dct.pop, "u")
    show("pop", dct.pop, "u", None)
    show("popitem", dct.popitem)
    show("copy", dct.copy)
    show("del", dct.__delitem__, "nope")
    show("clear", dct.clear)
    show("popitem", dct.popitem)
    for key in (1, 1.5, True, None, b"x", (1, "a"), ((1,), 2), frozenset([1])):
        dct[key] = repr(key)
    show("keys", dct.keys)
    show("one", lambda: dct[1.0])

    show("namespace", lambda: namespace.missing)
    try:
        del namespace.missing
    except AttributeError as error:  # its text differs between the versions of Python
        print("namespace", type(error).__name__)
    namespace.y = [1]
    del namespace.x
    print(str(namespace), namespace.y)
    show("array", lambda: array[99])
    show("array", array.__setitem__, 99, 1)
    show("array", array.__setitem__, 0, "x")
    show("array", array.__setitem__, 0, 2**40)
    print(array[1:], len(array), str(array))
    show("value", lambda: (value.get(), value.set("text"), value.value))
    show("none", manager.Value("i", None).get)

    manager.shutdown()
    for use in (lambda: lst[0], lambda: dct["a"], lambda: value.value, lambda: namespace.y):
        try:
            use()
        except OSError as error:
            print("gone", isinstance(error, OSError))
    show("list", manager.list)
    print(str(lst).split(" at ")[0], "failed" in str(lst), repr(lst).split(" at ")[0])
    show("start", manager.start)
    show("again", manager.shutdown)
    with ctx.Manager() as manager:
        lst = manager.list()
    try:
        lst.append(1)
    except OSError:
        print("gone")


if __name__ == "__main__":
    main()
