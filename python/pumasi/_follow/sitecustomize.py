"""Imported by every Python whose path begins here, which `pumasi run --follow` sees to.

It gives way to the `sitecustomize` that would have been imported without it, and then replaces
multiprocessing.
"""

import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != _here]
del sys.modules[__name__]
try:
    __import__(__name__)
except ModuleNotFoundError as _error:
    if _error.name != "sitecustomize":
        raise

try:
    import pumasi._run
except ImportError:
    pass  # another Python, which has no pumasi
else:
    pumasi._run.install()
