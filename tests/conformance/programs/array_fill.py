"""Four processes fill an array, and two add to a value under its lock."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])


def fill(shared, start):
    for i in range(10):
        shared[start + i] = i


def count(value, floats):
    for _ in range(500):
        with value.get_lock():
            value.value += 1
    with floats:
        floats[0] += 0.5


if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[2])
    shared = ctx.Array("i", 40)
    value = ctx.Value("q", 2**40)
    floats = ctx.Array("d", [1.5, -2])
    processes = [ctx.Process(target=fill, args=(shared, i * 10)) for i in range(4)]
    processes += [ctx.Process(target=count, args=(value, floats)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(len(shared), shared[:], sum(shared), value.value - 2**40, floats[:])
