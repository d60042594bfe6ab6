"""`multiprocessing.connection` itself: pipes, listeners and clients.

`import pumasi.connection` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import connection
from multiprocessing.connection import *  # noqa: F403

# What type checkers know besides.
from multiprocessing.connection import Connection as Connection
from multiprocessing.connection import answer_challenge as answer_challenge
from multiprocessing.connection import deliver_challenge as deliver_challenge

sys.modules[__name__] = connection
