"""`multiprocessing.forkserver` itself: the server which forks children on request.

`import pumasi.forkserver` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import forkserver
from multiprocessing.forkserver import *  # noqa: F403

sys.modules[__name__] = forkserver
