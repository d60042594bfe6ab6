"""A list of one process is not the list of another."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])
data: list[int] = []


def append_data() -> None:
    for i in range(10):
        data.append(i)


if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[2])
    processes = [ctx.Process(target=append_data) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(len(data), [process.exitcode for process in processes])
