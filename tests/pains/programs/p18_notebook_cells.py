"""A function of a notebook's cell, whose main module no worker can import."""

import contextlib
import os
import signal
import subprocess
import sys

CELLS = """
import {package} as mp
by = 3
def scaled(x):
    return by * x
pool = mp.get_context("spawn").Pool(1)
print(pool.map(scaled, [1, 2]))
pool.close()
pool.join()
"""

if __name__ == "__main__":
    seconds = 90 if sys.argv[1] == "pumasi" else 3
    running = subprocess.Popen(
        # As in a notebook, the main module has no file.
        [sys.executable, "-c", CELLS.format(package=sys.argv[1])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    said = ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        said, _ = running.communicate(timeout=seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    print("ends:", running.returncode == 0, "and found:", said.strip())
