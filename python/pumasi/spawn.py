"""`multiprocessing.spawn` itself: how a spawned child starts.

`import pumasi.spawn` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import spawn
from multiprocessing.spawn import *  # noqa: F403

sys.modules[__name__] = spawn
