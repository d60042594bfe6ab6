"""The work that is measured: a function and its inputs, found by name or given as they are."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import ModuleType
from typing import Any


class MeasureError(Exception):
    """A work could not be measured; the message says why, and what to do about it.

    ``code`` names the reason for programs: ``not-found``, ``no-inputs``, ``failed``, ``too-slow``,
    ``died`` or ``usage``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Work:
    """A function and the inputs it is called with, one call for each."""

    name: str
    function: Callable[..., Any]
    inputs: list[Any]
    star: bool = False

    def call(self) -> Callable[[Any], Any]:
        """Return the function of one input that is timed."""
        if not self.star:
            return self.function
        function = self.function
        return lambda arguments: function(*arguments)

    def unpicklable(self) -> str | None:
        """Say why a fresh interpreter could not be sent this function, or None."""
        try:
            ForkingPickler.dumps(self.function)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None


def of(function: Callable[..., Any], inputs: Iterable[Any] | None, star: bool, items: int) -> Work:
    """Make a work of a function and its inputs, or of so many calls without any."""
    if not callable(function):
        raise MeasureError("usage", f"{function!r} cannot be called")
    if inputs is None:
        listed: list[Any] = [()] * items
        star = True
    else:
        listed = list(inputs)
    if not listed:
        raise MeasureError("no-inputs", "there are no inputs: give at least one item to call with")
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None) or repr(function)
    return Work(f"{module}:{name}" if module else name, function, listed, star)


def find(target: str, function: str | None) -> tuple[ModuleType, Callable[..., Any]]:
    """Import ``module:function``, or a script whose function is named besides."""
    if target.endswith(".py") or os.sep in target:
        if function is None:
            raise MeasureError("usage", f"{target} is a script: name its function with --func")
        module = _script(Path(target))
        return module, _attribute(module, function)
    name, colon, attribute = target.partition(":")
    if not colon:
        if function is None:
            raise MeasureError(
                "usage",
                f"{target!r} names no function: write {target}:function, or a script and --func",
            )
        attribute = function
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise _not_imported(name, error) from None
    return module, _attribute(module, attribute)


def _script(path: Path) -> ModuleType:
    if not path.is_file():
        raise MeasureError("not-found", f"there is no file {path}")
    name = path.stem
    if name in sys.modules:
        raise MeasureError(
            "not-found",
            f"{path} has the name of the module {name}, which Python uses itself: rename it",
        )
    # A spawned process gets this path and imports the script by its name.
    sys.path.insert(0, str(path.resolve().parent))
    specification = importlib.util.spec_from_file_location(name, path.resolve())
    if specification is None or specification.loader is None:
        raise MeasureError("not-found", f"{path} is no Python script")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException as error:
        raise _not_imported(str(path), error) from None
    return module


def _not_imported(name: str, error: BaseException) -> MeasureError:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({place.filename}:{place.lineno})" for place in last if error.__traceback__)
    if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
        return MeasureError(
            "not-found",
            f"no module named {error.name!r}, neither here ({os.getcwd()}) nor on Python's path",
        )
    return MeasureError(
        "not-found", f"{name} cannot be imported: {type(error).__name__}: {error}{where}"
    )


def _attribute(module: ModuleType, dotted: str) -> Callable[..., Any]:
    found: Any = module
    for part in dotted.split("."):
        if not hasattr(found, part):
            here = [
                name
                for name, value in vars(module).items()
                if callable(value) and not name.startswith("_")
                if getattr(value, "__module__", None) == module.__name__
            ]
            having = f"; it has: {', '.join(sorted(here))}" if here else ""
            raise MeasureError("not-found", f"{module.__name__} has no {dotted}{having}")
        found = getattr(found, part)
    if not callable(found):
        raise MeasureError("not-found", f"{module.__name__}:{dotted} is not a function")
    return found  # type: ignore[no-any-return]


def literal(text: str) -> Any:
    """Read one argument of the command line: a Python literal, or else a text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def evaluated(expression: str, module: ModuleType) -> list[Any]:
    """Return the items which an expression gives, evaluated among the names of the module."""
    try:
        return list(eval(expression, dict(vars(module))))
    except Exception as error:
        raise MeasureError(
            "no-inputs",
            f"--inputs {expression!r} gives no items: {type(error).__name__}: {error}",
        ) from None


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal, also where ``==`` gives no plain answer."""
    try:
        if bool(one == other):
            return True
    except Exception:  # An array compares element by element, and some types not at all.
        pass
    try:
        return pickle.dumps(one) == pickle.dumps(other)
    except Exception:
        return False


def brief(value: object, length: int = 60) -> str:
    """Show a value in a few words."""
    try:
        shown = repr(value)
    except Exception as error:
        shown = f"<{type(value).__name__} whose repr() fails: {type(error).__name__}>"
    return shown if len(shown) <= length else shown[: length - 3] + "..."


def chunks(items: int, workers: int) -> list[range]:
    """Divide so many items as Pool.map does: into four chunks for each worker."""
    size = max(1, -(-items // (workers * 4)))
    return [range(start, min(start + size, items)) for start in range(0, items, size)]


def natively_stored(inputs: Sequence[Any]) -> bool:
    """Whether a shared List stores all of these as native cells, without a pickle."""
    return all(_native(item) for item in inputs)


def _native(item: Any) -> bool:
    if type(item) is tuple:
        return all(_native(part) for part in item)
    return type(item) in (int, float, bool, str, bytes, type(None))


def viewable(inputs: Sequence[Any]) -> bool:
    """Whether all of these are NumPy arrays which can lie in shared memory as they are."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return False
    return all(
        type(item) is numpy.ndarray and not item.dtype.hasobject and item.nbytes > 0
        for item in inputs
    )
