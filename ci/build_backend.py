"""What pip calls to build pumasi: maturin, after a look at whether it can run here at all.

Without this, an unsupported system would learn it from a compiler, many lines down.
"""

from __future__ import annotations

import platform
import sys

SUPPORTED = (
    "pumasi supports CPython 3.10 to 3.13 on Linux on x86-64 or aarch64, and this is {here}: "
    "use one of those, or the standard library's multiprocessing, whose programs pumasi runs "
    "with only the import changed."
)


def refusal() -> str | None:
    """Returns the sentence for an unsupported system, or None where pumasi runs."""
    system, machine = platform.system(), platform.machine()
    python = platform.python_implementation()
    if (
        system == "Linux"
        and machine in ("x86_64", "aarch64")
        and sys.maxsize > 2**32
        and python == "CPython"
        and (3, 10) <= sys.version_info[:2] <= (3, 13)
    ):
        return None
    here = f"{python} {platform.python_version()} on {system} on {machine}"
    return SUPPORTED.format(here=here)


if (sentence := refusal()) is not None:
    raise SystemExit(sentence)

# Every hook of the build is maturin's own.
from maturin import *  # noqa: E402, F403
