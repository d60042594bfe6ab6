"""`pumasi run`: an unchanged program, with multiprocessing replaced in it and in its children.

The public names of the package `multiprocessing` are rebound to pumasi's objects before the program
begins. Its modules stay the standard library's, so every form and order of import meets the same
objects, and what the standard library does inside (starting a child, the fork server, the resource
tracker) goes on as written. The classes in `multiprocessing.synchronize` and `.queues` stay as they
are, too: they are made by a context, and those contexts are ours.

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


def install() -> None:
    """Replace multiprocessing in this process, and in the interpreters that it starts."""
    global _installed
    if _installed:
        return
    _installed = True
    import importlib
    import multiprocessing
    import multiprocessing.util as util

    import pumasi

    _keep_contexts_whole()
    ours = {name: importlib.import_module(f"pumasi.{name}") for name in _REBOUND}
    for module, names in _REBOUND.items():
        theirs = importlib.import_module(f"multiprocessing.{module}")
        for name in names:
            setattr(theirs, name, getattr(ours[module], name))
    _let_servers_find_their_pool()
    for name in multiprocessing.__all__:
        setattr(multiprocessing, name, getattr(pumasi, name))
    # `Pool(...)` and managers of the class itself ask for the default context by this name.
    for name in ("pool", "managers"):
        sys.modules[f"multiprocessing.{name}"].get_context = pumasi.get_context  # type: ignore[attr-defined]
    start = util.spawnv_passfds

    def spawnv_passfds(path: Any, args: Any, passfds: Any) -> Any:
        return start(path, _told(args), passfds)

    util.spawnv_passfds = spawnv_passfds


def _keep_contexts_whole() -> None:
    """Let the standard library's own contexts go on making the standard library's objects.

    They import what they make by the names which are about to be rebound.
    """
    from multiprocessing import context, managers, pool, sharedctypes

    standard = context.BaseContext
    Pool, SyncManager = pool.Pool, managers.SyncManager
    raw_value, raw_array = sharedctypes.RawValue, sharedctypes.RawArray
    value, array = sharedctypes.Value, sharedctypes.Array

    def make_pool(
        self: Any,
        processes: Any = None,
        initializer: Any = None,
        initargs: Any = (),
        maxtasksperchild: Any = None,
    ) -> Any:
        return Pool(processes, initializer, initargs, maxtasksperchild, self.get_context())

    def make_manager(self: Any) -> Any:
        manager = SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    made: dict[str, Any] = {
        "Pool": make_pool,
        "Manager": make_manager,
        "RawValue": lambda self, kind, *args: raw_value(kind, *args),
        "RawArray": lambda self, kind, of: raw_array(kind, of),
        "Value": lambda self, kind, *args, lock=True: value(
            kind, *args, lock=lock, ctx=self.get_context()
        ),
        "Array": lambda self, kind, of, *, lock=True: array(
            kind, of, lock=lock, ctx=self.get_context()
        ),
    }
    for name, method in made.items():
        setattr(standard, name, method)


def _let_servers_find_their_pool() -> None:
    """Register the standard library's pool, which a server makes, by a name that is not rebound."""
    from multiprocessing import managers as standard

    from . import managers, pool

    ours: Any = managers.SyncManager
    for registry in (ours._registry, ours._builtin, standard.SyncManager._registry):  # type: ignore[attr-defined]
        if "Pool" in registry:
            registry["Pool"] = (pool._StandardPool, *registry["Pool"][1:])


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
