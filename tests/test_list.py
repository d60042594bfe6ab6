"""List: everything that `list` has, across processes."""

import collections.abc
import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import pumasi
from pumasi import Dict, List


def test_it_is_what_was_put_in() -> None:
    shared = List([1, "two", None])
    assert shared == [1, "two", None]
    assert list(shared) == [1, "two", None]
    assert len(shared) == 3
    assert (repr(shared), str(shared)) == ("[1, 'two', None]", "[1, 'two', None]")
    assert bool(shared)
    assert not List()
    assert List("abc") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        2**59 - 1,
        2**59,
        -(2**59),
        2**63,
        -(2**63) - 1,
        2**100,
        -(10**50),
        True,
        None,
        1.5,
        float("inf"),
        -0.0,
        1j,
        "",
        "short",
        "a string longer than a cell",
        "한국어",
        "x" * 5000,
        "\ud800 alone",
        b"",
        b"bytes",
        b"\0" * 3000,
        (),
        (1, (2.5, ("x", None, True, b"q", 2**70, 1j))),
        frozenset("ab"),
        bytearray(b"changeable"),
        range(5),
        (1, [2]),
        Ellipsis,
    ],
    ids=repr,
)
def test_values_come_back_equal_and_of_their_type(value: Any) -> None:
    [back] = List([value])
    assert back == value
    assert type(back) is type(value)
    if not isinstance(value, frozenset):  # whose order depends on how it was made
        assert repr(back) == repr(value)


def test_nested_plain_containers_become_shared() -> None:
    shared = List([[1], {"a": [2]}])
    shared[0].append(2)
    shared[1]["a"].append(3)
    assert shared == [[1, 2], {"a": [2, 3]}]
    assert type(shared[0]) is List
    assert type(shared[1]) is Dict


def test_cycles_and_shared_parts_keep_their_shape() -> None:
    inner: list[Any] = []
    inner.append(inner)
    shared = List([inner, inner])
    shared[0].append("both")
    assert shared[1][1] == "both"
    assert repr(shared) == "[[[...], 'both'], [[...], 'both']]"
    plain = shared.to_plain()
    assert plain[0] is plain[1]
    assert plain[0][0] is plain[0]
    shared[0].clear()  # the cycle would hold itself until a collection
    loop = List()
    loop.append(loop)
    assert repr(loop) == "[[...]]"
    assert loop == loop[0]
    loop.clear()


def test_plain_copies() -> None:
    shared = List([[1], 2])
    for shallow in (shared.copy(), copy.copy(shared), shared.snapshot(), shared[:]):
        assert type(shallow) is list
        assert type(shallow[0]) is List
    for deep in (shared.to_plain(), copy.deepcopy(shared)):
        assert type(deep) is list
        assert type(deep[0]) is list
    assert json.dumps(shared.to_plain()) == "[[1], 2]"
    assert List([(1, List([2]))]).to_plain() == [(1, [2])]


def test_abstract_base_classes() -> None:
    assert isinstance(List(), collections.abc.MutableSequence)
    match List([1, [2, 3]]):
        case [1, [2, last]]:
            assert last == 3
        case _:
            pytest.fail("a List is not matched as a sequence")


def test_it_is_not_hashable() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(List())


ERRORS: list[tuple[str, Callable[[Any], object]]] = [
    ("get", lambda x: x[3]),
    ("get negative", lambda x: x[-4]),
    ("get huge", lambda x: x[10**30]),
    ("get str", lambda x: x["a"]),
    ("get none", lambda x: x[None]),
    ("set", lambda x: x.__setitem__(3, 0)),
    ("del", lambda x: x.__delitem__(3)),
    ("pop", lambda x: x.pop(3)),
    ("pop str", lambda x: x.pop("a")),
    ("pop empty", lambda x: (x.clear(), x.pop())),
    ("remove", lambda x: x.remove(9)),
    ("index", lambda x: x.index(9)),
    ("index range", lambda x: x.index(1, 1)),
    ("slice with a number", lambda x: x.__setitem__(slice(0, 1), 5)),
    ("step with a number", lambda x: x.__setitem__(slice(0, 3, 2), 5)),
    ("wrong size", lambda x: x.__setitem__(slice(0, 3, 2), [1])),
    ("zero step", lambda x: x[::0]),
    ("zero step set", lambda x: x.__setitem__(slice(0, 1, 0), [])),
    ("extend number", lambda x: x.extend(5)),
    ("no argument", lambda x: x.append()),
    ("sort", lambda x: (x.append("a"), x.sort())),
    ("sort positional", lambda x: x.sort(None)),
]


@pytest.mark.parametrize(("name", "operation"), ERRORS, ids=[name for name, _ in ERRORS])
def test_errors_are_those_of_list(name: str, operation: Callable[[Any], object]) -> None:
    with pytest.raises(Exception) as expected:
        operation([1, 2, 3])
    with pytest.raises(type(expected.value)) as found:
        operation(List([1, 2, 3]))
    # The first two name the class; the third is worded otherwise since Python 3.13.
    if name not in ("no argument", "sort positional", "slice with a number"):
        assert str(found.value) == str(expected.value)


def test_operators() -> None:
    shared = List([1, 2])
    assert shared + [3] == [1, 2, 3]  # noqa: RUF005
    assert [0] + shared == [0, 1, 2]  # noqa: RUF005
    assert shared + shared == [1, 2, 1, 2]
    assert shared * 2 == 2 * shared == [1, 2, 1, 2]
    same = shared
    same += (3,)
    same *= 2
    assert same is shared
    assert shared == [1, 2, 3, 1, 2, 3]
    shared *= -1
    assert shared == []
    assert List([1, 2]) < [1, 3] < List([2])
    assert List([1]) != [1, 2]
    assert List([1]) != (1,)
    with pytest.raises(TypeError):
        shared + (1,)  # type: ignore[operator]  # noqa: RUF005
    with pytest.raises(TypeError):
        List() < 5  # type: ignore[operator] # noqa: B015


def test_sort() -> None:
    shared = List([3, 1, 2])
    shared.sort()
    assert shared == [1, 2, 3]
    shared.sort(key=lambda x: -x)
    assert shared == [3, 2, 1]
    pairs = List([(1, "b"), (0, "z"), (1, "a")])
    pairs.sort(key=lambda p: p[0], reverse=True)
    assert pairs == [(1, "b"), (1, "a"), (0, "z")]  # stable, reversed too


def test_sort_says_when_the_list_was_modified() -> None:
    shared = List([3, 1, 2])

    def key(x: int) -> int:
        shared.append(0)
        return x

    with pytest.raises(ValueError, match="list modified during sort"):
        shared.sort(key=key)


def test_an_iterable_that_raises_adds_nothing() -> None:
    def items() -> Any:
        yield 1
        raise RuntimeError

    shared = List([0])
    with pytest.raises(RuntimeError):
        shared.extend(items())
    assert shared == [0]


def test_iteration_is_by_index() -> None:
    shared = List([1, 2])
    seen = []
    for item in shared:
        seen.append(item)
        if len(seen) < 5:
            shared.append(len(seen))
    assert seen == list(shared)
    assert list(reversed(shared)) == seen[::-1]
    iterator = iter(shared)
    assert iterator.__length_hint__() == len(shared)
    assert list(iterator) == seen
    shared.append(1)
    assert list(iterator) == []  # once at its end it stays there


def test_update_with() -> None:
    shared = List([1, 2])
    assert shared.update_with(-1, lambda x: x * 10) == 20
    assert shared == [1, 20]
    with pytest.raises(IndexError):
        shared.update_with(5, lambda x: x)


def test_comparing_elements_of_ones_own_class() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, int) and other % 2 == 1

        __hash__ = None  # type: ignore[assignment]

    shared = List([2, 4, 5])
    assert Odd() in shared
    assert shared.index(Odd()) == 2  # type: ignore[arg-type]
    assert shared.count(Odd()) == 1  # type: ignore[arg-type]
    shared.remove(Odd())  # type: ignore[arg-type]
    assert shared == [2, 4]


def test_what_can_be_received_only_once_is_refused() -> None:
    import socket
    from multiprocessing import Pipe

    shared: List[Any] = List()
    receiver, sender = Pipe()
    with receiver, sender, socket.socket() as plug:
        for once in (receiver, plug, [receiver], (1, plug)):
            with pytest.raises(TypeError, match="only once"):
                shared.append(once)
    assert shared == []


def test_locks_and_values_are_only_inherited() -> None:
    shared: List[Any] = List()
    for inherited in (pumasi.Lock(), pumasi.Value("i"), pumasi.Event(), pumasi.RawArray("i", 2)):
        with pytest.raises(RuntimeError, match="inheritance"):
            shared.append(inherited)


def test_subclasses_keep_their_class() -> None:
    shared = Sub([1, 2])
    back = pickle.loads(pickle.dumps(shared))
    assert type(back) is Sub
    assert back.total() == 3


class Sub(List[int]):
    def total(self) -> int:
        return sum(self)


def test_type_arguments() -> None:
    assert List[int].__origin__ is List


# ---- across processes ----------------------------------------------------------------------


def append_many(shared: List[Any], n: int) -> None:
    for i in range(n):
        shared.append(i)


def test_appends_of_all_processes_arrive(ctx: Any) -> None:
    shared: List[Any] = List()
    children = [ctx.Process(target=append_many, args=(shared, 500)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert sorted(shared) == sorted(list(range(500)) * 4)


def nest(shared: List[Any]) -> None:
    shared.append(["from the child"])
    shared[0].append("changed")
    shared.append(shared)


def test_nested_lists_made_in_a_child(ctx: Any, run: Callable[..., None]) -> None:
    shared = List([["parent"]])
    run(ctx, nest, shared)
    assert shared[:2] == [["parent", "changed"], ["from the child"]]
    assert shared[2] == shared
    shared.clear()


def mutate(shared: List[Any], rounds: int) -> None:
    for i in range(rounds):
        shared.extend([i, i])
        shared.insert(len(shared) // 2, "x" * (i % 40))
        shared[len(shared) // 3] = [i]
        del shared[:2]
        shared.sort(key=str) if i % 50 == 0 and len(shared) == 0 else None
        shared.reverse()


def test_many_kinds_of_changes_at_once(ctx: Any) -> None:
    shared = List(range(10))
    children = [ctx.Process(target=mutate, args=(shared, 100)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert len(shared) == 10 + 3 * 100
    assert len(shared.to_plain()) == len(shared)


def test_an_index_beyond_all_lists() -> None:
    shared = List([5, 6])
    assert shared.index(6, -(2**100), 2**100) == 1
    with pytest.raises(ValueError, match="not in list"):
        shared.index(5, 2**100)
    with pytest.raises(TypeError):
        shared.index(5, 1.5)  # type: ignore[arg-type]
