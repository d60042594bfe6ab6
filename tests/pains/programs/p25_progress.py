"""Seeing how far a map has come, without a process or a queue for it."""

import contextlib
import importlib
import io
import sys

sys.modules["tqdm"] = sys.modules["rich"] = None  # whatever is installed
mp = importlib.import_module(sys.argv[1])

if __name__ == "__main__":
    with mp.get_context("fork").Pool(2) as pool, contextlib.redirect_stderr(io.StringIO()) as bar:
        try:
            pool.map(abs, range(-99, 1), progress=True)
        except TypeError:
            print("no bar")
        else:
            more = len(mp.active_children()) - 2
            print("bar:", bar.getvalue().split(" in ")[0], "with", more, "processes more")
