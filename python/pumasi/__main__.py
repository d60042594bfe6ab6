"""The command line: `pumasi`, or `python -m pumasi`."""

import os
import sys

from . import _core


def main() -> int:
    """Run the command line with this process's arguments and return its exit code."""
    words = sys.argv[1:]
    if words[:1] == ["run"]:
        words[1:1] = _options()
    return _core.cli_main(["pumasi", *words])


def _options() -> list[str]:
    """The options -W and -X of this interpreter, which the one that runs a program is to have."""
    warnings = list(sys.warnoptions)
    others = [] if sys.flags.ignore_environment else os.environ.get("PYTHONWARNINGS", "").split(",")
    if sys.flags.dev_mode:
        others.append("default")
    for other in others:
        if other in warnings:
            warnings.remove(other)
    words = [word for warning in warnings for word in ("-W", warning)]
    for name, value in sys._xoptions.items():
        words += ["-X", name if value is True else f"{name}={value}"]
    return words


if __name__ == "__main__":
    sys.exit(main())
