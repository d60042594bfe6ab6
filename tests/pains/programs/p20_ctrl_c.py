"""Ctrl-C while a pool is at work, and what its workers have to say."""

import os
import signal
import subprocess
import sys

PROGRAM = """
import os, signal, threading, time
import {package} as mp

ctx = mp.get_context("fork")
begun = ctx.Semaphore(0)

def work(x):
    begun.release()
    time.sleep(60)

def interrupt():
    begun.acquire()
    begun.acquire()
    os.killpg(0, signal.SIGINT)

def runs(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False

if __name__ == "__main__":
    pool = ctx.Pool(2)
    interrupted = [worker.pid for worker in pool._pool]
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        pool.map(work, range(4), 1)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        # What workers have to say, they say before they end of it, if they do.
        end = time.monotonic() + {seconds}
        while any(map(runs, interrupted)) and time.monotonic() < end:
            time.sleep(0.01)
    pids = [worker.pid for worker in pool._pool]
    pool.terminate()
    pool.join()
    assert not any(os.path.exists("/proc/%d" % pid) for pid in pids)
"""

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seconds = 0.5 if sys.argv[1] == "pumasi" else 30
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(package=sys.argv[1], seconds=seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        said, scramble = running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        if sys.argv[1] == "pumasi":
            raise
        # Now and then its pool does not come to an end after that, either.
        said, scramble = running.communicate()
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    print(said.strip(), "and tracebacks of workers:", "Traceback" in scramble)
