"""`multiprocessing.shared_memory` itself: named segments of bytes.

`import pumasi.shared_memory` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import shared_memory
from multiprocessing.shared_memory import *  # noqa: F403

sys.modules[__name__] = shared_memory
