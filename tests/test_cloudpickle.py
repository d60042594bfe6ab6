"""What the standard pickle refuses travels to a pool's workers, and only there."""

import concurrent.futures
import pickle
import sys
from multiprocessing.reduction import ForkingPickler

import pytest

import pumasi as mp
from programs import run_program

pytest.importorskip("cloudpickle")

REFUSED = (pickle.PicklingError, AttributeError)


def call(function):
    return function(1)


def add(a, b):
    return a + b


def give_a_closure(by):
    return lambda x: x + by


def test_functions_and_arguments(ctx):
    by = 3

    class Local:
        def __init__(self, value):
            self.value = value

    with ctx.Pool(2) as pool:
        assert pool.apply(lambda x, y: x + y * by, (1,), {"y": 2}) == 7
        assert pool.map(lambda x: x * by, range(4)) == [0, 3, 6, 9]
        assert list(pool.imap(lambda x: x - by, [3, 4])) == [0, 1]
        assert sorted(pool.imap_unordered(lambda x: x - by, [3, 4], 2)) == [0, 1]
        assert pool.starmap_async(lambda x, y: x * y, [(2, 3)]).get(60) == [6]
        assert pool.map(call, [lambda x: x + by, give_a_closure(1)]) == [4, 2]
        assert pool.apply(lambda local: local.value, (Local(5),)) == 5
    with mp.ProcessPoolExecutor(1, ctx) as executor:
        assert executor.submit(lambda: by).result(60) == 3
        assert list(executor.map(lambda x: x * by, [1, 2])) == [3, 6]


def test_results_use_the_standard_pickle():
    with mp.get_context("fork").Pool(1) as pool:
        with pytest.raises(mp.pool.MaybeEncodingError, match="lambda"):
            pool.apply(give_a_closure, (1,))
        assert pool.apply(add, (1, 2)) == 3


def test_nobody_else_gets_it():
    ctx = mp.get_context("spawn")
    with ctx.Pool(1) as pool:
        assert pool.apply(lambda: 1) == 1
    with pytest.raises(REFUSED):
        ForkingPickler.dumps(lambda: 1)
    with pytest.raises(REFUSED):
        ctx.Process(target=lambda: 1).start()
    with pytest.raises(REFUSED):
        ctx.Queue().put(lambda: 1)
    with concurrent.futures.ProcessPoolExecutor(1, ctx) as executor:
        with pytest.raises(REFUSED):
            executor.submit(lambda: 1).result(60)


CELLS = """
import sys
if sys.argv[2] == "without":
    sys.modules["cloudpickle"] = None
import pumasi as mp
by = 3
class Item:
    def __init__(self, value):
        self.value = value
def scaled(item):
    return by * item.value
try:
    with mp.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.map(scaled, [Item(1)]))
    with mp.ProcessPoolExecutor(1, mp.get_context(sys.argv[1])) as executor:
        print(executor.submit(scaled, Item(2)).result(60))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_main_module_of_a_notebook(method):
    ended = run_program([sys.executable, "-c", CELLS, method, "with"])
    assert (ended.stdout, ended.stderr) == ("[3]\n6\n", "")


STARTED = """
import sys
if sys.argv[2] == "without":
    sys.modules["cloudpickle"] = None
from collections import namedtuple
from functools import partial
import pumasi as mp
by = 3
class Item:
    class Part:
        pass
    def __init__(self, value):
        self.value, self.part = value, Item.Part()
class Refused(Exception):
    pass
Pair = namedtuple("Pair", "a b")
def begin(lock, value):
    global by, calls
    with lock:
        by = value
    calls = 0
def count(_, __=None):
    global calls
    calls += 1
    return calls
def scaled(item):
    return by * item.value
def made(value):
    return Item(value), Pair(value, scaled)
def made_here(value):
    class Item:
        pass
    return Item()
def refuse(item):
    raise Refused(item.value)
def end():
    return Pair(by, calls)
ctx = mp.get_context(sys.argv[1])
def judge(pool):
    [(item, pair)] = pool.map(made, [2])
    print(type(item) is Item, type(item.part) is Item.Part, type(pair) is Pair, pair.b is scaled)
    print(list(pool.map(scaled, [item])), list(pool.map(count, range(3))))
    print(list(pool.map(partial(count, 1), range(2))))
    for wrong in refuse, made_here:
        try:
            list(pool.map(wrong, [item]))
        except Exception as error:
            print(type(error).__name__, type(error) is Refused)
def started(start, **options):
    return start(1, initializer=begin, initargs=(ctx.Lock(), 5), **options)
try:
    with started(ctx.Pool, worker_exit=end) as pool:
        judge(pool)
        pool.close()
        pool.join()
        print(pool.get_exit_results() == [Pair(5, 5)])
    with started(mp.ProcessPoolExecutor, mp_context=ctx) as executor:
        judge(executor)
except Exception as error:
    print(type(error).__name__, error)
"""

JUDGED = """True True True True
[10] [1, 2, 3]
[4, 5]
Refused True
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_initializer_and_the_results_of_a_notebook(method):
    ended = run_program([sys.executable, "-c", STARTED, method, "with"])
    refused = ("MaybeEncodingError False\n", "AttributeError False\n")
    expected = f"{JUDGED}{refused[0]}True\n{JUDGED}{refused[1]}"
    assert (ended.stdout, ended.stderr) == (expected, "")


def test_the_initializer_without_cloudpickle():
    ended = run_program([sys.executable, "-c", STARTED, "spawn", "without"])
    assert ended.stdout.startswith("PicklingError <function begin"), ended
    assert "is defined where no worker can import it" in ended.stdout


@pytest.mark.parametrize(("method", "outcome"), [("fork", "[3]"), ("spawn", "PicklingError")])
def test_without_cloudpickle(method, outcome):
    ended = run_program([sys.executable, "-c", CELLS, method, "without"])
    assert ended.stdout.split()[0] == outcome
    assert method == "fork" or "is defined where no worker can import it" in ended.stdout
