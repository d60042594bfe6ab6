"""Says whose objects every form of import brings, here and in a child of each start method."""

import concurrent.futures
import multiprocessing
import multiprocessing as mp
import multiprocessing.managers
import multiprocessing.pool
import sys
from multiprocessing import Event, Lock, Process, Value, get_context
from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import Array

import library_of_the_program


def whose():
    made = [
        Lock(),
        mp.Lock(),
        multiprocessing.RLock(),
        Event(),
        Value("i", 0),
        Array("i", 2),
        get_context("spawn").Lock(),
        SpawnContext().Semaphore(),
        mp.get_context().BoundedSemaphore(),
        library_of_the_program.lock(),
    ]
    return sorted({type(x).__module__.partition(".")[0] for x in made})


def child(queue, lock, value):
    with lock:
        value.value += 1
    queue.put((whose(), type(lock).__module__.partition(".")[0]))


def square(x):
    return x * x


if __name__ == "__main__":
    print(sys.argv[1:], whose(), issubclass(Process, multiprocessing.process.BaseProcess))
    for method in ("fork", "spawn", "forkserver"):
        ctx = mp.get_context(method)
        queue, lock, value = ctx.Queue(), ctx.Lock(), ctx.Value("i", 0)
        process = ctx.Process(target=child, args=(queue, lock, value))
        process.start()
        print(method, queue.get(timeout=60), end=" ")
        process.join()
        print(process.exitcode, value.value)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=mp.get_context("fork")) as executor:
        print(list(executor.map(square, range(4))))
    with mp.Manager() as manager:
        items = manager.list([1])
        items.append(2)
        print(items, manager._process is None)
    with multiprocessing.pool.Pool(2) as pool:
        print(pool.map(square, range(4)))
