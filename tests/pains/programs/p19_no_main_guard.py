"""A program whose main module starts a pool when it is imported, as workers do."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile

PROGRAM = """
import {package} as mp
pool = mp.get_context("spawn").Pool(1)
pool.map(abs, [1])
"""

if __name__ == "__main__":
    seconds = 90 if sys.argv[1] == "pumasi" else 4
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "unguarded.py")
        with open(path, "w") as file:
            file.write(PROGRAM.format(package=sys.argv[1]))
        with open(os.path.join(folder, "said"), "w+") as said:
            running = subprocess.Popen([sys.executable, path], stderr=said, start_new_session=True)
            try:
                ended = running.wait(seconds) != 0
            except subprocess.TimeoutExpired:
                ended = False
            # Its workers as well.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            said.seek(0)
            told = "if __name__ == '__main__':" in said.read()
    print("ends by itself:", ended, "and says what is missing:", told)
