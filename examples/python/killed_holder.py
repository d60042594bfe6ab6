"""A process is killed while it holds a lock; the next one gets the lock and is told."""

import os
import signal
import warnings

import pumasi as mp


def transfer(lock, accounts):
    with lock:
        accounts["ours"] -= 100
        os.kill(os.getpid(), signal.SIGKILL)  # between the two halves of the transfer
        accounts["yours"] += 100


if __name__ == "__main__":
    lock = mp.Lock()
    accounts = mp.Dict(ours=500, yours=500)
    worker = mp.Process(target=transfer, args=(lock, accounts))
    worker.start()
    worker.join()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with lock:  # with multiprocessing this would wait for ever
            if lock.owner_died:
                print("the holder died of", signal.Signals(lock.owner_died.signal).name)
                accounts["ours"] += 100  # put in order what it left half done
    print(told[0].category.__name__)
    print(accounts)

# prints:
# the holder died of SIGKILL
# OwnerDiedWarning
# {'ours': 500, 'yours': 500}
