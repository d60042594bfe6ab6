"""How many threads the numeric libraries of a worker start.

Each would start as many as there are CPUs, in every worker. What a user has set in the environment
wins. A library that is loaded already has read the environment, and is told by its own function.
"""

from __future__ import annotations

import os
import sys

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


def limit(threads: int, asked: bool = False) -> None:
    """Let numeric libraries have so many threads, unless a user has set something else.

    With `asked` it is the user who says this now.
    """
    if not asked and any(name in os.environ for name in VARIABLES):
        return
    for name in VARIABLES:
        os.environ[name] = str(threads)
    # None of them is known to be loaded by anything that is not there with NumPy.
    if "numpy" in sys.modules:
        _tell_the_loaded(threads)


def _tell_the_loaded(threads: int) -> None:
    import ctypes

    for path in _loaded():
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
                    getattr(library, name)(ctypes.c_int(threads))
                    break


def _loaded() -> set[str]:
    """Return the files of the shared libraries of this process."""
    try:
        with open("/proc/self/maps") as maps:
            fields = [line.split(maxsplit=5) for line in maps]
    except OSError:
        return set()
    return {parts[5].rstrip("\n") for parts in fields if len(parts) == 6 and ".so" in parts[5]}
