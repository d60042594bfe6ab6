"""CPython's `_test_multiprocessing`, read from the running interpreter, on the package judged.

Importing this module reads the installed file, replaces the word `multiprocessing` by the name of
the package (in strings as well, for the programs which some tests start), and runs the result in
this module's own namespace. What a test sends to a child is therefore found there by importing
this module under its name. Nothing is copied into the repository.
"""

import importlib.util
import re

import settings

_spec = importlib.util.find_spec("test._test_multiprocessing")
assert _spec is not None
assert _spec.origin is not None
with open(_spec.origin, encoding="utf-8") as _file:
    _source = _file.read()

if settings.PACKAGE != "multiprocessing":
    # Left alone: the private module `heap`, for `pumasi.heap` is something else, and the sentence
    # of a warning. `_multiprocessing` and `test_multiprocessing` are other words anyway.
    _word = r"(?<!running )\bmultiprocessing\b(?!\.heap\b)"
    _source = re.sub(_word, settings.PACKAGE, _source)
    _source = _source.replace(
        "import multiprocessing.heap", "import multiprocessing, multiprocessing.heap"
    )

# Some tests look for programs beside their own file.
__file__ = _spec.origin
exec(compile(_source, _spec.origin, "exec"), globals())

# The fork server imports this suite once, as it would import CPython's own, rather than each child.
PRELOAD = ["__main__", "renamed_suite"]
