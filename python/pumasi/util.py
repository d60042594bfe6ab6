"""`multiprocessing.util` itself: finalizers, fork hooks, the logger.

`import pumasi.util` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import util
from multiprocessing.util import *  # noqa: F403

sys.modules[__name__] = util
