"""`multiprocessing.resource_sharer` itself: how a descriptor reaches a process that runs already.

`import pumasi.resource_sharer` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import resource_sharer
from multiprocessing.resource_sharer import *  # noqa: F403

sys.modules[__name__] = resource_sharer
