"""What a process held when it ended in order stays held, and another may release it."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])


def hold(*held):
    for lock in held:
        lock.acquire()


def leave_by_exit(lock):
    lock.acquire()
    sys.exit(3)


def leave_by_error(lock):
    sys.stderr = None
    lock.acquire()
    raise RuntimeError


def run_once(latch, passed):
    if latch.acquire(False):
        passed.value += 1


if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[2])
    lock, semaphore, bounded = ctx.Lock(), ctx.Semaphore(1), ctx.BoundedSemaphore(1)
    process = ctx.Process(target=hold, args=(lock, semaphore, bounded))
    process.start()
    process.join()
    print(process.exitcode, [x.acquire(False) for x in (lock, semaphore, bounded)])
    for x in (lock, semaphore, bounded):
        x.release()
    print([x.acquire(False) for x in (lock, semaphore, bounded)])
    for target in (leave_by_exit, leave_by_error):
        lock = ctx.Lock()
        process = ctx.Process(target=target, args=(lock,))
        process.start()
        process.join()
        print(process.exitcode, lock.acquire(timeout=0.2))

    # A latch which nobody ever releases lets one process through.
    latch, passed = ctx.Lock(), ctx.Value("i", 0)
    for _ in range(3):
        process = ctx.Process(target=run_once, args=(latch, passed))
        process.start()
        process.join()
    print(passed.value)
