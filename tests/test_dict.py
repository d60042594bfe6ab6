"""Dict: everything that `dict` has, across processes."""

import collections
import collections.abc
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import pathlib
import pickle
import uuid
from collections.abc import Callable
from typing import Any

import pytest

import pumasi
from pumasi import Dict, List


def test_making_one() -> None:
    assert Dict() == {}
    assert Dict({"a": 1}) == {"a": 1}
    assert Dict([("a", 1), ["b", 2]], c=3) == {"a": 1, "b": 2, "c": 3}
    assert Dict(a=1, self=2) == {"a": 1, "self": 2}
    assert Dict(Dict(a=1)) == {"a": 1}
    assert Dict.fromkeys("ab") == {"a": None, "b": None}
    assert Dict.fromkeys("ab", 0) == {"a": 0, "b": 0}
    assert repr(Dict(a=[1], b={})) == "{'a': [1], 'b': {}}"


def test_it_keeps_the_order_of_insertion() -> None:
    shared = Dict(c=1, a=2)
    shared["b"] = 3
    shared["c"] = 4
    assert list(shared) == ["c", "a", "b"]
    del shared["c"]
    shared["c"] = 5
    assert list(shared.items()) == [("a", 2), ("b", 3), ("c", 5)]
    assert list(reversed(shared)) == ["c", "b", "a"]
    assert shared.popitem() == ("c", 5)


def test_numbers_that_are_equal_are_one_key() -> None:
    for first in (1, 1.0, True, 1 + 0j):
        for second in (1, 1.0, True, 1 + 0j):
            shared = Dict({first: "first"})
            shared[second] = "second"
            assert shared == {1: "second"}
            assert repr(list(shared)) == repr([first])  # as it was first given
    shared = Dict({(1, 2.0): "a"})
    assert shared[(1.0, 2)] == "a"
    big = Dict({2**80: 1, 2**63: 2, -(2**70): 3, 1e300: 4})
    assert [big[2.0**80], big[2.0**63], big[-(2.0**70)], big[int(1e300)]] == [1, 2, 3, 4]
    assert Dict({0: 1})[-0.0] == 1


class Color(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    SEVEN = 7


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Text(str):
    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: str


Pair = collections.namedtuple("Pair", "left right")  # noqa: PYI024

UTC = datetime.timezone.utc
KEYS: list[Any] = [
    None,
    0,
    -5,
    2**59,
    2**90,
    1.5,
    float("inf"),
    2j,
    "",
    "short",
    "a long string, longer than a cell",
    "\ud800",
    b"",
    b"long bytes, longer than a cell",
    (),
    ("a", (1, None)),
    Color.RED,
    Number.SEVEN,
    Mode.READ | Mode.WRITE,
    Text("text"),
    Pair(1, 2),
    ("nested", Color.RED),
    frozenset(["a", (1, 2)]),
    datetime.date(2020, 2, 29),
    datetime.datetime(2020, 2, 29, 1),
    datetime.datetime(2020, 2, 29, tzinfo=UTC),
    datetime.time(3),
    datetime.time(3, tzinfo=UTC),
    datetime.timedelta(hours=5),
    uuid.UUID(int=5),
    decimal.Decimal("0.1"),
    fractions.Fraction(1, 3),
    pathlib.PurePosixPath("/tmp"),
    Point(1, "x"),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_keys(key: Any) -> None:
    shared = Dict({key: "value", "other key": 0})
    again = pickle.loads(pickle.dumps(key))
    assert shared[again] == "value"
    assert again in shared
    first = next(iter(shared))
    assert first == key
    assert type(first) is type(key)
    shared[again] = "new"
    assert len(shared) == 2
    assert shared.pop(again) == "new"
    assert again not in shared


def get_all(shared: Dict[Any, Any], keys: list[Any]) -> None:
    for i, key in enumerate(keys):
        assert shared[key] == i, key
        shared[key] = -i


def test_keys_are_found_from_another_process(ctx: Any, run: Callable[..., None]) -> None:
    shared = Dict({key: i for i, key in enumerate(KEYS)})
    run(ctx, get_all, shared, KEYS)
    assert list(shared.values()) == [-i for i in range(len(KEYS))]


def test_keys_that_are_equal_across_types() -> None:
    half = Dict({0.5: "half"})
    assert half[fractions.Fraction(1, 2)] == "half"
    assert half[decimal.Decimal("0.5")] == "half"
    assert Dict({7: 1})[Number.SEVEN] == 1
    assert Dict({7: 1})[decimal.Decimal(7)] == 1
    assert Dict({"text": 1})[Text("text")] == 1
    assert Dict({(1, 2): 1})[Pair(1, 2)] == 1
    assert Dict({decimal.Decimal("0.1"): 1})[fractions.Fraction(1, 10)] == 1
    instant = datetime.datetime(2020, 1, 1, 12, tzinfo=UTC)
    elsewhere = instant.astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    assert Dict({instant: 1})[elsewhere] == 1


def test_numpy_keys() -> None:
    numpy = pytest.importorskip("numpy")
    shared = Dict({numpy.int64(3): "a", numpy.str_("s"): "b", numpy.bool_(True): "c"})
    assert (shared[3], shared["s"], shared[1]) == ("a", "b", "c")
    assert type(next(iter(shared))) is numpy.int64


@pytest.mark.parametrize("key", [[], {}, set(), List(), Dict(), bytearray()], ids=repr)
def test_unhashable_keys(key: Any) -> None:
    with pytest.raises(TypeError, match="unhashable type"):
        Dict()[key] = 1
    with pytest.raises(TypeError, match="unhashable type"):
        Dict().get(key)
    with pytest.raises(TypeError, match="unhashable type"):
        Dict().get((1, key))


def test_keys_that_others_could_not_compare() -> None:
    class Mine:
        pass

    class Loud(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return str(other).upper() == self.upper()

        __hash__ = str.__hash__

    for key in (Mine(), Mine, [].append, Loud("a"), decimal.Decimal("nan"), ("a", Mine())):
        with pytest.raises(TypeError, match="cannot be a key"):
            Dict()[key] = 1


ERRORS: list[tuple[str, Callable[[Any], object]]] = [
    ("get", lambda d: d["no"]),
    ("get tuple", lambda d: d[(1, 2)]),
    ("del", lambda d: d.__delitem__("no")),
    ("pop", lambda d: d.pop("no")),
    ("pop three", lambda d: d.pop("no", 1, 2)),
    ("popitem", lambda d: (d.clear(), d.popitem())),
    ("update length", lambda d: d.update([(1, 2, 3)])),
    ("update type", lambda d: d.update([1])),
    ("update number", lambda d: d.update(5)),
    ("update two", lambda d: d.update({}, {})),
    ("less", lambda d: d < {}),
    ("or", lambda d: d | [("a", 1)]),
]


@pytest.mark.parametrize(("name", "operation"), ERRORS, ids=[name for name, _ in ERRORS])
def test_errors_are_those_of_dict(name: str, operation: Callable[[Any], object]) -> None:
    with pytest.raises(Exception) as expected:
        operation({"a": 1})
    with pytest.raises(type(expected.value)) as found:
        operation(Dict({"a": 1}))
    if name not in ("less", "or"):  # those name the class
        assert str(found.value) == str(expected.value)


def test_methods() -> None:
    shared = Dict(a=1)
    assert shared.get("a") == 1
    assert shared.get("b") is None
    assert shared.get("b", 2) == 2
    assert shared.setdefault("a", 5) == 1
    assert shared.setdefault("b") is None
    shared.setdefault("list", []).append(1)
    assert shared["list"] == [1]
    assert shared.pop("b", "default") is None
    assert shared.pop("b", "default") == "default"
    shared.update({"x": 1}, y=2)
    shared.update([("z", 3)])
    shared |= {"w": 4}
    assert shared == {"a": 1, "list": [1], "x": 1, "y": 2, "z": 3, "w": 4}
    assert shared | {"a": 0} == {**shared.copy(), "a": 0}
    assert {"a": 0, "q": 1} | shared == {"a": 1, "q": 1} | shared.copy()
    assert shared != {}
    assert shared == Dict(shared)
    shared.clear()
    assert len(shared) == 0


def test_views() -> None:
    shared = Dict(a=1, b=2)
    keys, values, items = shared.keys(), shared.values(), shared.items()
    shared["c"] = 3
    assert (list(keys), list(values)) == (["a", "b", "c"], [1, 2, 3])
    assert list(items) == [("a", 1), ("b", 2), ("c", 3)]
    assert list(reversed(values)) == [3, 2, 1]
    assert len(keys) == len(values) == len(items) == 3
    assert "a" in keys
    assert 3 in values
    assert ("a", 1) in items
    assert ("a", 2) not in items
    assert "a" not in items
    assert repr(keys) == "dict_keys(['a', 'b', 'c'])"
    assert repr(values) == "dict_values([1, 2, 3])"
    assert repr(items) == "dict_items([('a', 1), ('b', 2), ('c', 3)])"
    assert keys & ["a", "z"] == {"a"}
    assert ["a", "z"] & keys == {"a"}
    assert keys | ["z"] == {"a", "b", "c", "z"}
    assert keys - ["a"] == {"b", "c"}
    assert {"a", "z"} - keys == {"z"}
    assert keys ^ ["a", "z"] == {"b", "c", "z"}
    assert keys == {"a", "b", "c"}
    assert keys == {"a": 0, "b": 0, "c": 0}.keys()
    assert keys > {"a"}
    assert items >= {("a", 1)}
    assert values != shared.values()
    assert keys.isdisjoint(["z"])
    assert not keys.isdisjoint(["a"])
    assert keys.mapping["a"] == 1


def test_iteration_notices_a_change_of_the_keys() -> None:
    shared = Dict(a=1, b=2)
    iterator = iter(shared)
    shared[next(iterator) + "x"] = 1
    with pytest.raises(RuntimeError, match="dictionary changed size during iteration"):
        next(iterator)
    for key in shared:
        shared[key] = 5  # a change of values is none of the keys
    assert set(shared.values()) == {5}


def test_nested_plain_containers_become_shared() -> None:
    shared = Dict(a={"b": []})
    shared["a"]["b"].append({"c": 1})
    shared["a"]["b"][0]["c"] += 1
    assert shared == {"a": {"b": [{"c": 2}]}}
    assert type(shared.copy()["a"]) is Dict
    assert copy.deepcopy(shared) == shared.to_plain() == {"a": {"b": [{"c": 2}]}}
    assert json.dumps(shared.to_plain()) == '{"a": {"b": [{"c": 2}]}}'
    shared["itself"] = shared
    assert repr(shared) == "{'a': {'b': [{'c': 2}]}, 'itself': {...}}"
    del shared["itself"]


def test_abstract_base_classes() -> None:
    assert isinstance(Dict(), collections.abc.MutableMapping)
    match Dict(kind="x", n=1):
        case {"kind": "x", **rest}:
            assert rest == {"n": 1}
        case _:
            pytest.fail("a Dict is not matched as a mapping")
    assert {**Dict(a=1)} == {"a": 1}
    assert dict(Dict(a=1)) == {"a": 1}


def test_add() -> None:
    shared: Dict[Any, Any] = Dict()
    assert shared.add("n") == 1
    assert shared.add("n", 2) == 3
    assert shared.add("n", 0.5) == 3.5
    assert shared.add("big", 2**70) == 2**70
    assert shared.add("big", 1) == 2**70 + 1
    assert shared.add("edge", 2**62) == 2**62
    assert shared.add("edge", 2**62) == 2**63
    assert shared.add("third", fractions.Fraction(1, 3)) == fractions.Fraction(1, 3)
    shared["text"] = "x"
    with pytest.raises(TypeError):
        shared.add("text")


def test_update_with() -> None:
    shared = Dict(a=[1])
    assert shared.update_with("n", lambda n: n + 1, default=0) == 1
    assert shared.update_with("n", lambda n: n + 1) == 2
    assert shared.update_with("new", lambda x: x) is None
    with pytest.raises(ZeroDivisionError):
        shared.update_with("n", lambda n: n / 0)
    assert shared["n"] == 2


# ---- across processes ----------------------------------------------------------------------


def count(shared: Dict[Any, Any], n: int) -> None:
    for i in range(n):
        shared.add("added")
        shared.update_with("updated", lambda x: x + 1, default=0)
        shared[i] = i
        with shared.locked():
            shared["locked"] = shared.get("locked", 0) + 1


def test_no_update_is_lost(ctx: Any) -> None:
    shared: Dict[Any, Any] = Dict()
    children = [ctx.Process(target=count, args=(shared, 200)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert (shared["added"], shared["updated"], shared["locked"]) == (600, 600, 600)
    assert len(shared) == 203


def set_defaults(shared: Dict[Any, Any], mine: int, won: Any) -> None:
    for i in range(100):
        if shared.setdefault(i, mine) == mine:
            won.add(1)


def test_one_of_many_sets_the_default(ctx: Any) -> None:
    shared: Dict[Any, Any] = Dict()
    won = ctx.Value("i")
    children = [ctx.Process(target=set_defaults, args=(shared, i, won)) for i in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert won.value == 100


def test_python_objects_as_values(ctx: Any, run: Callable[..., None]) -> None:
    shared = Dict(point=Point(1, "x"), when=datetime.date(2020, 1, 1))
    run(ctx, move, shared)
    assert shared["point"] == Point(2, "x")
    assert shared["made"] == Color.RED


def move(shared: Dict[Any, Any]) -> None:
    point = shared["point"]
    shared["point"] = Point(point.x + 1, point.y)
    shared["made"] = Color.RED


def test_arrays_come_back_read_only() -> None:
    numpy = pytest.importorskip("numpy")
    shared = Dict(small=numpy.arange(3), large=numpy.arange(100_000.0))
    assert (shared["small"] == [0, 1, 2]).all()
    large = shared["large"]
    assert large.sum() == sum(range(100_000))
    assert not large.flags.writeable
    assert large.flags.aligned


def test_stats() -> None:
    shared: Dict[Any, Any] = Dict()
    assert not pumasi.heap.counting
    pumasi.heap.counting = True
    try:
        shared.add("a")
        shared["b"] = 1
        counted = pumasi.stats(shared)
        assert counted["add"] == 1
        assert counted["set"] == 1
        assert counted["contended"] == 0
        assert any(name.startswith("Dict@") for name in pumasi.stats())
    finally:
        pumasi.heap.counting = False
    with pytest.raises(TypeError):
        pumasi.stats(5)
