"""`multiprocessing.pool` itself: the pools of processes and of threads.

`import pumasi.pool` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import pool
from multiprocessing.pool import *  # noqa: F403

sys.modules[__name__] = pool
