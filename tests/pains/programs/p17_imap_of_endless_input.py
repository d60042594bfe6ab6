"""The results of an endless input are wanted one by one; it may be read far ahead."""

import importlib
import sys
import time

mp = importlib.import_module(sys.argv[1])
read = 0
wanted = True


def endless():
    global read
    while wanted and read < 100_000:
        read += 1
        yield read


if __name__ == "__main__":
    with mp.get_context("fork").Pool(1) as pool:
        results = pool.imap(abs, endless())
        first = [next(results) for _ in range(10)]
        seconds = 0.5 if hasattr(mp, "List") else 60
        end = time.monotonic() + seconds
        while read <= 1000 and time.monotonic() < end:
            time.sleep(0.01)
        wanted = False
        print(first[-1], "results, and more than 1000 items read:", read > 1000)
