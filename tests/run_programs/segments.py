"""Shared segments in a program that names multiprocessing: a child attaches, and forgets them."""

import multiprocessing as mp
import sys
from multiprocessing import shared_memory
from multiprocessing.managers import SharedMemoryManager

kept = []


def work(name, items):
    kept.extend((shared_memory.SharedMemory(name), items))
    print(type(kept[0]).__module__, bytes(kept[0].buf[:2]), items[0], flush=True)


if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    segment = shared_memory.SharedMemory(create=True, size=10)
    segment.buf[:2] = b"hi"
    with SharedMemoryManager() as manager:
        child = mp.Process(target=work, args=(segment.name, manager.ShareableList([b"a\0"])))
        child.start()
        child.join()
    kept.append(segment)
    segment.unlink()
