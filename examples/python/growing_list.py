"""A list which grows while others read it."""

import pumasi as mp


def produce(squares, finished):
    for i in range(1000):
        squares.append(i * i)
    finished.set()


if __name__ == "__main__":
    squares, finished = mp.List(), mp.Event()
    worker = mp.Process(target=produce, args=(squares, finished))
    worker.start()

    while not finished.wait(timeout=0.001):
        seen = squares.snapshot()  # a plain list: the state of one moment
        assert seen == [i * i for i in range(len(seen))]
    worker.join()

    print(len(squares), squares[-1], squares[:4])
    squares.extend(["any", ("picklable", "object"), 2.5])  # one atomic step
    print(squares[-3:])

# prints:
# 1000 998001 [0, 1, 4, 9]
# ['any', ('picklable', 'object'), 2.5]
