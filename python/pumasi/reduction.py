"""`multiprocessing.reduction` itself: the pickler for processes, with the reducers registered.

`import pumasi.reduction` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import reduction
from multiprocessing.reduction import *  # noqa: F403

sys.modules[__name__] = reduction
