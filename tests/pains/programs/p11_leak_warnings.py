"""A correct program with a few locks is killed; what it leaves, and what is said."""

import subprocess
import sys

PROGRAM = f"""
import os, signal, {sys.argv[1]} as mp
ctx = mp.get_context("spawn")
kept = [ctx.Lock(), ctx.Event(), ctx.BoundedSemaphore(2)]
os.kill(os.getpid(), signal.SIGTERM)
"""

if __name__ == "__main__":
    # Its end of standard error closes when the last process that has it is gone.
    done = subprocess.run([sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, text=True)
    print("complains of leaks:", "leaked" in done.stderr)
