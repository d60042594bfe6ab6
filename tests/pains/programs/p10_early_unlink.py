"""Another program looks at a shared segment and ends; what its maker has of it then."""

import contextlib
import importlib
import os
import subprocess
import sys

PROGRAM = f"""
import sys
from {sys.argv[1]}.shared_memory import SharedMemory
SharedMemory(sys.argv[1]).close()
"""

if __name__ == "__main__":
    shared_memory = importlib.import_module(f"{sys.argv[1]}.shared_memory")
    segment = shared_memory.SharedMemory(create=True, size=100)
    try:
        # Its end of standard error closes when the last process that has it is gone.
        looked = subprocess.run(
            [sys.executable, "-c", PROGRAM, segment.name], stderr=subprocess.PIPE, text=True
        )
        there = os.path.exists(f"/dev/shm/{segment.name}")
        print("still there:", there, "and complains of leaks:", "leaked" in looked.stderr)
    finally:
        segment.close()
        with contextlib.suppress(FileNotFoundError):
            segment.unlink()
