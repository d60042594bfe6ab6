"""A NumPy view of a shared Array: no copy, in any process."""

import numpy

import pumasi as mp


def double(numbers, first, last):
    view = numpy.asarray(numbers)  # the shared memory itself
    view[first:last] *= 2


if __name__ == "__main__":
    numbers = mp.Array("d", range(8))
    workers = [mp.Process(target=double, args=(numbers, first, first + 4)) for first in (0, 4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    view = numpy.asarray(numbers)
    print(view.sum(), view[:3].tolist())
    view[0] = 100  # written through the view, read from the Array
    print(numbers[0])

# prints:
# 56.0 [0.0, 2.0, 4.0]
# 100.0
