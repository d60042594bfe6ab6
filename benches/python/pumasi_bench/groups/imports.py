"""What `import pumasi` costs a program, beside `import multiprocessing`.

The time of a whole `python -c "import ..."`, from start to exit, so that what a library does at
exit counts as well. The bare interpreter is in both figures, which is why the target is a
difference and not a ratio.

Both come with their bytecode, as an installed package does: a folder of this run's own holds it,
also where the environment says that Python is not to write any. (With the sources of a checkout
compiled anew for every import, pumasi cost 6 ms more than it does once installed.)
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from time import perf_counter

from pumasi_bench.samples import Sample
from pumasi_bench.session import Session
from pumasi_bench.targets import at_most_more


def run(session: Session) -> None:
    """In turns, from an empty folder, after one run of each which fills the bytecode caches."""
    modules = (session.name, multiprocessing.__name__)
    taken: dict[str, list[float]] = {module: [] for module in modules}
    with tempfile.TemporaryDirectory(prefix="pumasi-bench-") as folder:
        for module in modules:
            _import_seconds(module, folder)
        for _ in range(session.effort.import_rounds):
            for module in modules:
                taken[module].append(_import_seconds(module, folder) * 1e3)
    ours, theirs = (Sample(module, "ms", tuple(values)) for module, values in taken.items())
    session.add("python -c 'import ...'", ours, theirs, at_most_more(10, "ms"))


def _import_seconds(module: str, folder: str) -> float:
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": os.path.join(folder, "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", f"import {module}"]
    start = perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return perf_counter() - start
