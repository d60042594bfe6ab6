"""`multiprocessing.resource_tracker` itself: the tracker of named resources.

`import pumasi.resource_tracker` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import resource_tracker
from multiprocessing.resource_tracker import *  # noqa: F403

# What type checkers know besides.
from multiprocessing.resource_tracker import ResourceTracker as ResourceTracker
from multiprocessing.resource_tracker import getfd as getfd
from multiprocessing.resource_tracker import main as main

sys.modules[__name__] = resource_tracker
