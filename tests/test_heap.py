"""The heap as a whole: what nothing reaches comes back, also in circles and after kills."""

import contextlib
import os
import pickle
import random
import signal
from collections.abc import Iterator
from typing import Any

import pytest

import helpers
import pumasi
from pumasi._core import Reference


def test_containers_that_lead_to_each_other_are_collected() -> None:
    before = helpers.objects()
    parent: pumasi.Dict[str, Any] = pumasi.Dict()
    child: pumasi.Dict[str, Any] = pumasi.Dict(parent=parent, items=[1, [2]])
    parent["child"] = child
    parent["self"] = parent
    assert pumasi.heap.collect() == 0
    assert parent["child"]["parent"]["child"]["items"] == [1, [2]]
    del parent, child
    assert pumasi.heap.stats()["objects"] == before + 4
    assert pumasi.heap.collect() == 4
    assert pumasi.heap.stats()["objects"] == before


def test_the_statistics_say_where_the_memory_went() -> None:
    before = pumasi.heap.stats()
    items: pumasi.List[Any] = pumasi.List(["a string of some length"] * 10_000)
    block = pumasi.Array("d", 50_000)
    stats = pumasi.heap.stats()
    assert stats["objects"] >= before["objects"] + 2
    assert sum(kind["objects"] for kind in stats["kinds"].values()) == stats["objects"]
    grown = stats["kinds"]["List"]["bytes"] - before["kinds"].get("List", {"bytes": 0})["bytes"]
    assert 10_000 * (8 + 24) <= grown < 10_000 * (8 + 64)
    assert stats["kinds"]["Buffer"]["bytes"] >= 400_000
    sizes = [one["bytes"] for one in stats["largest"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] >= 400_000
    own = next(one for one in stats["processes"] if one["pid"] == os.getpid())
    assert own["chunks"] > 0
    assert own["live"] <= own["bytes"]
    assert stats["live"] + stats["idle"] <= stats["used"] <= stats["limit"]
    assert 0 <= stats["fragmentation"] <= 1
    text = repr(stats)
    for part in ("List", str(os.getpid()), "KiB"):
        assert part in text
    assert repr(pickle.loads(pickle.dumps(stats))) == text
    assert len(items) == 10_000
    assert len(block) == 50_000


class Node:
    """An object of the user's, which is stored as a pickle."""

    def __init__(self, others: Any) -> None:
        self.others = others


def test_a_circle_through_a_pickle_is_collected() -> None:
    before = helpers.objects()
    items: pumasi.List[Any] = pumasi.List()
    items.append(Node(items))
    assert items[0].others == items
    del items
    assert pumasi.heap.collect() == 1
    assert helpers.objects() == before


def test_whoever_makes_many_circles_collects_by_itself() -> None:
    before = helpers.objects()
    for _ in range(25_000):
        circle: pumasi.List[Any] = pumasi.List()
        circle.append(circle)
    del circle
    assert pumasi.heap.stats()["objects"] - before < 15_000


def fill_with_circles(heap_limit: int) -> None:
    pumasi.heap.limit = pumasi.heap.used + heap_limit
    for _ in range(400):
        circle: pumasi.List[Any] = pumasi.List()
        circle.append("x" * 100_000)
        circle.append(circle)


def test_a_value_that_finds_no_memory_finds_that_of_circles(run: Any) -> None:
    limit = pumasi.heap.limit
    try:
        run(pumasi.get_context("fork"), fill_with_circles, 10 << 20)
    finally:
        pumasi.heap.limit = limit


def change_a_graph(started: Any, root: Any, seed: int) -> None:
    """Store, move and drop containers in each other for ever, and collect now and then."""
    dice = random.Random(seed)
    started.set()
    while True:
        key, other = (str(dice.randrange(6)) for _ in range(2))
        # What was there a moment ago may be gone: somebody else was first.
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            change_one(dice, root, key, other)


def change_one(dice: random.Random, root: Any, key: str, other: str) -> None:
    what = dice.randrange(7)
    if what == 0:
        root[key] = {"number": dice.random(), "list": [key] * dice.randrange(40)}
    elif what == 1:
        root[key]["friend"] = root[other]
    elif what == 2:
        root[key] = root[other]["friend"]
    elif what == 3:
        root[key]["list"].append(Node(root[other]))
    elif what == 4:
        root.pop(key)
    elif what == 5:
        root[key]["list"] = root[other]["list"]
    elif dice.randrange(20) == 0:
        pumasi.heap.collect()


def walk(value: Any, seen: set[int]) -> Iterator[Any]:
    """All containers that can be reached from one."""
    if isinstance(value, (pumasi.Dict, pumasi.List)):
        number = Reference(value).number
        if number in seen:
            return
        seen.add(number)
        yield value
        for inner in value.values() if isinstance(value, pumasi.Dict) else value:
            yield from walk(inner, seen)
    elif isinstance(value, Node):
        yield from walk(value.others, seen)


def test_nothing_reachable_is_lost_and_nothing_else_kept_while_workers_are_killed(
    ctx: Any, seed: int
) -> None:
    before = helpers.objects()
    dice = random.Random(seed)
    root: pumasi.Dict[str, Any] = pumasi.Dict()
    for _ in range(2):
        workers = []
        for _ in range(2):
            started = ctx.Event()
            worker = ctx.Process(target=change_a_graph, args=(started, root, dice.getrandbits(32)))
            worker.start()
            workers.append(worker)
            assert started.wait(60)
        for worker in workers:
            for _ in range(dice.randrange(2, 6)):
                pumasi.heap.collect()
            os.kill(worker.pid, signal.SIGKILL)
            worker.join(60)
            worker.close()
        del started, worker, workers
        # Everything that can be reached can be read, and there is nothing more.
        reached = sum(1 for _ in walk(root, set()))
        assert helpers.objects() - before == reached
    del root
    assert helpers.objects() == before


@pytest.mark.parametrize("number", range(3))
def test_a_collector_that_is_killed_leaves_a_whole_heap(ctx: Any, number: int) -> None:
    root: pumasi.Dict[str, Any] = pumasi.Dict()
    root["kept"] = {"list": [1, 2, 3]}
    started = ctx.Event()
    child = ctx.Process(target=collect_for_ever, args=(started, number))
    child.start()
    assert started.wait(60)
    for n in range(50 * (number + 1)):
        root["changing"] = {"n": n}
    child.kill()
    child.join(60)
    child.close()
    assert root["kept"]["list"] == [1, 2, 3]
    pumasi.heap.collect()
    assert root["kept"]["list"] == [1, 2, 3]


def collect_for_ever(started: Any, number: int) -> None:
    started.set()
    while True:
        for _ in range(20 * number + 1):
            circle: pumasi.List[Any] = pumasi.List([1, "a longer string", [2]])
            circle.append(circle)
        pumasi.heap.collect()
