"""What `_semlock` says of every sync object: by thread, after a fork or pickle, as a signal."""

import importlib
import sys
import threading

mp = importlib.import_module(sys.argv[1])


def says(made):
    inner = made._semlock
    return inner._is_mine(), inner._count(), inner._get_value(), inner._is_zero()


def in_thread(function, *args):
    out = []
    thread = threading.Thread(target=lambda: out.append(function(*args)))
    thread.start()
    thread.join()
    return out[0]


def child(out, name, made):
    found = [says(made)]
    if "Semaphore" in name:
        made.release()
        found.append(says(made))
        made.acquire()
        made.acquire()
        found.append(says(made))
        made.release()
    out.send(found)


if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[2])
    here, there = ctx.Pipe(False)
    condition, over_lock = ctx.Condition(), ctx.Condition(ctx.Lock())
    made = {
        "Lock": ctx.Lock(),
        "RLock": ctx.RLock(),
        "Semaphore": ctx.Semaphore(3),
        "BoundedSemaphore": ctx.BoundedSemaphore(3),
        "Condition": condition._lock,
        "Condition over a Lock": over_lock._lock,
        "Value": ctx.Value("i", 0).get_lock(),
    }
    for name, lock in made.items():
        print(name, says(lock), in_thread(says, lock))
        lock.acquire()
        print("acquired", says(lock), in_thread(says, lock), lock, in_thread(repr, lock))
        if name != "Lock" and "over" not in name:
            lock.acquire()
            print("again", says(lock), in_thread(says, lock), lock, in_thread(repr, lock))
        process = ctx.Process(target=child, args=(there, name, lock))
        process.start()
        print("child", here.recv(), says(lock))
        process.join()
        lock.release()
        print("released", says(lock), in_thread(says, lock))
        if name != "Lock" and "over" not in name:
            lock.release()
            print("released", says(lock), lock)
        if name != "RLock" and name not in ("Condition", "Value"):
            in_thread(lock.acquire)
            print("by a thread", says(lock), lock)
            lock.release()
            print("by the other", says(lock), lock)
        lock.acquire(False)
        lock.acquire(True, 0.01)
        print("tried", says(lock))
        while lock._semlock._count():
            lock.release()
    for one in (condition, over_lock):
        with one:
            one.wait(0.01)
            print("waited", says(one._lock), in_thread(says, one._lock))
            print(one)
        for method in (one.wait, one.notify, one.notify_all):
            try:
                method()
            except (AssertionError, ValueError) as error:
                print("not held", type(error).__name__, error)
