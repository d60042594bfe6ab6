"""CPython's own tests of list, mappings, set, deque and queues, on ours where they are installed.

Nothing is copied: the classes of the installed `test` package are subclassed here, with our types
in the place of the builtins. What cannot hold is listed with its reason.
"""

import importlib
import queue
import runpy
import sys
import unittest
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pumasi
from programs import run_program
from pumasi import DefaultDict, Deque, Dict, List, Set, _core
from pumasi._proxies import HeapQueueProxy


def shipped(name: str) -> Any:
    """A module of CPython's `test` package; without it the test is skipped."""
    try:
        return importlib.import_module(f"test.{name}")
    except ImportError:
        pytest.skip("this interpreter comes without the package `test`")


def judge(base: Any, exceptions: Mapping[str, str], **attributes: Any) -> None:
    """Run the tests of a class with these attributes, but for the exceptions."""
    if not issubclass(base, unittest.TestCase):
        base = type(base.__name__, (base, unittest.TestCase), {})
    left_out = {name: None for name in exceptions if hasattr(base, name)}
    cls = type(base.__name__, (base,), {**left_out, **attributes})
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(result)
    assert result.testsRun > 0
    failed = [f"{test}\n{trace}" for test, trace in (*result.failures, *result.errors)]
    assert not failed, "\n".join(failed)


LOCAL = "stores an object of a class inside a function, which cannot be pickled"
BY_IDENTITY = "stores as a key what compares by identity, or whose equality is unknown"
BY_VALUE = "insists on the identity of what it stored, of which there is a copy"
MADE_IN_NEW = "calls __init__ a second time: the object is made by __new__"
AT_ONE_MOMENT = "compares with what changes the container: a search looks at a copy of one moment"
ITERATOR = "wants an iterator to let go of its container at its end, to pickle, or to be called"
PLAIN_COPY = "wants a copy of the same type: copies are plain by design"
NO_DICT = "gives the object attributes of its own, which a reference does not carry"

IN_LISTS = {
    "test_contains_order": LOCAL,
    "test_index": LOCAL,
    "test_remove": LOCAL,
    "test_init": MADE_IN_NEW,
    "test_free_after_iterating": ITERATOR,
}
IN_DICTS = {
    "test_copy": PLAIN_COPY,
    "test_eq": BY_IDENTITY,
    "test_getitem": BY_IDENTITY,
    "test_pop": LOCAL,
    "test_repr": LOCAL,
    "test_setdefault": LOCAL,
}
IN_SETS = {
    "test_cyclical_repr": BY_IDENTITY,
    "test_deepcopy": BY_IDENTITY,
    "test_do_not_rehash_dict_keys": BY_IDENTITY,
    "test_free_after_iterating": ITERATOR,
    "test_init": MADE_IN_NEW,
    "test_iterator_pickling": ITERATOR,
    "test_pickling": NO_DICT,
}

IN_DEQUES = {
    "test_basics": MADE_IN_NEW,
    "test_contains": AT_ONE_MOMENT,
    "test_index": AT_ONE_MOMENT,
    "test_contains_count_stop_crashes": LOCAL,
    "test_contains_count_index_stop_crashes": LOCAL,
    "test_container_iterator": LOCAL,
    "test_count": LOCAL,
    "test_copy": BY_VALUE,
    "test_deepcopy": BY_VALUE,
    "test_pickle_recursive": BY_VALUE,
    "test_remove": BY_VALUE,
    "test_iterator_pickle": ITERATOR,
    "test_reversed_new": ITERATOR,
    "test_sizeof": "counts the bytes of CPython's own deque",
}


class WithoutFactory(DefaultDict[Any, Any]):
    """A DefaultDict that is made as a dict is."""

    def __new__(cls, *args: Any, **keywords: Any) -> Any:
        if args and isinstance(args[0], _core.Reference):
            return super().__new__(cls, *args)
        return super().__new__(cls, None, *args, **keywords)


def test_lists() -> None:
    judge(shipped("list_tests").CommonTest, IN_LISTS, type2test=List)


@pytest.mark.parametrize("cls", [Dict, WithoutFactory])
def test_mappings(cls: type) -> None:
    judge(shipped("mapping_tests").TestHashMappingProtocol, IN_DICTS, type2test=cls)


def test_sets() -> None:
    judge(shipped("test_set").TestSet, IN_SETS, thetype=Set, basetype=set)


@pytest.mark.parametrize(
    "name",
    [
        "TestBasicOpsEmpty",
        "TestBasicOpsSingleton",
        "TestBasicOpsTuple",
        "TestBasicOpsString",
        "TestBasicOpsBytes",
        "TestBasicOpsMixedStringBytes",
        "TestBinaryOps",
        "TestUpdateOps",
        "TestMutate",
        "TestSubsetEqualEmpty",
        "TestSubsetEqualNonEmpty",
        "TestSubsetEmptyNonEmpty",
        "TestSubsetPartial",
        "TestSubsetNonOverlap",
        "TestOnlySetsNumeric",
        "TestOnlySetsDict",
        "TestOnlySetsOperator",
        "TestOnlySetsTuple",
        "TestOnlySetsString",
        "TestOnlySetsGenerator",
        "TestCopyingEmpty",
        "TestCopyingSingleton",
        "TestCopyingTriple",
        "TestCopyingTuple",
        "TestIdentities",
        "TestVariousIteratorArgs",
    ],
)
def test_sets_wherever_they_say_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = shipped("test_set")
    monkeypatch.setattr(module, "set", Set, raising=False)
    by_value = {"test_copy": BY_VALUE} if name.startswith("TestCopying") else {}
    judge(getattr(module, name), by_value)


def test_deques(monkeypatch: pytest.MonkeyPatch) -> None:
    module = shipped("test_deque")
    monkeypatch.setattr(module, "deque", Deque)
    judge(module.TestBasic, IN_DEQUES)


def test_deques_as_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    module = shipped("test_deque")
    judge(module.TestSequence, {"test_contains_order": LOCAL}, type2test=Deque)
    monkeypatch.setattr(module, "deque", Deque)
    judge(module.TestVariousIteratorArgs, {})


def known_exceptions() -> Any:
    """The list from which docs/conformance.md is written."""
    path = Path(__file__).parent / "cpython" / "exceptions.py"
    return SimpleNamespace(**runpy.run_path(str(path), run_name="exceptions"))


def judge_queue(queue_type: Any, exceptions: Mapping[str, str]) -> None:
    base = shipped("test_queue").BaseQueueTestMixin
    attributes = {"type2test": staticmethod(queue_type), "queue": queue}
    judge(type("Queue", (base, unittest.TestCase), {}), exceptions, **attributes)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("Queue", "JoinableQueue"),
        ("LifoQueue", "LifoQueue"),
        ("PriorityQueue", "PriorityQueue"),
    ],
)
def test_queues(name: str, base: str) -> None:
    # The tests know a queue's order by the name of its class, and its bound by an attribute.
    bound = property(lambda self: self._queue.maxsize)
    made = type(name, (getattr(pumasi.queues, base),), {"maxsize": bound})
    shutdown = {t: "" for t in dir(shipped("test_queue").BaseQueueTestMixin) if "shutdown" in t}
    judge_queue(made, known_exceptions().IN_QUEUES | shutdown)


def test_queues_of_a_manager() -> None:
    looked_at = {
        "maxsize": property(lambda self: self._held.maxsize),
        "unfinished_tasks": property(lambda self: self._held.unfinished),
        "is_shutdown": property(lambda self: self._ended.is_set()),
    }
    made, gate = type("Queue", (HeapQueueProxy,), looked_at), _core.Gate()
    judge_queue(lambda maxsize=0: made.made(gate, maxsize), {"test_shrinking_queue": ""})


# ---- the list of exceptions to the suite of multiprocessing ------------------------------------

HERE = Path(__file__).parent
LISTED: Any = runpy.run_path(str(HERE / "cpython" / "exceptions.py"), run_name="exceptions")


@pytest.mark.parametrize("version", LISTED["VERSIONS"])
@pytest.mark.parametrize("method", LISTED["METHODS"])
def test_at_most_twelve_are_expected_not_to_pass(version: str, method: str) -> None:
    listed = [e for e in LISTED["EXPECTED"] if version in e.versions and method in e.methods]
    assert len(listed) <= 12
    assert len({e.name for e in listed}) == len(listed)


def test_each_of_them_has_its_reason_and_a_test_of_ours() -> None:
    told = {e.name: (e.reason, e.ours) for e in LISTED["EXPECTED"]}
    for name, reason in LISTED["IN_EXECUTORS"].items():
        told[name] = (reason, reason.partition("Ours: `")[2].partition("`")[0])
    for name, (reason, ours) in told.items():
        assert reason, name
        if ours:
            path, _, test = ours.partition("::")
            assert f"def {test}(" in (HERE.parent / path).read_text(encoding="utf-8"), name
    assert all(e.ours for e in LISTED["EXPECTED"])
    assert {e.kind for e in LISTED["EXPECTED"]} <= {"private", "changed"}
    assert (HERE.parent / "docs" / "conformance.md").read_text() == LISTED["document"]()


def test_the_suite_is_run_with_interrupts_as_at_a_terminal() -> None:
    program = (
        "import conformance, signal, subprocess, sys; conformance.heed_interrupts();"
        "subprocess.run([sys.executable, '-c', 'import signal;'"
        "'print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)'])"
    )
    done = run_program(
        ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, program],
        cwd=HERE / "cpython",
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
