"""A program with busy threads forks; its children use what the threads were using."""

import importlib
import os
import sys
import threading
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
mp = importlib.import_module(sys.argv[1])


def keep_busy(shared, end):
    while not end.is_set():
        shared["n"] = len(shared)
        shared.pop("n", None)


if __name__ == "__main__":
    shared, end = mp.Dict(a=1), threading.Event()
    threads = [threading.Thread(target=keep_busy, args=(shared, end)) for _ in range(3)]
    for thread in threads:
        thread.start()
    codes = set()
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            shared["child"] = shared["a"]
            os._exit(0)
        codes.add(os.waitpid(pid, 0)[1])
    end.set()
    for thread in threads:
        thread.join()
    print("children ended with", sorted(codes), "and", shared["child"])
