"""The package as a whole: its names, its documents, what importing it costs and where it works."""

import doctest
import importlib
import multiprocessing
import pkgutil
import sys
import warnings
from typing import Any

import pytest

import pumasi
from programs import run_program
from pumasi import _core, _supported


def test_every_public_name_of_multiprocessing() -> None:
    missing = [name for name in multiprocessing.__all__ if not hasattr(pumasi, name)]
    assert missing == []
    assert set(multiprocessing.__all__) - {"reducer"} <= set(pumasi.__all__)


def test_what_is_multiprocessings_own() -> None:
    for name in ("ProcessError", "TimeoutError", "BufferTooShort", "AuthenticationError"):
        assert getattr(pumasi, name) is getattr(multiprocessing, name)
    assert pumasi.current_process() is multiprocessing.current_process()
    assert pumasi.get_logger() is multiprocessing.get_logger()
    assert pumasi.process is multiprocessing.process
    assert pumasi.reduction is multiprocessing.reduction


@pytest.mark.parametrize(
    "name",
    [
        "connection",
        "dummy",
        "forkserver",
        "resource_tracker",
        "spawn",
        "util",
    ],
)
def test_submodules_are_those_of_the_standard_library(name: str) -> None:
    standard = importlib.import_module(f"multiprocessing.{name}")
    assert importlib.import_module(f"pumasi.{name}") is standard
    assert getattr(pumasi, name) is standard


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        pumasi.nonsense  # noqa: B018


def test_the_start_method_is_chosen_once_for_both() -> None:
    program = """
import multiprocessing, pumasi
print(pumasi.get_start_method(allow_none=True))
pumasi.set_start_method("spawn")
print(multiprocessing.get_start_method(), pumasi.get_context().get_start_method())
try:
    multiprocessing.set_start_method("fork")
except RuntimeError as error:
    print(error)
pumasi.set_start_method("forkserver", force=True)
print(multiprocessing.get_start_method(), type(pumasi.get_context()).__name__)
print(pumasi.get_all_start_methods() == multiprocessing.get_all_start_methods())
try:
    pumasi.get_context("no such")
except ValueError as error:
    print(error)
"""
    done = run_program([sys.executable, "-c", program])
    assert done.stdout.splitlines() == [
        "None",
        "spawn spawn",
        "context has already been set",
        "forkserver ForkServerContext",
        "True",
        "cannot find context for 'no such'",
    ], done.stderr


def test_contexts_are_subclasses() -> None:
    for method in ("fork", "spawn", "forkserver"):
        ours, theirs = pumasi.get_context(method), multiprocessing.get_context(method)
        assert isinstance(ours, type(theirs))
        assert issubclass(ours.Process, theirs.Process)
        assert ours.get_start_method() == method
        with pytest.raises(ValueError, match="concrete"):
            ours.set_start_method("fork")
    assert pumasi.cpu_count() == multiprocessing.cpu_count()


@pytest.mark.parametrize(
    ("system", "machine", "implementation", "version", "supported"),
    [
        ("linux", "x86_64", "cpython", (3, 10), True),
        ("linux", "aarch64", "cpython", (3, 13), True),
        ("win32", "AMD64", "cpython", (3, 11), False),
        ("darwin", "arm64", "cpython", (3, 11), False),
        ("linux", "x86_64", "cpython", (3, 14), False),
        ("linux", "x86_64", "cpython", (3, 9), False),
        ("linux", "riscv64", "cpython", (3, 11), False),
        ("linux", "x86_64", "pypy", (3, 11), False),
    ],
)
def test_one_sentence_where_it_cannot_run(
    system: str, machine: str, implementation: str, version: tuple[int, int], supported: bool
) -> None:
    sentence = _supported.refusal(system, machine, implementation, version)
    assert (sentence is None) == supported
    if sentence is not None:
        assert sentence.count(". ") == 0
        assert "multiprocessing" in sentence


def test_importing_on_another_system() -> None:
    program = """
import sys
sys.platform = "win32"
try:
    import pumasi
except ImportError as error:
    print(error)
"""
    done = run_program([sys.executable, "-c", program])
    assert "on win32" in done.stdout, done.stderr


def test_importing_loads_nothing_that_is_only_used_later() -> None:
    program = (
        "import sys, multiprocessing; before = set(sys.modules); import pumasi;"
        "print(*(set(sys.modules) - before))"
    )
    done = run_program([sys.executable, "-c", program])
    loaded = set(done.stdout.split())
    assert "pumasi._core" in loaded, done.stderr
    # What costs much, and what brings the most along.
    costly = {"array", "ctypes", "dataclasses", "importlib", "numpy", "subprocess", "typing"}
    assert not loaded & {*costly, "multiprocessing.managers", "multiprocessing.util"}


def public(owner: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(owner).items() if not name.startswith("_")]


def test_everything_native_is_documented() -> None:
    bare = []
    for name, value in public(_core):
        if callable(value) and not value.__doc__:
            bare.append(name)
        if isinstance(value, type):
            bare += [
                f"{name}.{inner}"
                for inner, member in public(value)
                if callable(member) and not member.__doc__
            ]
    assert bare == []


def modules() -> list[str]:
    names = [name for _, name, _ in pkgutil.iter_modules(pumasi.__path__, "pumasi.")]
    return ["pumasi", *(n for n in names if n.count(".") == 1 and n != "pumasi.__main__")]


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_the_documents_run(name: str) -> None:
    module = importlib.import_module(name)
    if not module.__name__.startswith("pumasi"):
        return  # one of the standard library's own
    assert doctest.testmod(module).failed == 0


def test_the_examples_of_the_native_classes_run() -> None:
    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner(verbose=False)
    examples = 0
    for name, value in public(_core):
        documented = [(name, value)]
        if isinstance(value, type):
            documented += [(f"{name}.{inner}", member) for inner, member in public(value)]
        for full_name, item in documented:
            doc = getattr(item, "__doc__", None) or ""
            if ">>>" in doc:
                examples += 1
                parsed = doctest.DocTestParser().get_doctest(doc, {}, full_name, None, 0)
                runner.run(parsed)
    assert finder is not None
    assert runner.failures == 0
    assert examples > 10


def test_signatures_show_in_help() -> None:
    import inspect

    assert str(inspect.signature(_core.Lock.acquire)) == "(self, /, block=True, timeout=None)"
    assert str(inspect.signature(pumasi.List.append)) == "(self, item, /)"
    assert list(inspect.signature(pumasi.Value).parameters) == ["typecode_or_type", "args", "lock"]


def test_the_package_is_typed() -> None:
    from importlib.resources import files

    assert files("pumasi").joinpath("py.typed").is_file()


def test_exceptions() -> None:
    for name in ("WrongHeap", "StaleReference", "HeapGone", "CorruptHeap"):
        assert issubclass(getattr(pumasi, name), pumasi.PumasiError)
    assert issubclass(pumasi.OwnerDiedWarning, RuntimeWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pumasi.OwnerDiedWarning)


def test_the_heap_tells_about_itself() -> None:
    heap = pumasi.heap
    assert heap.used <= heap.limit
    assert len(heap.id) == 32
    assert heap.ticket.endswith(heap.id)
    assert {"limit", "used", "objects", "participants"} <= set(heap.stats())
    assert heap.id in repr(heap)
    before = heap.limit
    heap.limit = before - 1
    assert heap.limit == before - 1
    heap.limit = before
