"""What locks, semaphores and events return and raise."""

import importlib
import pickle
import sys
import threading

mp = importlib.import_module(sys.argv[1])


def show(name, f, *args, **kwargs):
    try:
        print(name, repr(f(*args, **kwargs)))
    except Exception as error:
        print(name, type(error).__name__, error)


def in_thread(f, *args, **kwargs):
    out = []
    thread = threading.Thread(target=lambda: out.append(f(*args, **kwargs)))
    thread.start()
    thread.join()
    return out[0] if out else None


if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[2])
    lock = ctx.Lock()
    print(lock)
    show("release free", lock.release)
    show("acquire", lock.acquire)
    print(lock, lock._semlock._is_mine(), lock._semlock._count(), lock._semlock._get_value())
    print(lock._semlock._is_zero())
    show("try held", lock.acquire, False)
    show("try held", lock.acquire, block=False)
    show("truthy", lock.acquire, 0)
    show("timeout", lock.acquire, True, 0.01)
    show("timeout", lock.acquire, timeout=0.01)
    show("negative", lock.acquire, True, -5)
    show("bad timeout", lock.acquire, True, "x")
    show("other thread releases", in_thread, lock.release)
    with lock as entered:
        print("with", entered, lock)
    show("exit unheld", lock.__exit__, None, None, None)
    show("pickle", pickle.dumps, lock)

    rlock = ctx.RLock()
    print(rlock)
    show("release free", rlock.release)
    print(rlock.acquire(), rlock.acquire(), rlock)
    show("other thread", in_thread, rlock.acquire, False)
    rlock.release()
    print(rlock, rlock._semlock._count(), rlock._semlock._is_mine())
    rlock.release()
    show("too often", rlock.release)
    show("pickle", pickle.dumps, rlock)

    semaphore = ctx.Semaphore(2)
    print(semaphore, semaphore.get_value())
    print(semaphore.acquire(), semaphore.acquire(), semaphore.acquire(False), semaphore)
    semaphore.release(), semaphore.release(), semaphore.release()
    print(semaphore.get_value(), semaphore._semlock._is_zero())
    with semaphore as entered:
        print(entered, semaphore.get_value())

    bounded = ctx.BoundedSemaphore(1)
    print(bounded, bounded.acquire(), bounded.acquire(timeout=0.01))
    bounded.release()
    show("too often", bounded.release)

    event = ctx.Event()
    print(event.is_set(), event.wait(0.01), event.set(), event.is_set(), event.wait())
    print(event.clear(), event.is_set())

    condition = ctx.Condition(lock)
    with condition:
        print(condition.wait(0.01), condition.notify_all())
    condition = ctx.Condition()
    with condition:
        print(condition.wait_for(lambda: True), condition.wait(0.01))
