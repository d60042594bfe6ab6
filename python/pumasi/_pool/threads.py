"""How many threads the numeric libraries of a worker start.

Each would start as many as there are CPUs, in every worker. What a user has set in the environment
wins. A library that is loaded already has read the environment, and is told by its own function.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

#: What tells the libraries when they are loaded.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
#: What tells a loaded one: a part of its file's name, and the names that the function may have.
_FUNCTIONS = (
    (
        "openblas",
        (
            "openblas_set_num_threads",
            "openblas_set_num_threads64_",
            "scipy_openblas_set_num_threads",
            "scipy_openblas_set_num_threads64_",
        ),
    ),
    ("libgomp", ("omp_set_num_threads",)),
    ("libomp", ("omp_set_num_threads",)),
    ("libiomp", ("omp_set_num_threads",)),
    ("libmkl_rt", ("MKL_Set_Num_Threads",)),
    ("libblis", ("bli_thread_set_num_threads",)),
)


#: Tells one library how many threads it has.
Tell = Callable[[int], object]

#: The libraries that were found, and how many modules there were then.
_found: tuple[int, list[Tell]] | None = None


def limit(threads: int, asked: bool = False) -> None:
    """Let numeric libraries have so many threads, unless a user has set something else.

    With `asked` it is the user who says this now.
    """
    if not asked and any(name in os.environ for name in VARIABLES):
        return
    for name in VARIABLES:
        os.environ[name] = str(threads)
    for tell in loaded():
        tell(threads)


def loaded() -> list[Tell]:
    """Return what tells the libraries that are loaded; a child of a fork has found them already."""
    global _found
    # None of them is known to be loaded by anything that is not there with NumPy.
    if "numpy" not in sys.modules:
        return []
    if _found is None or _found[0] != len(sys.modules):
        tells = _look()
        _found = (len(sys.modules), tells)
    return _found[1]


def _look() -> list[Tell]:
    import ctypes

    tells: list[Tell] = []
    for path in _files():
        file = os.path.basename(path)
        for part, names in _FUNCTIONS:
            if part not in file:
                continue
            try:
                library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
            except OSError:
                continue
            for name in names:
                if hasattr(library, name):
                    tell = getattr(library, name)
                    tells.append(_quiet(library, name, tell) if part == "openblas" else tell)
                    break
    return tells


def _quiet(library: Any, name: str, tell: Tell) -> Tell:
    """Return what tells OpenBLAS without starting its threads in a child of a fork.

    A fork ends them. The function starts all of them anew before it reads how many there shall be,
    and each looks for work for 0.1 s of CPU time. So while there are none, the numbers are set as
    if the library had been loaded with them.
    """
    import ctypes

    try:
        used, most, running = (
            ctypes.c_int.in_dll(library, word)
            for word in ("blas_cpu_number", "blas_num_threads", "blas_server_avail")
        )
        number = getattr(library, name.replace("set_num_threads", "get_num_threads"))()
        # 1: threads of its own, rather than OpenMP's.
        parallel = getattr(library, name.replace("set_num_threads", "get_parallel"))()
    except (AttributeError, ValueError):
        return tell
    if parallel != 1 or number != used.value:
        return tell

    def set_quietly(threads: int) -> None:
        if running.value == 0 and threads <= used.value <= most.value:
            used.value = most.value = threads
        else:
            tell(threads)

    return set_quietly


def _files() -> set[str]:
    """Return the files of the shared libraries of this process."""
    try:
        with open("/proc/self/maps") as maps:
            fields = [line.split(maxsplit=5) for line in maps]
    except OSError:
        return set()
    return {parts[5].rstrip("\n") for parts in fields if len(parts) == 6 and ".so" in parts[5]}
