"""A manager's list, and how many processes it takes."""

import importlib
import sys

mp = importlib.import_module(sys.argv[1])

if __name__ == "__main__":
    with mp.Manager() as manager:
        items = manager.list([1])
        items.append(2)
        print(items, "with", len(mp.active_children()), "process more")
