"""`multiprocessing.forkserver` itself: the server which forks children on request.

`import pumasi.forkserver` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import forkserver
from multiprocessing.forkserver import *  # noqa: F403

# What type checkers know besides.
from multiprocessing.forkserver import MAXFDS_TO_SEND as MAXFDS_TO_SEND
from multiprocessing.forkserver import ForkServer as ForkServer
from multiprocessing.forkserver import main as main
from multiprocessing.forkserver import read_signed as read_signed
from multiprocessing.forkserver import write_signed as write_signed

sys.modules[__name__] = forkserver
