"""What the shared objects of a program are used for, and what would suit them better.

``pumasi advise program.py`` runs a program with the counters of operations on, and looks for each
shared object at what was done to it.  ``notes`` finds out which variable an object was made for,
``costs`` measures on this machine what its operations cost, and ``rules`` compares with what else
could do the same.  The counters are in shared memory, so they cover all processes of the program.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import _core
from . import rules
from .notes import Notes, instrumented

__all__ = ["ProgramFailed", "advise"]


class ProgramFailed(Exception):
    """The program cannot be advised on: it does not exist, cannot be read, or failed."""


def advise(path: str | Path, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Run a program to its end in this process, and return what its shared objects did.

    The program is ``__main__`` for as long as it runs.  Times are seconds.  Raises ProgramFailed
    when there is no such program, or when it ends with an exception or an exit code.
    """
    path = Path(path)
    try:
        source = path.read_text(encoding="utf-8")
        notes = Notes()
        code = instrumented(source, path)
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramFailed(f"cannot read {path}: {error}") from None
    except SyntaxError as error:
        raise ProgramFailed(f"{path}:{error.lineno}: {error.msg}") from None
    module = types.ModuleType("__main__")
    module.__file__ = str(path)
    module.__dict__["__pumasi_note__"] = notes.note
    before = sys.modules["__main__"], sys.argv, sys.path[0]
    sys.modules["__main__"], sys.argv, sys.path[0] = (
        module,
        [str(path), *arguments],
        str(path.parent),
    )
    counting, _core.heap.counting = _core.heap.counting, True
    try:
        exec(code, module.__dict__)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise ProgramFailed(f"{path} ended with exit code {end.code}") from None
    except Exception as error:
        line = error.__traceback__
        while line is not None and line.tb_next is not None:
            line = line.tb_next
        where = f", line {line.tb_lineno}" if line is not None else ""
        raise ProgramFailed(f"{path} failed{where}: {type(error).__name__}: {error}") from error
    finally:
        _core.heap.counting = counting
        sys.modules["__main__"], sys.argv, sys.path[0] = before
    found = notes.used()
    return {
        "program": str(path),
        "objects": [rules.judged(used, found) for used in found],
        "overlooked": notes.overlooked,
    }
