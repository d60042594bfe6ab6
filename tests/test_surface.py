"""The whole surface of multiprocessing: every public name, under the same name and signature."""

import ast
import importlib
import inspect
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import pumasi
from programs import run_program

SUBMODULES = [
    "connection",
    "context",
    "dummy",
    "dummy.connection",
    "forkserver",
    "managers",
    "pool",
    "process",
    "queues",
    "reduction",
    "resource_sharer",
    "resource_tracker",
    "shared_memory",
    "sharedctypes",
    "spawn",
    "synchronize",
    "util",
]


#: What multiprocessing has nothing of.
OWN = ["advise", "aio", "exceptions", "measure", "timeit"]


def pair(name: str) -> tuple[Any, Any]:
    """The module of multiprocessing and that of pumasi."""
    if not name:
        return multiprocessing, pumasi
    return (
        importlib.import_module(f"multiprocessing.{name}"),
        importlib.import_module(f"pumasi.{name}"),
    )


def public(module: Any) -> list[str]:
    """The names which a module defines for others: its classes, functions and constants."""
    named = set(getattr(module, "__all__", ()))
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        if getattr(value, "__module__", module.__name__) == module.__name__:
            named.add(name)
    return sorted(named)


@pytest.mark.parametrize("name", ["", *SUBMODULES])
def test_every_public_name_exists(name: str) -> None:
    theirs, ours = pair(name)
    missing = [n for n in public(theirs) if not hasattr(ours, n)]
    assert not missing


@pytest.mark.parametrize("name", SUBMODULES)
def test_submodules_say_what_is_public(name: str) -> None:
    module = importlib.import_module(f"pumasi.{name}")
    assert all(hasattr(module, n) for n in module.__all__)
    # As an attribute of the package, without an import of its own.
    assert getattr(pumasi, name.partition(".")[0])


def described(parameter: inspect.Parameter) -> tuple[str, Any, Any]:
    """What a caller sees of a parameter; nobody passes `self` by its name."""
    kind = inspect.Parameter.POSITIONAL_ONLY if parameter.name == "self" else parameter.kind
    return parameter.name, kind, parameter.default


def same_parameters(theirs: Any, ours: Any) -> str:
    """How two signatures differ, or an empty string."""
    try:
        expected, found = inspect.signature(theirs), inspect.signature(ours)
    except (TypeError, ValueError):
        return ""  # native, without a signature
    if any(p.kind is p.VAR_POSITIONAL for p in expected.parameters.values()):
        return ""  # a method that only passes on what it is given
    wanted = [described(p) for p in expected.parameters.values()]
    given = [described(p) for p in found.parameters.values()]
    # What follows may only be new keywords.
    if given[: len(wanted)] == wanted and all(
        p.kind is p.KEYWORD_ONLY for p in list(found.parameters.values())[len(wanted) :]
    ):
        return ""
    return f"{expected} became {found}"


@pytest.mark.parametrize("name", ["", *SUBMODULES])
def test_functions_take_the_same_arguments(name: str) -> None:
    theirs, ours = pair(name)
    differences = {}
    for n in public(theirs):
        value, mine = getattr(theirs, n), getattr(ours, n)
        if value is mine or not callable(value):
            continue
        if inspect.isclass(value):
            differences |= methods_differ(n, value, mine)
        elif difference := same_parameters(value, mine):
            differences[n] = difference
    assert not differences


def methods_differ(name: str, theirs: type, ours: Any) -> dict[str, str]:
    """What a class of ours lacks or takes differently, by method."""
    found = {}
    for n, value in inspect.getmembers(theirs):
        if n.startswith("_") or hasattr(object, n):
            continue
        if not hasattr(ours, n):
            found[f"{name}.{n}"] = "missing"
        elif inspect.isfunction(value) and (difference := same_parameters(value, getattr(ours, n))):
            found[f"{name}.{n}"] = difference
    return found


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_contexts_have_the_same_methods(method: str) -> None:
    theirs, ours = multiprocessing.get_context(method), pumasi.get_context(method)
    assert not methods_differ(method, type(theirs), type(ours))
    assert isinstance(ours, type(theirs))


@pytest.mark.parametrize(
    "make",
    ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition"],
)
def test_objects_have_the_same_methods(make: str) -> None:
    theirs = getattr(multiprocessing.get_context("fork"), make)()
    ours = getattr(pumasi.get_context("fork"), make)()
    missing = [n for n in dir(theirs) if not n.startswith("_") and not hasattr(ours, n)]
    assert not missing


@pytest.mark.parametrize("name", ["", *SUBMODULES, *OWN])
def test_a_type_checker_sees_every_public_name(name: str) -> None:
    # `ci/typing.sh` has mypy check that program.
    program = Path(__file__).with_name("typing") / "every_name.py"
    named = {
        ast.unparse(node)
        for node in ast.walk(ast.parse(program.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    full = f"pumasi.{name}".rstrip(".")
    module = importlib.import_module(full)
    wanted = getattr(module, "__all__", None) or public(module)
    assert not {f"{full}.{n}" for n in wanted} - named


@pytest.mark.parametrize("name", ["", *SUBMODULES, *OWN])
def test_help_has_something_to_say_about_everything_that_is_ours(name: str) -> None:
    module = importlib.import_module(f"pumasi.{name}".rstrip("."))
    assert module.__doc__ or not module.__name__.startswith("pumasi")
    bare = []
    for n in {*public(module), *getattr(module, "__all__", ())}:
        value = getattr(module, n)
        if not callable(value) or not str(value.__module__).startswith("pumasi"):
            continue
        if not inspect.getdoc(value):
            bare.append(n)
        for owner in value.__mro__ if inspect.isclass(value) else ():
            if not owner.__module__.startswith("pumasi"):
                continue
            for inner, member in vars(owner).items():
                if inner.startswith("_") or not (
                    callable(member) or inspect.isdatadescriptor(member)
                ):
                    continue
                if not inspect.getdoc(getattr(value, inner)):
                    bare.append(f"{n}.{inner}")
    assert not bare


def semlock(made: Any) -> list[Any]:
    """What libraries ask a lock for, free and held."""
    found = []
    for acquire in (False, True):
        if acquire:
            made.acquire()
        inner = made._semlock
        found += [inner._get_value(), inner._is_zero(), inner._is_mine(), inner._count()]
    made.release()
    return found


@pytest.mark.parametrize("make", ["Lock", "RLock", "Semaphore", "BoundedSemaphore"])
def test_what_libraries_ask_a_lock_for(ctx: Any, make: str) -> None:
    theirs = getattr(multiprocessing.get_context("fork"), make)()
    assert semlock(getattr(ctx, make)()) == semlock(theirs)


def test_synchronization_leaves_no_names(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The standard library would name its semaphores so. Other programs have theirs meanwhile.
    prefix = f"mp-{os.getpid()}-of-a-test"
    config: Any = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    monkeypatch.setitem(config, "semprefix", f"/{prefix}")
    held = [
        ctx.Lock(),
        ctx.RLock(),
        ctx.Semaphore(2),
        ctx.BoundedSemaphore(2),
        ctx.Event(),
    ]
    assert not [name for name in os.listdir("/dev/shm") if prefix in name]
    assert all(held)
    program = (
        "import os, pumasi as mp; mp.set_start_method('spawn'); held = [mp.Lock(), mp.Event()];"
        "held[0].acquire(); os.kill(os.getpid(), 9)"
    )
    done = run_program([sys.executable, "-W", "error", "-c", program])
    assert (done.returncode, done.stdout, done.stderr) == (-9, "", "")


def put_under(lock: Any, queue: Any) -> None:
    with lock:
        queue.put("from the child")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_one_start_method_made_serves_another(method: str) -> None:
    made_by, started_by = pumasi.get_context("fork"), pumasi.get_context(method)
    lock, queue = made_by.Lock(), made_by.Queue()
    process = started_by.Process(target=put_under, args=(lock, queue))
    process.start()
    assert queue.get(timeout=60) == "from the child"
    process.join()
    assert process.exitcode == 0
    process.close()


def test_star_import_gives_what_multiprocessing_gives() -> None:
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    exec("from multiprocessing import *", theirs)
    exec("from pumasi import *", ours)
    assert set(theirs) <= set(ours)
    assert Path(pumasi.__file__).name == "__init__.py"


def test_contexts_which_a_library_has_added(monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: Any = multiprocessing.context._concrete_contexts  # type: ignore[attr-defined]

    class Added(multiprocessing.context.SpawnContext):
        _name = "added"  # type: ignore[assignment]

    monkeypatch.setitem(contexts, "added", Added())
    assert pumasi.get_context("added") is contexts["added"]
    assert pumasi.get_context("spawn").get_context("added") is contexts["added"]
    with pytest.raises(ValueError, match="cannot find context for 'another'"):
        pumasi.get_context("another")
