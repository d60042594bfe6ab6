"""`multiprocessing.dummy` itself: the interface of processes over threads.

`import pumasi.dummy` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import dummy
from multiprocessing.dummy import *  # noqa: F403

sys.modules[__name__] = dummy
