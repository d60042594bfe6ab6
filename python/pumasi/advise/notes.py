"""Which variable a shared object was made for: the program's assignments, rewritten to tell.

``name = call(...)`` becomes ``name = __pumasi_note__(call(...), "name", line)``, also for
attributes and for several names at once.  The value is the same; objects made elsewhere than in an
assignment of the program's own file stay unnamed.
"""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from .. import _core

_MOST_OF_A_LINE = 100
"""Objects of one line that are watched: they are kept alive until the program has ended."""


@dataclass
class Used:
    """Everything known of the objects which one line made for one variable."""

    name: str
    line: int
    objects: list[Any]
    operations: dict[str, int]

    @property
    def kind(self) -> str:
        """The type's name, as users know it."""
        name = type(self.objects[0]).__name__
        known = {
            "Synchronized": "Value",
            "SynchronizedArray": "Array",
            "SynchronizedString": "Array",
        }
        return known.get(name, name)


class Notes:
    """The shared objects which the program has assigned to a name."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], list[Any]] = {}
        self._pid = os.getpid()
        self.overlooked = 0

    def note(self, value: Any, name: str, line: int) -> Any:
        """Keep a value if it is a shared object, and return it."""
        # A forked child has this object, too, but nobody would ask it.
        if os.getpid() == self._pid and counted(value) is not None:
            objects = self._made.setdefault((name, line), [])
            if len(objects) < _MOST_OF_A_LINE:
                objects.append(value)
            else:
                self.overlooked += 1
        return value

    def used(self) -> list[Used]:
        """Return what each of them was used for, in the order of lines."""
        found = []
        for (name, line), objects in sorted(self._made.items(), key=lambda made: made[0][1]):
            total: dict[str, int] = {}
            for each in objects:
                for operation, count in (counted(each) or {}).items():
                    total[operation] = total.get(operation, 0) + count
            found.append(Used(name, line, objects, total))
        return found


def counted(value: Any) -> dict[str, int] | None:
    """Return the counters of a shared object, of a Value or Array with its lock's, or None."""
    try:
        return dict(_core.stats(value))
    except TypeError:
        return None


def instrumented(source: str, path: Path) -> CodeType:
    """Compile a program so that its assignments tell what they assign."""
    tree = _Teller().visit(ast.parse(source, str(path)))
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


class _Teller(ast.NodeTransformer):
    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        self.generic_visit(node)
        node.value = self._told(node.targets[0], node.value)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        self.generic_visit(node)
        if node.value is not None:
            node.value = self._told(node.target, node.value)
        return node

    def _told(self, target: ast.expr, value: ast.expr) -> ast.expr:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = zip(target.elts, value.elts, strict=False)
            if len(target.elts) == len(value.elts):
                value.elts = [self._told(one, other) for one, other in pairs]
            return value
        if not isinstance(value, ast.Call) or not isinstance(target, (ast.Name, ast.Attribute)):
            return value
        call = ast.Call(
            ast.Name("__pumasi_note__", ast.Load()),
            [value, ast.Constant(ast.unparse(target)), ast.Constant(value.lineno)],
            [],
        )
        return ast.copy_location(call, value)
