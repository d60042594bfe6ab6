"""`multiprocessing.util` itself: finalizers, fork hooks, the logger.

`import pumasi.util` gives the standard library's own module, so that a program and its
libraries meet one set of objects, whichever name they import it by.
"""

import sys
from multiprocessing import util
from multiprocessing.util import *  # noqa: F403

# What type checkers know besides.
from multiprocessing.util import DEBUG as DEBUG
from multiprocessing.util import DEFAULT_LOGGING_FORMAT as DEFAULT_LOGGING_FORMAT
from multiprocessing.util import INFO as INFO
from multiprocessing.util import LOGGER_NAME as LOGGER_NAME
from multiprocessing.util import MAXFD as MAXFD
from multiprocessing.util import NOTSET as NOTSET
from multiprocessing.util import abstract_sockets_supported as abstract_sockets_supported
from multiprocessing.util import is_abstract_socket_namespace as is_abstract_socket_namespace
from multiprocessing.util import spawnv_passfds as spawnv_passfds

sys.modules[__name__] = util
