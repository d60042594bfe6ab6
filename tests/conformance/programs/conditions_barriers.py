"""What conditions and barriers return, raise and print, and whom they let go on."""

import importlib
import pickle
import sys
import threading
import time

mp = importlib.import_module(sys.argv[1])


def show(name, f, *args, **kwargs):
    try:
        print(name, repr(f(*args, **kwargs)))
    except Exception as error:
        print(name, type(error).__name__, error)


def eventually(predicate):
    end = time.monotonic() + 60
    while not predicate():
        assert time.monotonic() < end
        time.sleep(0.001)


def sleeper(condition, asleep, awake, timeout):
    with condition:
        asleep.release()
        outcome = condition.wait(timeout)
    awake.release()
    sys.exit(int(outcome))


def reader(condition, box, out):
    with condition:
        found = condition.wait_for(lambda: box.value >= 2, 60)
        out.value = int(found) + box.value


def passer(barrier, seen, times):
    for _ in range(times):
        index = barrier.wait(60)
        with seen.get_lock():
            seen[index] += 1


def breaker(barrier, out):
    try:
        barrier.wait(60)
    except threading.BrokenBarrierError:
        out.value = 1


def count(total):
    with total.get_lock():
        total.value += 1


def conditions(ctx):
    for lock in (None, ctx.Lock(), ctx.RLock()):
        condition = ctx.Condition(lock)
        show("repr", repr, condition)
        show("wait unheld", condition.wait)
        show("notify unheld", condition.notify)
        show("notify all unheld", condition.notify_all)
        show("pickle", pickle.dumps, condition)
        print(condition.acquire(), condition.wait(0.01), condition.wait(0), condition.wait(-1))
        print(condition.notify(), condition.notify(n=3), condition.notify_all())
        print(condition.wait_for(lambda: 7), condition.wait_for(list, 0.01))
        show("release", condition.release)
        with condition as entered:
            print("with", entered)
    condition = ctx.Condition()
    with condition, condition:
        print("nested", condition.wait(0.01))
    asleep, awake = ctx.Semaphore(0), ctx.Semaphore(0)
    children = [
        ctx.Process(target=sleeper, args=(condition, asleep, awake, timeout))
        for timeout in (None, 60, None, 0.01)
    ]
    for child in children:
        child.start()
    for _ in children:
        asleep.acquire()
    eventually(lambda: awake.get_value() == 1)
    for n in (1, 2):
        with condition:
            condition.notify(n)
        eventually(lambda n=n: awake.get_value() == (2 if n == 1 else 4))
    for child in children:
        child.join()
    print("waits returned", sorted(child.exitcode for child in children))

    box, out = ctx.Value("i", 0), ctx.Value("i", 0)
    child = ctx.Process(target=reader, args=(condition, box, out))
    child.start()
    for _ in range(2):
        with condition:
            box.value += 1
            condition.notify_all()
    child.join()
    print("waited for", out.value)


def barriers(ctx):
    barrier = ctx.Barrier(3, timeout=60)
    print(barrier.parties, barrier.n_waiting, barrier.broken)
    try:
        pickle.dumps(barrier)
    except RuntimeError as error:
        # The standard library's names what it is made of.
        print("pickle", str(error).split(" ", 1)[1])
    seen = ctx.Array("i", 3)
    children = [ctx.Process(target=passer, args=(barrier, seen, 4)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    print("indices", seen[:], barrier.n_waiting, barrier.broken)

    total, seen = ctx.Value("i", 0), ctx.Array("i", 2)
    acting = ctx.Barrier(2, action=Action(total))
    children = [ctx.Process(target=passer, args=(acting, seen, 5)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    print("acted", total.value, seen[:])

    for how in ("abort", "reset"):
        out = ctx.Value("i", 0)
        child = ctx.Process(target=breaker, args=(barrier, out))
        child.start()
        eventually(lambda: barrier.n_waiting == 1)
        getattr(barrier, how)()
        child.join()
        print(how, out.value, barrier.broken, barrier.n_waiting)
        show("wait", barrier.wait, 0.01)
        print(barrier.broken)
        barrier.reset()
        print(barrier.broken)
    failing = ctx.Barrier(1, action=fail)
    show("action", failing.wait)
    print(failing.broken)


class Action:
    def __init__(self, total):
        self.total = total

    def __call__(self):
        count(self.total)


def fail():
    raise OSError("on purpose")


if __name__ == "__main__":
    conditions(mp.get_context(sys.argv[2]))
    barriers(mp.get_context(sys.argv[2]))
