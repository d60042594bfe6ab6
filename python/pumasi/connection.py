"""`multiprocessing.connection` itself: pipes, listeners and clients.

`import pumasi.connection` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import connection
from multiprocessing.connection import *  # noqa: F403

sys.modules[__name__] = connection
