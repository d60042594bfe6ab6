"""`multiprocessing.dummy.connection` itself: pipes and listeners between threads.

`import pumasi.dummy.connection` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing.dummy import connection
from multiprocessing.dummy.connection import *  # noqa: F403

# What type checkers know besides.
from multiprocessing.dummy.connection import Connection as Connection
from multiprocessing.dummy.connection import families as families

sys.modules[__name__] = connection
