"""Keys of a manager's dict which only their names tell apart, looked up by another process."""

import dataclasses
import enum
import importlib
import re
import sys

mp = importlib.import_module(sys.argv[1])


class Colour(enum.Enum):
    RED = 1


class Mask(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True)
class Place:
    x: int


class Word:
    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return isinstance(other, Word) and self.number == other.number

    def __hash__(self):
        return hash(self.number)


def function():
    pass


def keys():
    yield from (Colour.RED, Mask.READ | Mask.WRITE, Place(1), Word(5), (Place(2), Colour.RED))
    yield from (Place, function, len, re.compile, type(None), (int, str), frozenset([int]))
    yield from (..., NotImplemented, range(3), range(0), range(1, 9, 4), re.compile("a.b", re.I))


def child(shared, out):
    out.send([shared.get(key, "missed") for key in keys()])
    for number, key in enumerate(keys()):
        shared[key] = number + 100
    out.send(len(shared))


if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[2])
    here, there = ctx.Pipe(False)
    with ctx.Manager() as manager:
        shared = manager.dict()
        for number, key in enumerate(keys()):
            shared[key] = number
        process = ctx.Process(target=child, args=(shared, there))
        process.start()
        print(here.recv(), here.recv())
        process.join()
        print([shared[key] for key in keys()], len(shared), len(list(keys())))
        # Equal ranges are one key, patterns of other flags are not.
        print(range(0, 3, 1) in shared, range(7, 7) in shared, range(1, 6, 4) in shared)
        print(range(1, 7, 4) in shared, range(4) in shared, re.compile("a.b") in shared)
        print([key for key in shared if isinstance(key, (range, re.Pattern, Mask, tuple))])
