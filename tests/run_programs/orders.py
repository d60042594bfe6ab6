"""Says whose objects a program gets, whichever part of multiprocessing it imports first.

The classes in `synchronize` and `queues` stay the standard library's; contexts make others.
"""

import importlib
import os
import sys

FIRST = [
    "import multiprocessing.pool as pool; made = pool.Pool",
    "from multiprocessing.pool import Pool as made",
    "from multiprocessing import pool; made = pool.Pool",
    "from multiprocessing import *; made = Lock()",
    "from multiprocessing.synchronize import Lock; import multiprocessing as m; made = m.Lock()",
    "import multiprocessing.queues; made = multiprocessing.Queue()",
    "import multiprocessing.queues as q, multiprocessing as m; made = m.SimpleQueue()",
    "import concurrent.futures.process, multiprocessing; made = multiprocessing.Queue()",
    "made = importlib.import_module('multiprocessing.managers').SyncManager",
    "made = __import__('multiprocessing.sharedctypes').sharedctypes.Value('i', 0)",
    "import multiprocessing.context; made = multiprocessing.context.ForkContext().Event()",
    "from multiprocessing.shared_memory import SharedMemory as made",
    "import multiprocessing; made = multiprocessing.get_context('spawn').RLock()",
    "def late():\n  from multiprocessing import Barrier\n  return Barrier(2)\nmade = late()",
    "import logging, multiprocessing.util, multiprocessing as m; made = m.Condition()",
]

for statements in FIRST:
    pid = os.fork()
    if pid == 0:
        found = {"importlib": importlib}
        exec(statements, found)
        made = found["made"]
        cls = made if isinstance(made, type) else type(made)
        print(cls.__module__.partition(".")[0], flush=True)
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit(f"failed: {statements}")
