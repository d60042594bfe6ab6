"""Deque: everything that `collections.deque` has, across processes."""

import collections.abc
import contextlib
import copy
import json
import operator
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import pumasi
from pumasi import DefaultDict, Deque, Dict, List


def test_making_one() -> None:
    assert Deque() == deque()
    assert list(Deque("abc")) == ["a", "b", "c"]
    assert Deque("abc", 2) == deque("bc") == Deque(iterable="abc", maxlen=2)
    assert Deque(Deque([1, 2])) == Deque(List([1, 2])) == deque([1, 2])
    assert Deque(maxlen=None).maxlen is None
    assert Deque([1], 0).maxlen == 0
    assert not Deque([1], 0)
    for arguments, keywords, error, text in (
        ((1, 2, 3), {}, TypeError, "at most 2 arguments"),
        ((5,), {}, TypeError, "not iterable"),
        ((None,), {}, TypeError, "not iterable"),
        (((), "x"), {}, TypeError, "integer"),
        (((), -1), {}, ValueError, "maxlen must be non-negative"),
        (((),), {"iterable": ()}, TypeError, "multiple values"),
        ((), {"length": 1}, TypeError, "unexpected keyword argument 'length'"),
    ):
        with pytest.raises(error, match=text):
            Deque(*arguments, **keywords)  # type: ignore[call-overload]
    with pytest.raises(OverflowError):
        Deque((), 2**80)
    with pytest.raises(AttributeError):
        Deque().maxlen = 3  # type: ignore[misc]


def test_it_has_every_name_of_deque() -> None:
    # Python 3.10 has `__bool__` beside `__len__`, to the same effect.
    assert set(dir(deque)) - set(dir(Deque)) <= {"__bool__"}


def test_both_ends() -> None:
    shared: Deque[Any] = Deque()
    shared.append(1)
    shared.appendleft(0)
    shared.extend([2, 3.5])
    shared.extendleft("ab")
    assert list(shared) == ["b", "a", 0, 1, 2, 3.5]
    assert shared.pop() == 3.5
    assert shared.popleft() == "b"
    assert len(shared) == 4
    shared.extend(shared)
    shared.extendleft(shared)
    assert list(shared) == [2, 1, 0, "a", 2, 1, 0, "a", "a", 0, 1, 2, "a", 0, 1, 2]
    shared.clear()
    for take in (shared.pop, shared.popleft):
        with pytest.raises(IndexError, match="pop from an empty deque"):
            take()


def test_a_bounded_one_keeps_the_newest() -> None:
    shared = Deque(range(10), maxlen=3)
    assert list(shared) == [7, 8, 9]
    shared.append(10)
    shared.appendleft(1)
    assert list(shared) == [1, 8, 9]
    shared.extendleft(range(100))
    assert list(shared) == [99, 98, 97]
    with pytest.raises(IndexError, match="deque already at its maximum size"):
        shared.insert(0, 1)
    shared.pop()
    shared.insert(1, 5)
    assert list(shared) == [99, 5, 98]
    shared *= 10**12
    assert list(shared) == [99, 5, 98]
    shared += [1, 2]
    assert list(shared) == [98, 1, 2]
    shared.extend(range(10**5))
    assert list(shared) == [99997, 99998, 99999]


def test_the_middle() -> None:
    shared = Deque("abcd")
    shared.insert(1, "x")
    shared.insert(-1, "y")
    shared.insert(100, "end")
    shared.insert(-100, "start")
    assert list(shared) == ["start", "a", "x", "b", "c", "y", "d", "end"]
    assert shared[2] == shared[-6] == "x"
    shared[2] = [1]
    del shared[0]
    del shared[-1]
    assert shared == deque(["a", [1], "b", "c", "y", "d"])
    shared[1].append(2)
    assert shared[1] == [1, 2]
    for wrong in (6, -7, 2**80):
        with pytest.raises(IndexError):
            shared[wrong]
    with pytest.raises(IndexError, match="deque index out of range"):
        shared[6] = 1
    with pytest.raises(IndexError, match="deque index out of range"):
        del shared[6]
    with pytest.raises(TypeError, match="sequence index must be integer, not 'slice'"):
        shared[1:2]  # type: ignore[index]
    shared.rotate()
    assert list(shared) == ["d", "a", [1, 2], "b", "c", "y"]
    shared.rotate(-3)
    shared.reverse()
    assert list(shared) == [[1, 2], "a", "d", "y", "c", "b"]
    assert shared.index("d") == 2
    assert shared.index("d", -4, 3) == 2
    with pytest.raises(ValueError, match="'d' is not in deque"):
        shared.index("d", 3)
    shared.remove("d")
    with pytest.raises(ValueError, match="not in deque"):
        shared.remove("d")
    assert "y" in shared
    assert "d" not in shared
    assert Deque([1, 1.0, True, 2]).count(1) == 3
    assert Deque([1, 5]).update_with(-1, lambda n: n * 2) == 10


def test_operators() -> None:
    shared = Deque([1, 2], maxlen=3)
    for made, expected in (
        (shared + deque([3, 4]), deque([2, 3, 4], 3)),
        (deque([0]) + shared, deque([0, 1, 2])),
        (shared + Deque([9]), deque([1, 2, 9], 3)),
        (shared * 2, deque([2, 1, 2], 3)),
        (2 * shared, deque([2, 1, 2], 3)),
    ):
        assert type(made) is deque
        assert made == expected
        assert made.maxlen == expected.maxlen
    for other in ([1], (1,), 5):
        with pytest.raises(TypeError):
            operator.add(shared, other)
        with pytest.raises(TypeError):
            operator.add(other, shared)
    with pytest.raises(TypeError):
        shared * 1.5  # type: ignore[operator]
    same = shared
    shared += "x"  # type: ignore[arg-type]
    shared *= 1
    assert shared is same
    assert list(shared) == [1, 2, "x"]
    shared *= 0
    assert not shared


def test_comparisons() -> None:
    shared = Deque([1, 2])
    assert shared == deque([1, 2]) == shared == Deque([1, 2], 5)
    assert shared == shared
    assert shared != deque([2, 1])
    assert shared != [1, 2]
    assert shared < deque([1, 3])
    assert deque([1]) < shared <= Deque([1, 2])
    assert shared > Deque([1])
    with pytest.raises(TypeError):
        operator.lt(shared, [1, 2])


def test_repr_copies_and_pickles() -> None:
    assert repr(Deque()) == "deque([])"
    assert repr(Deque([1, [2]], 4)) == str(Deque([1, [2]], 4)) == "deque([1, [2]], maxlen=4)"
    circle: Deque[Any] = Deque([1])
    circle.append(circle)
    assert repr(circle) == "deque([1, [...]])"
    plain = circle.to_plain()
    assert plain[1] is plain
    circle.clear()
    shared = Deque([1, (2, 3), {"a": [4]}], 7)
    for made in (
        shared.copy(),
        shared.snapshot(),
        shared.to_plain(),
        copy.copy(shared),
        copy.deepcopy(shared),
    ):
        assert type(made) is deque
        assert made == shared
        assert made.maxlen == 7
    assert type(shared.copy()[2]) is Dict
    assert type(shared.to_plain()[2]) is dict
    assert List([shared]).to_plain() == [shared.to_plain()]
    again = pickle.loads(pickle.dumps(shared))
    again.append("more")
    assert shared[-1] == "more"
    assert again.maxlen == 7
    with pytest.raises(TypeError, match="unhashable"):
        hash(shared)
    assert json.dumps({"d": Deque([1, [2]]), "p": deque([3])}, default=pumasi.json_default) == (
        '{"d": [1, [2]], "p": [3]}'
    )


def test_iteration_notices_what_moves_items() -> None:
    shared = Deque([1, 2, 3])
    for index, item in enumerate(shared):
        shared[index] = item * 10  # overwriting moves nothing
    assert list(shared) == [10, 20, 30]
    assert list(reversed(shared)) == [30, 20, 10]
    for start in (iter, reversed):
        for change in (
            shared.rotate,
            shared.reverse,
            lambda: shared.append(1),
            shared.pop,
            lambda: shared.insert(1, 5),
        ):
            iterator = start(shared)
            assert iterator.__length_hint__() == len(shared)
            next(iterator)
            change()
            for _ in range(2):
                with pytest.raises(RuntimeError, match="deque mutated during iteration"):
                    next(iterator)
                assert iterator.__length_hint__() == 0
        iterator = start(shared)
        assert len(list(iterator)) == len(shared)
        assert list(iterator) == []
        shared.append(2)
        with pytest.raises(RuntimeError, match="deque mutated during iteration"):
            next(iterator)


def test_it_is_a_sequence_and_nests() -> None:
    assert isinstance(Deque(), collections.abc.MutableSequence)
    outer = Dict(log=Deque([1], maxlen=2))
    outer["log"].append(2)
    outer["log"].append(3)
    assert type(outer["log"]) is Deque
    assert outer.to_plain() == {"log": deque([2, 3], 2)}
    groups: DefaultDict[str, Deque[int]] = DefaultDict(Deque)
    groups["a"].append(1)
    groups["a"].appendleft(0)
    assert groups.to_plain() == {"a": deque([0, 1])}
    # A plain one is a value like any other: it is copied.
    kept = List([deque([1], 3)])
    kept[0].append(2)
    assert kept[0] == deque([1])
    match Deque([1, 2]):
        case [first, second]:
            assert (first, second) == (1, 2)
        case _:
            pytest.fail("not matched as a sequence")


def test_an_iterable_that_raises_changes_nothing() -> None:
    def failing() -> Any:
        yield 1
        raise ZeroDivisionError

    for shared in (Deque([7]), Deque([7], 1)):
        for change in (shared.extend, shared.extendleft, shared.__iadd__):
            with pytest.raises(ZeroDivisionError):
                change(failing())
        assert list(shared) == [7]


def live() -> int:
    """Bytes of the heap in use."""
    found: int = pumasi.heap.stats()["live"]
    return found


def test_memory_comes_back() -> None:
    before = live()
    shared = Deque(range(100_000))
    full = live()
    assert full - before > 800_000
    while len(shared) > 10:
        shared.popleft()
    assert live() - before < 4000
    inner = [Deque([shared]), Deque()]
    inner[1].append(inner[0])
    inner[0].append(inner[1])
    del inner, shared
    pumasi.heap.collect()
    assert live() - before < 4000


relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=30)
values = st.integers(-5, 30) | st.floats(0, 3) | st.text(max_size=9) | st.tuples(st.integers(0, 3))
many = st.lists(values, max_size=20)
end = st.sampled_from(["", "left"])


class DequeMachine(RuleBasedStateMachine):
    """Does the same to a deque and to a Deque."""

    @initialize(maxlen=st.none() | st.integers(0, 12), items=many)
    def make(self, maxlen: Any, items: list[Any]) -> None:
        self.plain: deque[Any] = deque(items, maxlen)
        self.shared: Deque[Any] = Deque(items, maxlen)

    def both(self, name: str, *arguments: Any) -> None:
        found: list[Any] = []
        for one in (self.plain, self.shared):
            try:
                found.append(getattr(one, name)(*arguments))
            except Exception as raised:
                found.append(type(raised))
        expected, got = found
        assert got is self.shared if expected is self.plain else got == expected

    @rule(end=end, item=values)
    def append(self, end: str, item: Any) -> None:
        self.both(f"append{end}", item)

    @rule(end=end, n=st.integers(1, 12))
    def pop(self, end: str, n: int) -> None:
        for _ in range(n):
            self.both(f"pop{end}")

    @rule(end=end, items=many)
    def extend(self, end: str, items: list[Any]) -> None:
        self.both(f"extend{end}", items)

    @rule(name=st.sampled_from(["insert", "__setitem__"]), index=st.integers(-15, 15), item=values)
    def put(self, name: str, index: int, item: Any) -> None:
        self.both(name, index, item)

    @rule(
        name=st.sampled_from(["rotate", "__delitem__", "__getitem__", "__imul__", "__mul__"]),
        n=st.integers(-15, 15),
    )
    def by_number(self, name: str, n: int) -> None:
        if "mul" in name:
            n %= 3
        self.both(name, n)

    @rule(name=st.sampled_from(["remove", "count", "index", "__contains__"]), item=values)
    def search(self, name: str, item: Any) -> None:
        self.both(name, item)

    @rule(name=st.sampled_from(["reverse", "clear", "copy"]))
    def alone(self, name: str) -> None:
        self.both(name)

    @invariant()
    def same(self) -> None:
        if hasattr(self, "plain"):
            assert self.shared == self.plain
            assert len(self.shared) == len(self.plain)
            assert list(self.shared) == list(self.plain)
            assert repr(self.shared) == repr(self.plain)


TestDequeMachine = DequeMachine.TestCase
TestDequeMachine.settings = settings(relaxed, stateful_step_count=25)


@relaxed
@given(many, st.none() | st.integers(0, 5))
def test_any_deque(items: list[Any], maxlen: Any) -> None:
    assert Deque(items, maxlen) == deque(items, maxlen)


# ---- across processes ----------------------------------------------------------------------


def pass_on(shared: Deque[int], taken: Deque[int], n: int, left: bool) -> None:
    for i in range(n):
        (shared.append if left else shared.appendleft)(i)
        if i % 2:
            taken.append((shared.popleft if left else shared.pop)())
        shared.rotate(i % 5 - 2)


def test_processes_at_both_ends_lose_nothing(ctx: Any) -> None:
    shared: Deque[int] = Deque()
    taken: Deque[int] = Deque()
    children = [
        ctx.Process(target=pass_on, args=(shared, taken, 200, bool(i % 2))) for i in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert len(taken) == 300
    assert sorted([*taken, *shared]) == sorted([*range(200)] * 3)


def test_threads_under_contention_get_no_error() -> None:
    shared = Deque(range(50), maxlen=50)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for i in range(150):
                shared.append("some text that needs a block")
                shared.rotate(i)
                shared.reverse()
                shared.update_with(0, str)
                shared.snapshot()
                assert len(shared) <= 50
                shared.extendleft([1, 2, 3])
                for change in (shared.clear, shared.pop, lambda: shared[0]):
                    with contextlib.suppress(IndexError):
                        change()  # type: ignore[operator]
        except BaseException as raised:
            failed.append(raised)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def slide(shared: Deque[Any], ready: Any) -> None:
    ready.set()
    n = shared[-1][0]
    while True:
        # A row of the same length, of the next numbers, by every kind of commit there is.
        shared.append((n + 1, "a text that does not fit a cell"))
        shared.extend([(n + i, "another text, of another length") for i in range(2, 7)])
        n += 6
        shared.rotate(1)
        shared.rotate(-1)
        shared.rotate(30)
        shared.rotate(-30)
        shared.reverse()
        shared.reverse()


def whole(items: "deque[Any]") -> bool:
    """Whether these are so many numbers in a row, turned and rotated at most."""
    numbers = sorted(number for number, _ in items)
    if numbers != [*range(numbers[0], numbers[0] + 100)]:
        return False
    found = [number for number, _ in items]
    start = found.index(numbers[0])
    forward = found[start:] + found[:start]
    backward = [*reversed(found[start + 1 :] + found[: start + 1])]
    return numbers in (forward, backward)


def test_a_kill_leaves_all_or_nothing_of_a_change() -> None:
    ctx = pumasi.get_context("fork")
    before = live()
    shared: Deque[Any] = Deque(((n, "text") for n in range(100)), maxlen=100)
    for _ in range(8):
        ready = ctx.Event()
        child = ctx.Process(target=slide, args=(shared, ready))
        child.start()
        ready.wait()
        for _ in range(20):
            assert whole(shared.snapshot())
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        child.close()
        assert whole(shared.snapshot())
        shared = again(shared)
    del shared, ready
    pumasi.heap.recover()
    pumasi.heap.collect()
    assert live() - before < 4000


def again(shared: Deque[Any]) -> Deque[Any]:
    """The same in their order, whatever the dead was about."""
    last = max(number for number, _ in shared)
    return Deque(((n, "text") for n in range(last - 99, last + 1)), maxlen=100)


def test_locked_keeps_others_out(ctx: Any, run: Callable[..., None]) -> None:
    shared = Deque([0])
    with shared.locked() as inside:
        assert inside is shared
        child = ctx.Process(target=shared.append, args=(1,))
        child.start()
        shared.append(2)
        assert 1 not in shared
    child.join()
    assert child.exitcode == 0
    assert list(shared) == [0, 2, 1]
