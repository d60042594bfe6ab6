"""What ``pumasi bench`` starts: measures, and prints lines of JSON on standard output.

Lines with ``progress`` say what is done now and which share of the budget is spent; the last one
has a ``report`` or an ``error``.  What the measured program prints goes to standard error, so that
it cannot be taken for one of these lines.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from . import bench, work
from .work import MeasureError


def main(words: Sequence[str] | None = None) -> int:
    """Obey the command line of `pumasi bench`, and return its exit code."""
    options = _parser().parse_args(words)
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.set_inheritable(lines.fileno(), False)
    os.dup2(2, 1)
    last = 0.0

    def progress(what: str, share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= 0.05:
            last = time.monotonic()
            _line(lines, progress={"what": what, "share": share})

    try:
        report = _measured(options, progress)
    except MeasureError as error:
        _line(lines, error={"code": error.code, "message": str(error)})
        return 1
    _line(lines, report=json.loads(report.to_json()))
    return 0


def _measured(options: argparse.Namespace, progress: Any) -> Any:
    module, function = work.find(options.target, options.func)
    inputs: list[Any] | None = None
    if options.inputs is not None:
        inputs = work.evaluated(options.inputs, module)
    elif options.args:
        inputs = [work.literal(text) for text in options.args] * options.repeat
    return bench(
        function,
        inputs,
        star=options.star,
        items=options.items,
        workers=options.workers,
        kinds=options.kinds,
        start_methods=options.start_methods,
        arguments=options.arguments,
        budget=options.budget,
        precision=options.precision,
        progress=progress,
    )


def _line(lines: TextIO, **content: Any) -> None:
    lines.write(json.dumps(content) + "\n")
    lines.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pumasi.measure", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--func")
    parser.add_argument("--arg", dest="args", action="append", default=[])
    parser.add_argument("--inputs")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--star", action="store_true")
    parser.add_argument("--workers", type=lambda text: [int(part) for part in text.split(",")])
    names = {"type": lambda text: text.split(",")}
    parser.add_argument("--kinds", default=["threads", "processes"], **names)  # type: ignore[arg-type]
    parser.add_argument("--start-methods", **names)  # type: ignore[arg-type]
    parser.add_argument("--arguments", **names)  # type: ignore[arg-type]
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--precision", type=float, default=0.02)
    return parser


if __name__ == "__main__":
    sys.exit(main())
