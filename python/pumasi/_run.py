"""`pumasi run`: an unchanged program, with multiprocessing replaced in it and in its children.

The public names of the package `multiprocessing` are rebound to pumasi's objects before the program
begins. Its modules stay the standard library's, so every form and order of import meets the same
objects, and what the standard library does inside (starting a child, the fork server, the resource
tracker) goes on as written. The classes in `multiprocessing.synchronize` and `.queues` stay as they
are, too: they are made by a context, and those contexts are ours. A module which the program has
not imported is left until it does: a spawned child, which comes here first, would take longer for
the imports than for all the rest of its start.

A fresh interpreter that multiprocessing starts is told by its command line to do the same first;
with `--follow` every Python that is started with the environment is, by `_follow/sitecustomize.py`.
"""

import os
import sys
from typing import Any

#: Functions and classes by module, which are rebound wherever pumasi has its own. Classes whose
#: instances travel by the name of their class keep theirs.
_REBOUND = {
    "context": (
        "Process",
        "ForkProcess",
        "SpawnProcess",
        "ForkServerProcess",
        "ForkContext",
        "SpawnContext",
        "ForkServerContext",
    ),
    "managers": ("SharedMemoryManager", "SyncManager"),
    "pool": ("Pool",),
    "shared_memory": ("SharedMemory", "ShareableList"),
    "sharedctypes": ("Array", "RawArray", "RawValue", "Value", "copy", "synchronized"),
}

_FOLLOW = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_follow")
_installed = False
#: What is being imported at this moment, of those modules and of ours of the same names.
_running: set[str] = set()
_rebound: set[str] = set()
#: The standard library's own, by module and name.
_theirs: dict[tuple[str, str], Any] = {}


def install() -> None:
    """Replace multiprocessing in this process, and in the interpreters that it starts."""
    global _installed
    if _installed:
        return
    _installed = True
    import multiprocessing
    import multiprocessing.util as util

    import pumasi

    sys.meta_path.insert(0, _Finder())
    _keep_contexts_whole()
    _rebind_what_is_there()
    for name in multiprocessing.__all__:
        setattr(multiprocessing, name, getattr(pumasi, name))
    start = util.spawnv_passfds

    def spawnv_passfds(path: Any, args: Any, passfds: Any) -> Any:
        return start(path, _told(args), passfds)

    util.spawnv_passfds = spawnv_passfds


class _Finder:
    """Finds the modules that are to be rebound, so that this is done as soon as they are there."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        package, _, module = name.partition(".")
        if module not in _REBOUND or package not in ("multiprocessing", "pumasi"):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = None if finder is self or find is None else find(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


class _Loader:
    """Loads one of them as its own loader does, whose place it has taken until then."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        _running.add(module.__name__)
        try:
            self._loader.exec_module(module)
        finally:
            _running.discard(module.__name__)
        _rebind_what_is_there()


def _rebind_what_is_there() -> None:
    """Rebind in each module that is complete, ours of the same name included."""
    for module in _REBOUND:
        theirs = sys.modules.get(f"multiprocessing.{module}")
        needed = {f"multiprocessing.{module}", f"pumasi.{module}"}
        if module == "managers":
            needed.add("pumasi.pool")
        if theirs is not None and module not in _rebound and _running.isdisjoint(needed):
            _rebind(module, theirs)


def _rebind(module: str, theirs: Any) -> None:
    import importlib

    import pumasi

    ours = importlib.import_module(f"pumasi.{module}")
    if module == "managers":
        importlib.import_module("pumasi.pool")
    if module in _rebound:
        # With what was just imported.
        return
    _rebound.add(module)
    for name in _REBOUND[module]:
        _theirs[module, name] = getattr(theirs, name)
        setattr(theirs, name, getattr(ours, name))
    # `Pool(...)` and managers of the class itself ask for the default context by this name.
    if module in ("pool", "managers"):
        theirs.get_context = pumasi.get_context
    if module == "managers":
        _let_servers_find_their_pool()


def _standard(module: str, name: str) -> Any:
    """The standard library's own, which may be rebound by now."""
    import importlib

    found = importlib.import_module(f"multiprocessing.{module}")
    return _theirs.get((module, name)) or getattr(found, name)


def _keep_contexts_whole() -> None:
    """Let the standard library's own contexts go on making the standard library's objects.

    They import what they make by the names which are rebound.
    """
    from multiprocessing import context

    def make_pool(
        self: Any,
        processes: Any = None,
        initializer: Any = None,
        initargs: Any = (),
        maxtasksperchild: Any = None,
    ) -> Any:
        Pool = _standard("pool", "Pool")
        return Pool(processes, initializer, initargs, maxtasksperchild, self.get_context())

    def make_manager(self: Any) -> Any:
        manager = _standard("managers", "SyncManager")(ctx=self.get_context())
        manager.start()
        return manager

    made: dict[str, Any] = {
        "Pool": make_pool,
        "Manager": make_manager,
        "RawValue": lambda self, kind, *args: _standard("sharedctypes", "RawValue")(kind, *args),
        "RawArray": lambda self, kind, of: _standard("sharedctypes", "RawArray")(kind, of),
        "Value": lambda self, kind, *args, lock=True: _standard("sharedctypes", "Value")(
            kind, *args, lock=lock, ctx=self.get_context()
        ),
        "Array": lambda self, kind, of, *, lock=True: _standard("sharedctypes", "Array")(
            kind, of, lock=lock, ctx=self.get_context()
        ),
    }
    for name, method in made.items():
        setattr(context.BaseContext, name, method)


def _let_servers_find_their_pool() -> None:
    """Register the standard library's pool, which a server makes, by a name that is not rebound."""
    from . import managers, pool

    ours: Any = managers.SyncManager
    for registry in (ours._registry, ours._builtin):
        if "Pool" in registry:
            registry["Pool"] = (pool._StandardPool, *registry["Pool"][1:])
    # It has found the one that was in `multiprocessing.pool` at the time.
    registry = _theirs["managers", "SyncManager"]._registry
    registry["Pool"] = (_standard("pool", "Pool"), *registry["Pool"][1:])


def _told(args: Any) -> Any:
    """Change the command line of multiprocessing's child or fork server, so that it begins here."""
    args = list(args)
    for at, word in enumerate(args[:-1]):
        text = os.fsdecode(args[at + 1])
        if os.fsdecode(word) == "-c" and text.startswith(
            ("from multiprocessing.spawn ", "from multiprocessing.forkserver ")
        ):
            told = f"import pumasi._run; pumasi._run.install(); {text}"
            args[at + 1] = os.fsencode(told) if isinstance(args[at + 1], bytes) else told
            break
    return args


def follow() -> None:
    """Have every Python which inherits the environment from here replace multiprocessing, too."""
    paths = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = _FOLLOW + (os.pathsep + paths if paths else "")


def main() -> None:
    """Run a program: `[--follow] PROGRAM ARGUMENT...` or `[--follow] -m MODULE ARGUMENT...`."""
    words = sys.argv[1:]
    following = words[:1] == ["--follow"]
    if following:
        del words[0]
        follow()
    install()
    if words[0] == "-m":
        _run_module(words[1], words[2:])
    else:
        _run_file(words[0], words[1:])


def _new_main() -> Any:
    """Put an empty module in the place of the one which has brought us here."""
    import builtins
    import types

    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    main.__annotations__ = {}
    sys.modules["__main__"] = main
    return main


def _enter(path: str) -> None:
    """Put what Python puts first on the path, unless it was told not to."""
    if not getattr(sys.flags, "safe_path", False) and not sys.flags.isolated:
        sys.path.insert(0, path)


def _run_module(name: str, arguments: list[str]) -> None:
    import runpy

    _new_main()
    _enter(os.getcwd())
    sys.argv = ["-m", *arguments]
    _guarded(lambda: runpy._run_module_as_main(name))  # type: ignore[attr-defined]


def _run_file(program: str, arguments: list[str]) -> None:
    import importlib.machinery
    import runpy
    from pkgutil import get_importer

    sys.argv = [program, *arguments]
    main = _new_main()
    if os.path.isdir(program) or not isinstance(
        get_importer(program), (type(None), importlib.machinery.FileFinder)
    ):
        # A directory or an archive with a `__main__` in it.
        sys.path.insert(0, os.path.join(os.getcwd(), program))
        _guarded(lambda: runpy._run_module_as_main("__main__", False))  # type: ignore[attr-defined]
        return
    try:
        with open(program, "rb") as file:
            source = file.read()
    except OSError as error:
        sys.stderr.write(
            f"{sys.executable}: can't open file {os.path.abspath(program)!r}: "
            f"[Errno {error.errno}] {error.strerror}\n"
        )
        sys.exit(2)
    _enter(os.path.dirname(os.path.realpath(program)))
    main.__file__ = os.path.join(os.getcwd(), program)
    main.__cached__ = None
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", main.__file__)
    _guarded(lambda: exec(compile(source, main.__file__, "exec", dont_inherit=True), main.__dict__))


def _guarded(run: Any) -> None:
    """Call; show an exception without the frames of this file, and end as Python ends."""
    try:
        run()
    except SystemExit:
        raise
    except KeyboardInterrupt:
        # Only an interpreter which this reaches ends by the signal; it shows the exception, too.
        hook = sys.excepthook
        sys.excepthook = lambda kind, error, _: hook(kind, error, _without_these_frames(error))
        raise
    except BaseException as error:
        sys.excepthook(type(error), error, _without_these_frames(error))
        sys.exit(1)


def _without_these_frames(error: BaseException) -> Any:
    """Take what this file has to do with it from an exception's traceback, and return the rest."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, "<string>"):
        trace = trace.tb_next
    error.__traceback__ = trace
    return trace
