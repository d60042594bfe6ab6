"""How a process enters the heap and how it leaves it in order.

A process which leaves in order (its program returns, `sys.exit`, an exception out of a `Process`)
changes nothing about the locks it holds, as in multiprocessing; one which is killed has its locks
freed. The heap learns of an orderly end by `_core.leave()`, which has to come after everything
else that may still use a shared object:

- in a child that multiprocessing started, and in a main process which had `multiprocessing.util`
  before us, as the last finalizer of that module, which runs when the children have been joined;
- in any other main process from `atexit`, which calls the last that registered first: where that
  module comes after us, its finalizers have run by then;
- in a child of a bare `os.fork()` which ends as a program does, from `atexit`, too;
- in a child that one of our own `Process` classes started, once more at the very end (see
  `context`), because its threads outlive the finalizers.

Leaving twice is harmless.

`multiprocessing.util` is not imported here: with `subprocess`, which it brings, it would be half of
what importing us costs, and as in multiprocessing itself whoever starts a process imports it.
"""

import atexit
import os
import sys
from _weakrefset import WeakSet
from multiprocessing import process

from . import _core

#: Lower than any priority in use: `multiprocessing.util` runs its finalizers from high to low.
_LAST = -1_000_000

#: The process which imported pumasi: this one, or the first of those which it was forked from.
importer = os.getpid()

#: The process whose finalizer is armed; any other leaves from `atexit`.
_armed_pid: int | None = None

#: `multiprocessing.util` will call us in the children that multiprocessing forks.
_hooked = False


class _Anchor:
    """What `multiprocessing.util` keeps our fork hook by, for it holds hooks weakly."""

    __slots__ = ("__weakref__",)


_anchor = _Anchor()


def announce() -> None:
    """Say in the environment where this process's heap is, for the programs it will start.

    A child under spawn, the fork server and a plain `subprocess` inherit the environment, and
    attach to the heap it names when they import pumasi.
    """
    os.environ["PUMASI_HEAP"] = _core.heap.ticket


def arm() -> None:
    """Make this process enter the heap, and leave it in order when it ends."""
    # At once, so that every descendant shares the heap, a child of a bare fork too. But a child
    # which is just being told what it is for shares the heap that it is about to be told of.
    if not getattr(process.current_process(), "_inheriting", False):
        announce()
    if _hook():
        _arm_finalizer()
    os.register_at_fork(after_in_child=_forked)
    atexit.register(_leave_unless_armed)


def _hook() -> bool:
    """Have `multiprocessing.util`, where it is, call us in its children; return whether it is."""
    global _hooked
    util = sys.modules.get("multiprocessing.util")
    # Another thread may be about to import it.
    register = getattr(util, "register_after_fork", None)
    if register is not None and not _hooked:
        _hooked = True
        # The child's `Process` throws away the finalizers it inherited.
        register(_anchor, _rearm)
    return register is not None


def _forked() -> None:
    announce()
    # Before multiprocessing asks in its child who wants to be called there: it has its module
    # since the fork at the latest.
    _hook()


def _rearm(_anchor: _Anchor) -> None:
    announce()
    _arm_finalizer()


def _arm_finalizer() -> None:
    global _armed_pid
    from multiprocessing.util import Finalize

    _armed_pid = os.getpid()
    Finalize(None, _core.leave, exitpriority=_LAST)


def _leave_unless_armed() -> None:
    if _armed_pid != os.getpid():
        _core.leave()


def keep_for_child(handle: object, popen: object) -> None:
    """Keep what `handle` names alive until the child that `popen` starts is known to have ended.

    Under spawn and forkserver the arguments of a child travel as a pickle, and the standard
    library forgets them as soon as `start()` returns; the child attaches later. Without this,
    `p.start(); del d` would free `d` before the child could take hold of it.
    """
    kept = getattr(popen, "_pumasi_kept", None)
    if kept is None:
        kept = []
        popen._pumasi_kept = kept  # type: ignore[attr-defined]
        _starting.add(popen)
    kept.append(handle)


#: The starts whose children have not been seen to end.
_starting: "WeakSet[object]" = WeakSet()


def ended(child: process.BaseProcess) -> None:
    """Take note of a child which has ended, if it has: the first time it is known here."""
    popen = getattr(child, "_popen", None)
    code = getattr(popen, "returncode", None)
    if code is None or getattr(popen, "_pumasi_noted", False):
        return
    popen._pumasi_noted = True  # type: ignore[union-attr]
    # Only who reaps a process learns what ended it; who finds its locks wants to know.
    _core.heap.record_exit(popen.pid, code)  # type: ignore[union-attr]
    lifeline = getattr(popen, "_pumasi_lifeline", None)
    if lifeline is not None:
        lifeline.close()
    release_ended()


def release_ended() -> None:
    """Let go of what was kept for children which have ended meanwhile."""
    for popen in list(_starting):
        if getattr(popen, "returncode", None) is not None:
            del popen._pumasi_kept  # type: ignore[attr-defined]
            _starting.discard(popen)
