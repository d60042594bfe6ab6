"""A manager's pool: its server is told in the child which class to make one of."""

import multiprocessing
import sys
from multiprocessing.managers import SyncManager


class Own(SyncManager):
    pass


Own.register("text", str)

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    for manager in (multiprocessing.Manager(), Own(), SyncManager(("127.0.0.1", 0))):
        if manager._state.value == 0:  # not yet started
            manager.start()
        with manager, manager.Pool(1) as pool:
            print(pool.map(abs, [-1, 2]), pool.apply(pow, (2, 3)))
