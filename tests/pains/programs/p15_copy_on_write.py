"""A child reads a large list which its parent has made; reading costs it copies of the pages."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])
NUMBER = 300_000


def own_memory():
    with open("/proc/self/smaps_rollup") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_Dirty"))


def read(items, copied):
    before = own_memory()
    total = 0
    for item in items:
        total += item
    assert total == sum(range(1000, 1000 + NUMBER))
    copied.value = own_memory() - before


if __name__ == "__main__":
    make = getattr(mp, "List", list)
    items, copied = make(range(1000, 1000 + NUMBER)), mp.Value("q", 0)
    child = mp.get_context("fork").Process(target=read, args=(items, copied))
    child.start()
    child.join()
    assert child.exitcode == 0
    print("copied more than 4 MB:", copied.value > 4096)
