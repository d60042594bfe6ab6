"""`multiprocessing.spawn` itself: how a spawned child starts.

`import pumasi.spawn` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import spawn
from multiprocessing.spawn import *  # noqa: F403

# What type checkers know besides.
from multiprocessing.spawn import WINEXE as WINEXE
from multiprocessing.spawn import WINSERVICE as WINSERVICE
from multiprocessing.spawn import is_forking as is_forking
from multiprocessing.spawn import old_main_modules as old_main_modules
from multiprocessing.spawn import prepare as prepare
from multiprocessing.spawn import spawn_main as spawn_main

sys.modules[__name__] = spawn
