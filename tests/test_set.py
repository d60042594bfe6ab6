"""Set: everything that `set` has, across processes."""

import collections.abc
import copy
import operator
import os
import pickle
import signal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import pumasi
from pumasi import Dict, List, Set


def test_making_one() -> None:
    assert Set() == set()
    assert Set("abca") == {"a", "b", "c"}
    assert Set(Set([1, 2])) == {1, 2}
    assert Set(x for x in (1, 1.0, True)) == {1}
    with pytest.raises(TypeError, match="at most 1 argument"):
        Set(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="not iterable"):
        Set(5)  # type: ignore[arg-type]


def test_it_has_every_name_of_set() -> None:
    assert set(dir(set)) - set(dir(Set)) == set()


def test_methods_that_change_it() -> None:
    shared = Set([1, 2])
    shared.add(3)
    shared.add(3.0)
    assert len(shared) == 3
    shared.discard("nothing")
    shared.remove(1)
    with pytest.raises(KeyError) as missing:
        shared.remove(1)
    assert missing.value.args == (1,)
    assert shared.pop() == 3  # the newest
    shared.update([5, 6], (7,), Set([8]))
    assert shared == {2, 5, 6, 7, 8}
    shared.intersection_update([2, 5, 6], {5, 6, 9})
    assert shared == {5, 6}
    shared.symmetric_difference_update([6, 7, 7])
    assert shared == {5, 7}
    shared.difference_update([5], Set([7]), [])
    assert not shared
    shared.update()
    shared.intersection_update()
    with pytest.raises(KeyError, match="pop from an empty set"):
        shared.pop()
    shared.add(1)
    shared.clear()
    assert len(shared) == 0


def test_operators_in_place_keep_the_object() -> None:
    shared = same = Set([1, 2, 3])
    shared |= {4}
    shared &= Set([2, 3, 4])
    shared -= frozenset([3])
    shared ^= {2, 9}
    assert shared is same
    assert shared == {4, 9}
    shared |= shared
    shared &= shared
    assert shared == {4, 9}
    shared ^= shared
    assert shared == set()
    for operate in ("__ior__", "__iand__", "__isub__", "__ixor__"):
        with pytest.raises(TypeError):
            getattr(shared, operate)([1])


@pytest.mark.parametrize(
    "other", [{2, 3}, frozenset([2, 3]), Set([2, 3])], ids=["set", "frozen", "Set"]
)
def test_operators_return_plain_sets(other: Any) -> None:
    shared = Set([1, 2])
    for result, expected in (
        (shared | other, {1, 2, 3}),
        (shared & other, {2}),
        (shared - other, {1}),
        (shared ^ other, {1, 3}),
        (other | shared, {1, 2, 3}),
        (other & shared, {2}),
        (other - shared, {3}),
        (other ^ shared, {1, 3}),
    ):
        assert result == expected
        assert type(result) in (set, frozenset)
    assert shared.union(other, [7]) == {1, 2, 3, 7}
    assert shared.intersection(other, [2]) == {2}
    assert shared.difference(other) == {1}
    assert shared.symmetric_difference(other) == {1, 3}
    assert shared == {1, 2}


def test_comparisons() -> None:
    shared = Set([1, 2])
    assert shared == {1, 2} == shared == Set([2, 1]) == frozenset([1, 2])
    assert shared != {1}
    assert shared != [1, 2]
    assert shared <= {1, 2} <= shared
    assert {1} < shared < {1, 2, 3}
    assert not shared < Set([1, 2])
    assert shared >= Set([2])
    assert Set([2]) <= shared
    assert shared <= shared
    assert not shared < shared
    assert shared.issubset([1, 2, 3])
    assert shared.issuperset(iter([1]))
    assert shared.isdisjoint([3])
    assert not shared.isdisjoint(Set([2]))
    with pytest.raises(TypeError):
        operator.lt(shared, [1])


def test_a_set_is_looked_for_as_a_frozenset() -> None:
    shared = Set([frozenset([1, 2]), 3])
    assert {1, 2} in shared
    assert Set([1, 2]) in shared
    assert {3} not in shared
    shared.discard({5})
    shared.remove({2, 1})
    with pytest.raises(KeyError):
        shared.remove({1, 2})
    for operation in (shared.add, Set().update):
        with pytest.raises(TypeError, match="unhashable type"):
            operation([{1}])  # type: ignore[arg-type]


def test_elements_come_back_as_given() -> None:
    shared = Set([2.0, True, (1, 2.5), "text", None, b"bytes", 2**80])
    assert [repr(x) for x in shared] == [
        "2.0",
        "True",
        "(1, 2.5)",
        "'text'",
        "None",
        "b'bytes'",
        str(2**80),
    ]


def test_repr_copies_and_pickles() -> None:
    assert repr(Set()) == "set()"
    assert repr(Set([1])) == str(Set([1])) == "{1}"
    shared = Set([1, (2, 3)])
    for plain in (
        shared.copy(),
        shared.snapshot(),
        shared.to_plain(),
        copy.copy(shared),
        copy.deepcopy(shared),
    ):
        assert type(plain) is set
        assert plain == shared
    again = pickle.loads(pickle.dumps(shared))
    again.add("more")
    assert "more" in shared
    with pytest.raises(TypeError, match="unhashable"):
        hash(shared)


def test_iteration_notices_a_change() -> None:
    shared = Set([1, 2])
    iterator = iter(shared)
    assert iterator.__length_hint__() == 2
    shared.add(next(iterator) + 5)
    with pytest.raises(RuntimeError, match="Set changed size during iteration"):
        next(iterator)
    for element in shared:
        shared.add(element)  # nothing new
    assert list(shared) == [1, 2, 6]  # in order of insertion


def test_abstract_base_classes() -> None:
    assert isinstance(Set(), collections.abc.MutableSet)
    assert {"a": 0}.keys() & Set("ab") == {"a"}
    assert Set("ab") == {"a": 0, "b": 1}.keys()
    assert Dict(a=1).keys() | Set("b") == {"a", "b"}


def test_nested_plain_sets_become_shared() -> None:
    shared: Dict[str, Any] = Dict(seen={1, 2})
    shared["seen"].add(3)
    assert shared == {"seen": {1, 2, 3}}
    assert type(shared["seen"]) is Set
    rows = List([{1}, [{2}]])
    rows[1][0] |= {5}
    assert rows.to_plain() == [{1}, [{2, 5}]]
    twice = {1}
    rows = List([twice, twice])
    rows[0].add(2)
    assert rows[1] == {1, 2}
    assert pumasi.Manager  # its containers keep copies: see test_managers.py


def test_an_iterable_that_raises_changes_nothing() -> None:
    def failing() -> Any:
        yield 1
        raise ZeroDivisionError

    shared = Set([7])
    for change in (
        shared.update,
        shared.difference_update,
        shared.intersection_update,
        shared.symmetric_difference_update,
    ):
        with pytest.raises(ZeroDivisionError):
            change(failing())
        with pytest.raises(TypeError, match="unhashable"):
            change([7, []])
    assert shared == {7}


relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=30)
elements = (
    st.integers(-5, 30) | st.floats(0, 3) | st.text(max_size=3) | st.tuples(st.integers(0, 3))
)
many = st.lists(elements, max_size=12)


class SetMachine(RuleBasedStateMachine):
    """Does the same to a set and to a Set."""

    def __init__(self) -> None:
        super().__init__()
        self.plain: set[Any] = set()
        self.shared: Set[Any] = Set()

    @rule(element=elements)
    def add(self, element: Any) -> None:
        self.plain.add(element)
        self.shared.add(element)

    @rule(element=elements)
    def discard(self, element: Any) -> None:
        assert (element in self.shared) == (element in self.plain)
        self.plain.discard(element)
        self.shared.discard(element)

    @rule(
        name=st.sampled_from(
            [
                "update",
                "difference_update",
                "intersection_update",
                "symmetric_difference_update",
            ]
        ),
        items=many,
    )
    def change(self, name: str, items: list[Any]) -> None:
        getattr(self.plain, name)(items)
        getattr(self.shared, name)(items)

    @rule(
        name=st.sampled_from(
            [
                "union",
                "difference",
                "intersection",
                "symmetric_difference",
                "issubset",
                "issuperset",
                "isdisjoint",
            ]
        ),
        items=many,
    )
    def ask(self, name: str, items: list[Any]) -> None:
        assert getattr(self.plain, name)(items) == getattr(self.shared, name)(items)

    @invariant()
    def same(self) -> None:
        assert self.shared == self.plain
        assert len(self.shared) == len(self.plain)
        assert set(self.shared) == self.plain


TestSetMachine = SetMachine.TestCase
TestSetMachine.settings = settings(relaxed, stateful_step_count=20)


@relaxed
@given(many)
def test_any_set(items: list[Any]) -> None:
    assert Set(items) == set(items)


# ---- across processes ----------------------------------------------------------------------


def claim(shared: Set[Any], won: Any, n: int) -> None:
    for i in range(n):
        try:
            shared.remove(i)
        except KeyError:
            continue
        won.add(1)


def test_one_of_many_removes_an_element(ctx: Any) -> None:
    shared = Set(range(300))
    won = ctx.Value("i")
    children = [ctx.Process(target=claim, args=(shared, won, 300)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert won.value == 300
    assert not shared


def toggle(shared: Set[Any], ready: Any) -> None:
    low, high = set(range(100)), set(range(100, 200))
    ready.set()
    while True:
        shared ^= low | high


def test_a_kill_leaves_all_or_nothing_of_a_change() -> None:
    ctx = pumasi.get_context("fork")
    shared = Set(range(100))
    halves = (set(range(100)), set(range(100, 200)))
    for _ in range(8):
        ready = ctx.Event()
        child = ctx.Process(target=toggle, args=(shared, ready))
        child.start()
        ready.wait()
        for _ in range(20):
            assert shared.snapshot() in halves
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        child.close()
        assert shared.snapshot() in halves


def test_locked_keeps_others_out(ctx: Any, run: Callable[..., None]) -> None:
    shared = Set([0])
    with shared.locked() as inside:
        assert inside is shared
        child = ctx.Process(target=shared.add, args=(1,))
        child.start()
        shared.add(2)
        assert 1 not in shared
    child.join()
    assert child.exitcode == 0
    assert shared == {0, 1, 2}
