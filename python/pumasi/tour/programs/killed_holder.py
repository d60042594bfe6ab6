"""A process is killed while it holds a lock: does anyone ever get the lock again.

The child takes the lock and is then killed with SIGKILL, as the kernel does when memory runs out;
no cleaning up is possible after that.  The parent asks for the lock, and waits two seconds at most.

With ``multiprocessing`` nobody will ever release the lock: without the time limit the parent would
wait for ever.  With pumasi the lock knows its owner: the parent gets it at once, is told by an
``OwnerDiedWarning``, and finds in ``lock.owner_died`` who died and how, so that it can look after
what the dead process left half done.
"""

import json
import multiprocessing as mp
import os
import signal
import sys
import time
import warnings
from typing import Any


def hold_and_die(lock: Any) -> None:
    """Take the lock and die, in the child, which never comes to release it."""
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Let a child die with the lock in its hand, then ask for the lock."""
    patience = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0  # seconds
    lock = mp.Lock()
    worker = mp.Process(target=hold_and_die, args=(lock,))
    worker.start()
    worker.join()  # the worker is dead now

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        started = time.perf_counter()
        acquired = lock.acquire(timeout=patience)
        waited = time.perf_counter() - started
    dead = getattr(lock, "owner_died", None)

    print(f"the worker ended with exit code {worker.exitcode}")
    if acquired:
        print(f"got the lock after {waited:.4f} s")
    else:
        print(f"gave up after {waited:.1f} s: nobody will ever release this lock")
    for warning in said:
        print(f"{warning.category.__name__}: {warning.message}")
    result = {
        "acquired": acquired,
        "patience_seconds": patience,
        "worker_pid": worker.pid,
        "exitcode": worker.exitcode,
        "told_by": [warning.category.__name__ for warning in said],
        "dead_pid": getattr(dead, "pid", None),
        "dead_signal": getattr(dead, "signal", None),
        "seconds": waited,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
