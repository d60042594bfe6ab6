"""The program whose pool is at work is killed; its workers may stay for ever."""

import contextlib
import os
import signal
import subprocess
import sys
import time

PROGRAM = """
import os, signal, time
import {package} as mp

ctx = mp.get_context("fork")
begun = ctx.Semaphore(0)

def work(x):
    begun.release()
    time.sleep(1000)

if __name__ == "__main__":
    pool = ctx.Pool(2)
    pool.map_async(work, [1], 1)
    begun.acquire()
    print(*[worker.pid for worker in pool._pool], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


if __name__ == "__main__":
    owner = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(package=sys.argv[1])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    line = owner.stdout.readline()
    owner.wait()
    pids = [int(pid) for pid in line.split()]
    end = time.monotonic() + (60 if sys.argv[1] == "pumasi" else 0.5)
    while any(map(runs, pids)) and time.monotonic() < end:
        time.sleep(0.01)
    print("workers:", len(pids), "and some stay:", any(map(runs, pids)))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
