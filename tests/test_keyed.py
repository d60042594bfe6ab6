"""DefaultDict, Counter and Namespace: everything that Python's own have, across processes."""

import collections
import copy
import json
import multiprocessing.managers
import operator
import os
import pickle
import signal
from collections.abc import Callable
from typing import Any

import pytest

import pumasi
from pumasi import Counter, DefaultDict, Dict, List, Namespace, Set

# ---- DefaultDict ---------------------------------------------------------------------------


def test_a_default_dict_makes_what_is_missing() -> None:
    shared = DefaultDict(list, {"a": [1]}, b=[2])
    shared["c"].append(3)
    shared["a"].append(4)
    assert shared == {"a": [1, 4], "b": [2], "c": [3]}
    assert list(shared) == ["a", "b", "c"]
    assert (len(shared), "d" in shared, shared.get("d")) == (3, False, None)
    assert shared.default_factory is list
    shared.default_factory = int
    assert shared["n"] == 0
    shared.default_factory = None
    with pytest.raises(KeyError, match="nothing"):
        shared["nothing"]
    with pytest.raises(KeyError):
        DefaultDict()["x"]


def test_a_default_dict_hides_its_factory() -> None:
    shared: DefaultDict[Any, Any] = DefaultDict(dict)
    assert (len(shared), bool(shared), list(shared), shared.to_plain()) == (0, False, [], {})
    assert list(reversed(shared)) == []
    with pytest.raises(KeyError, match="dictionary is empty"):
        shared.popitem()
    shared["a"] = 1
    assert list(reversed(shared.items())) == [("a", 1)]
    assert shared.popitem() == ("a", 1)
    for i in range(100):
        shared[i] = i
    shared.clear()
    assert len(shared) == 0
    assert shared.default_factory is dict
    assert shared["again"] == {}


def test_copies_and_text_of_a_default_dict() -> None:
    shared = DefaultDict(list, a=[1])
    plain = collections.defaultdict(list, a=[1])
    assert repr(shared) == repr(plain)
    assert type(shared.copy()) is type(copy.copy(shared)) is collections.defaultdict
    for copied in (shared.to_plain(), copy.deepcopy(shared)):
        assert copied == plain
        assert type(copied) is collections.defaultdict
        assert type(copied["a"]) is list
        assert copied.default_factory is list
    assert type(shared | {"b": 1}) is collections.defaultdict
    assert shared | {"b": 1} == plain | {"b": 1}
    assert {"b": 1} | shared == {"b": 1} | plain
    shared |= {"b": [5]}
    assert type(shared) is DefaultDict
    assert shared["b"] == [5]
    assert set(dir(collections.defaultdict)) - set(dir(DefaultDict)) == set()


def test_errors_of_a_default_dict() -> None:
    with pytest.raises(TypeError, match="first argument must be callable or None"):
        DefaultDict(5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="first argument must be callable or None"):
        DefaultDict(list).default_factory = 5  # type: ignore[assignment]
    with pytest.raises(TypeError, match="at most 1 argument"):
        DefaultDict(list, {}, {})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="unhashable"):
        DefaultDict(list)[[]]


def fill(shared: DefaultDict[Any, Any], n: int) -> None:
    for i in range(n):
        shared[i % 10].append(i)


def test_of_many_who_miss_a_key_all_get_one_value(ctx: Any) -> None:
    shared: DefaultDict[Any, Any] = DefaultDict(list)
    children = [ctx.Process(target=fill, args=(shared, 100)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert sum(len(values) for values in shared.values()) == 300


def test_update_with_gives_what_is_missing_as_an_index_does() -> None:
    groups, counts = DefaultDict(list), Counter()
    assert groups.update_with("r", lambda group: [*group, "rice"]) == ["rice"]
    groups["r"].append("radish")
    assert groups == {"r": ["rice", "radish"]}
    assert groups.update_with("s", lambda group: [*group, 1], ["given"]) == ["given", 1]
    assert counts.update_with("n", lambda n: n + 2) == 2
    assert counts.update_with("n", lambda n: n * 5) == 10
    assert counts.update_with("m", lambda n: n + 2, 5) == 7
    assert DefaultDict(None).update_with("k", lambda old: old) is None
    inner = DefaultDict(Counter)
    inner.update_with("k", lambda counter: counter)
    inner["k"].add("a")
    assert inner.to_plain() == {"k": {"a": 1}}


# ---- Counter -------------------------------------------------------------------------------


def test_a_counter_counts() -> None:
    shared = Counter("abcab", z=1)
    plain = collections.Counter("abcab", z=1)
    assert shared == plain == shared
    assert repr(shared) == repr(plain)
    assert shared["missing"] == 0
    assert "missing" not in shared
    shared["a"] += 5
    shared.update("aa", b=3)
    shared.update({"c": 2})
    shared.update(None)
    shared.subtract(Counter(c=10))
    shared.subtract("z", z=4)
    plain["a"] += 5
    plain.update("aa", b=3)
    plain.update({"c": 2})
    plain.subtract({"c": 10})
    plain.subtract("z", z=4)
    assert shared == plain
    assert shared.most_common() == plain.most_common()
    assert shared.most_common(1) == [("a", 9)]
    assert sorted(shared.elements()) == sorted(plain.elements())
    assert shared.total() == plain.total()
    assert shared.add("a", 2) == 11
    del shared["a"]
    del shared["a"]
    assert shared["a"] == 0
    with pytest.raises(NotImplementedError, match="Use Counter"):
        Counter.fromkeys("ab")
    assert set(dir(collections.Counter)) - set(dir(Counter)) <= {
        "__module__",
        "__dict__",
        "__firstlineno__",
        "__static_attributes__",
        "__weakref__",
        "_keep_positive",
    }


def test_arithmetic_of_counters_gives_plain_ones() -> None:
    first, second = collections.Counter(a=3, b=1, c=-1), collections.Counter(a=1, b=2)
    for operate in (
        lambda x, y: x + y,
        lambda x, y: x - y,
        lambda x, y: x & y,
        lambda x, y: x | y,
        lambda x, y: +x,
        lambda x, y: -x,
        lambda x, y: x.copy(),
        lambda x, y: copy.deepcopy(x),
    ):
        expected = operate(first, second)
        for x, y in (
            (Counter(first), Counter(second)),
            (Counter(first), second),
            (first, Counter(second)),
        ):
            result = operate(x, y)
            assert result == expected
            assert type(result) is collections.Counter


def test_counters_in_place() -> None:
    for name in ("__iadd__", "__isub__", "__iand__", "__ior__"):
        plain = collections.Counter(a=3, b=1, c=-1, d=2)
        shared = Counter(plain)
        other = collections.Counter(a=1, b=2, d=2)
        plain = getattr(plain, name)(other)
        same = getattr(shared, name)(Counter(other))
        assert shared == plain, name
        assert same is None or same is shared
    counts = Counter(a=1)
    counts += collections.Counter(b=2)
    assert type(counts) is Counter
    assert counts == {"a": 1, "b": 2}


def test_comparisons_of_counters() -> None:
    assert Counter(a=1, b=0) == collections.Counter(a=1)
    assert Counter(a=1) <= Counter(a=2)
    assert Counter(a=1) < collections.Counter(a=1, b=1)
    assert collections.Counter(a=1) <= Counter(a=1)
    assert Counter(a=1) != Counter(a=2)
    assert Counter(a=1, b=0) != {"a": 1}
    assert Counter(a=1) == {"a": 1} == Counter(a=1)
    assert Counter(a=1) == Dict(a=1)
    with pytest.raises(TypeError):
        operator.lt(Counter(), 5)


def count(shared: Counter[Any], n: int) -> None:
    for _ in range(n):
        shared.add("added")
        shared.update("ab")
        shared.subtract({"down": 1})


def test_no_count_is_lost(ctx: Any) -> None:
    shared: Counter[Any] = Counter()
    children = [ctx.Process(target=count, args=(shared, 100)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert shared == {"added": 300, "a": 300, "b": 300, "down": -300}


def count_for_ever(shared: Counter[Any], ready: Any) -> None:
    ready.set()
    while True:
        shared.update({"x": 1})
        shared.add("y")


def test_a_kill_leaves_whole_counts() -> None:
    ctx = pumasi.get_context("fork")
    shared: Counter[Any] = Counter()
    for _ in range(5):
        ready = ctx.Event()
        child = ctx.Process(target=count_for_ever, args=(shared, ready))
        child.start()
        ready.wait()
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        child.close()
        assert 0 <= shared["x"] - shared["y"] <= 5
    assert shared.add("x", -shared["x"]) == 0


# ---- Namespace -----------------------------------------------------------------------------


def test_a_namespace_has_any_attributes() -> None:
    shared = Namespace(a=1, rows=[])
    shared.b = "x"
    shared.rows.append({"deep": 1})
    shared.rows[0]["deep"] += 1
    assert (shared.a, shared.b, shared.rows) == (1, "x", [{"deep": 2}])
    assert repr(shared) == "Namespace(a=1, b='x', rows=[{'deep': 2}])"
    assert repr(shared) == repr(multiprocessing.managers.Namespace(**shared.snapshot()))
    del shared.b
    assert not hasattr(shared, "b")
    with pytest.raises(AttributeError, match="'Namespace' object has no attribute 'b'"):
        del shared.b
    with pytest.raises(AttributeError, match="'Namespace' object has no attribute 'b'"):
        shared.b  # noqa: B018
    assert "a" in shared
    assert "a" in dir(shared)
    assert getattr(shared, "__wrapped__", None) is None
    shared._hidden = 1
    assert "_hidden" not in repr(shared)
    assert shared._hidden == 1


def test_a_namespace_counts() -> None:
    shared = Namespace()
    assert shared.add("n") == 1
    assert shared.add("n", 2.5) == 3.5
    assert shared.update_with("best", lambda best: max(best, 7), 0) == 7
    with shared.locked() as inside:
        inside.n = 0
    assert shared.snapshot() == {"n": 0, "best": 7}
    assert shared == Namespace(n=0, best=7)
    assert shared != Namespace(n=1, best=7)
    assert shared != {"n": 0, "best": 7}


def test_copies_of_a_namespace() -> None:
    shared = Namespace(rows=[{1}])
    assert shared.to_plain() == {"rows": [{1}]}
    copied = copy.deepcopy(shared)
    assert type(copied) is multiprocessing.managers.Namespace
    assert type(copied.rows) is list
    assert type(copy.copy(shared).rows) is List


def test_names_that_a_namespace_keeps_for_itself() -> None:
    shared = Namespace()
    for name in ("add", "locked", "__class__", "__dunder__"):
        with pytest.raises(AttributeError, match="belongs to the class"):
            setattr(shared, name, 1)
    with pytest.raises(AttributeError, match="belongs to the class"):
        Namespace(add=1)
    with pytest.raises(TypeError, match="keyword arguments only"):
        Namespace({})  # type: ignore[arg-type]


# ---- all of them ---------------------------------------------------------------------------


MADE: list[tuple[Callable[[], Any], type]] = [
    (lambda: List([1]), List),
    (lambda: Dict(a=1), Dict),
    (lambda: Set([1]), Set),
    (lambda: DefaultDict(list, a=[1]), DefaultDict),
    (lambda: Counter(a=1), Counter),
    (lambda: Namespace(a=1), Namespace),
]


@pytest.mark.parametrize(("make", "cls"), MADE, ids=[cls.__name__ for _, cls in MADE])
def test_they_come_back_as_what_they_are(make: Callable[[], Any], cls: type) -> None:
    shared = make()
    holder = List([shared, (shared,)])
    for again in (holder[0], holder[1][0], pickle.loads(pickle.dumps(shared)), Dict(x=shared)["x"]):
        assert type(again) is cls
        assert again == shared
    with pytest.raises(TypeError, match="unhashable"):
        hash(shared)
    if cls is not Dict:  # a Dict may be read as one whatever sort of dict it is
        with pytest.raises(TypeError):
            cls(pumasi._core.Reference(pumasi.Event()))
    plain = holder.to_plain()
    assert not isinstance(plain[0], cls)
    assert plain[0] == plain[1][0]


def look(holder: List[Any], names: list[str]) -> None:
    assert [type(x).__name__ for x in holder] == names
    holder[3]["new"].append(1)
    holder[4].add("a", 5)
    holder[5].a = "changed"
    holder[2].add("new")


def test_they_are_the_same_in_another_process(ctx: Any, run: Callable[..., None]) -> None:
    holder: List[Any] = List([make() for make, _ in MADE])
    run(ctx, look, holder, [cls.__name__ for _, cls in MADE])
    assert holder[3] == {"a": [1], "new": [1]}
    assert holder[4]["a"] == 6
    assert holder[5].a == "changed"
    assert holder[2] == {1, "new"}


class Mine(Counter[str]):
    """A user's own."""

    def double(self) -> int:
        return 2 * self.total()


def test_subclasses() -> None:
    shared = Mine("aab")
    assert shared.double() == 6
    again = pickle.loads(pickle.dumps(shared))
    assert type(again) is Mine
    assert type(List([shared])[0]) is Mine


def test_json() -> None:
    shared = Dict(
        rows=[1, [2]],
        seen={3},
        counts=Counter("a"),
        groups=DefaultDict(list, x=[1]),
        ns=Namespace(a=1),
    )
    text = json.dumps(shared, default=pumasi.json_default)
    assert json.loads(text) == {
        "rows": [1, [2]],
        "seen": [3],
        "counts": {"a": 1},
        "groups": {"x": [1]},
        "ns": {"a": 1},
    }
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(object(), default=pumasi.json_default)
    shared.pop("seen")
    assert json.loads(json.dumps(shared.to_plain())) == json.loads(
        json.dumps(shared, default=pumasi.json_default)
    )


@pytest.mark.parametrize(
    ("plain", "shared"), [(list, List), (dict, Dict), (set, Set)], ids=["List", "Dict", "Set"]
)
def test_every_name_of_the_builtin_is_there(plain: type, shared: type) -> None:
    assert set(dir(plain)) - set(dir(shared)) == set()
