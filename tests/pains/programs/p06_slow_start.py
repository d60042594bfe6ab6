"""A pool whose workers need a module which is slow to import."""

import importlib
import os
import subprocess
import sys
import tempfile

PROGRAM = """
import sys
import {package} as mp

def use(x):
    import slow
    return x + slow.number

if __name__ == "__main__":
    ctx = mp.get_context("forkserver")
    ctx.set_forkserver_preload(["slow"])
    with ctx.Pool(2) as pool:
        assert pool.map(use, [1, 2], 1) == [2, 3]
        told = hasattr(pool, "insights") and [w["starting"] for w in pool.insights()["workers"]]
        print("and told how long:", told and len(told) == 2 and all(t > 0 for t in told))
"""
SLOW = """
import os
number = 1
os.write(os.open("imports", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b".")
"""

if __name__ == "__main__":
    importlib.import_module(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("program.py", PROGRAM), ("slow.py", SLOW)):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text.replace("{package}", sys.argv[1]))
        told = subprocess.run(
            [sys.executable, "program.py"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        print("imports:", os.path.getsize(os.path.join(folder, "imports")), told.strip())
