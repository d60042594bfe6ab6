"""`multiprocessing.dummy` itself: the interface of processes over threads.

`import pumasi.dummy` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import dummy
from multiprocessing.dummy import *  # noqa: F403

# What type checkers know besides.
from multiprocessing.dummy import Array as Array
from multiprocessing.dummy import DummyProcess as DummyProcess
from multiprocessing.dummy import Namespace as Namespace
from multiprocessing.dummy import Value as Value
from multiprocessing.dummy import shutdown as shutdown

from . import connection as connection

sys.modules[__name__] = dummy
