"""`multiprocessing.process` itself: the table of processes, and `current_process`.

`import pumasi.process` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import process
from multiprocessing.process import *  # noqa: F403

sys.modules[__name__] = process
