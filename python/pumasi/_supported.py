"""Which systems pumasi runs on, checked before anything native is loaded."""

import os
import sys


def refusal(system: str, machine: str, implementation: str, version: tuple[int, int]) -> str | None:
    """Return a sentence saying why pumasi cannot run there and what to do, or None if it can.

    >>> refusal("linux", "x86_64", "cpython", (3, 11)) is None
    True
    """
    if (
        system == "linux"
        and machine in ("x86_64", "aarch64")
        and implementation == "cpython"
        and (3, 10) <= version <= (3, 13)
    ):
        return None
    return (
        "pumasi supports CPython 3.10 to 3.13 on Linux on x86-64 or aarch64, and this is "
        f"{implementation} {version[0]}.{version[1]} on {system} on {machine}: use one of those, "
        "or the standard library's multiprocessing, whose programs pumasi runs with only the "
        "import changed."
    )


def check() -> None:
    """Raise ImportError with that sentence where pumasi cannot run."""
    machine = os.uname().machine if hasattr(os, "uname") else "an unknown machine"
    sentence = refusal(
        sys.platform, machine, sys.implementation.name, (sys.version_info[0], sys.version_info[1])
    )
    if sentence is not None:
        raise ImportError(sentence)
