"""`multiprocessing.queues` itself: the queues.

`import pumasi.queues` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import queues
from multiprocessing.queues import *  # noqa: F403

sys.modules[__name__] = queues
