"""Ctrl-C in the middle of what a pool's owner notes about its tasks.

Python runs a signal's handler between any two steps of the main thread, so that KeyboardInterrupt
could leave half a note: a task without its result, for which `join` would wait for ever. Between
`hold` and `let_go` SIGINT is only noted, and `let_go` calls the handler that it was meant for.

    held = hold()
    try:
        ...
    finally:
        let_go(held)

`_signal` is what `signal` is made of, without the enumerations, which would take longer than all of
this.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import sys
import threading
from collections.abc import Callable
from typing import Any

_SIGINT = int(_signal.SIGINT)

#: What is used by the main thread alone: whether SIGINT came, and the handler that is put aside.
_noted = False
_aside: Callable[..., Any] | None = None


def _note(signum: int, frame: object) -> None:
    global _noted
    _noted = True


def hold() -> bool:
    """Have Ctrl-C wait from now on; False where it waits anyway, or other threads have it."""
    global _aside
    if threading.get_ident() != threading.main_thread().ident:
        return False
    handler = _signal.getsignal(_SIGINT)
    if handler is _note or not callable(handler):
        return False
    _aside = handler
    # If a signal has come already its handler is called in here, before the other one is set.
    _signal.signal(_SIGINT, _note)
    return True


def let_go(held: bool) -> None:
    """Undo a `hold` which gave True, and handle the Ctrl-C that came since."""
    global _noted
    if not held:
        return
    handler = _aside
    if handler is not None and _signal.getsignal(_SIGINT) is _note:
        _signal.signal(_SIGINT, handler)
    if _noted:
        _noted = False
        if handler is not None:
            handler(_SIGINT, sys._getframe())


def waits(held: bool) -> bool:
    """Whether a Ctrl-C waits for who has got `held` from `hold`."""
    return held and _noted


def interruptible(function: Callable[[Any], object], value: Any) -> None:
    """Call a function of the user's, where SIGINT may be held, as if it was not.

    A Ctrl-C ends it, and then counts as one that waits. One which waits already goes on waiting.
    """
    global _noted
    handler = _aside
    if (
        handler is None
        or threading.get_ident() != threading.main_thread().ident
        or _signal.getsignal(_SIGINT) is not _note
    ):
        function(value)
        return
    try:
        _signal.signal(_SIGINT, handler)
        function(value)
    except KeyboardInterrupt:
        _noted = True
    finally:
        while True:
            try:
                hold()
                break
            except KeyboardInterrupt:
                _noted = True
