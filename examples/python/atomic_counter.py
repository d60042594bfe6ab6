"""A counter which loses nothing, without a lock."""

import pumasi as mp


def count(total, highest, number):
    for i in range(10_000):
        total.add(1)  # instead of: with total.get_lock(): total.value += 1
        highest.max(number * i)  # keeps the larger of the two


if __name__ == "__main__":
    total, highest = mp.Value("q", 0), mp.Value("q", 0)
    workers = [mp.Process(target=count, args=(total, highest, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(total.value, highest.value)

# prints:
# 40000 29997
