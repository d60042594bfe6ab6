"""multiprocessing in one shared memory.

`import pumasi as mp` instead of `import multiprocessing as mp`: processes, start methods, queues
and pipes are the standard library's; locks, events, `Value`, `Array`, `Manager` and `Pool` are ours
and survive the death of a process that used them; `List`, `Dict`, `Set`, `Deque`, `Vector`,
`DefaultDict`, `Counter` and `Namespace` are shared containers which grow.

>>> import pumasi as mp
>>> d = mp.Dict()
>>> d["words"] = ["one"]
>>> d["words"].append("two")     # the nested list is shared as well
>>> d.add("count", 2)            # one atomic step, whoever else is adding
2
>>> d.to_plain()
{'words': ['one', 'two'], 'count': 2}
"""

from . import _supported

_supported.check()

import multiprocessing as _multiprocessing  # noqa: E402
from collections.abc import MutableMapping as _MutableMapping  # noqa: E402
from collections.abc import MutableSequence as _MutableSequence  # noqa: E402
from collections.abc import MutableSet as _MutableSet  # noqa: E402
from multiprocessing import process as process  # noqa: E402
from multiprocessing import reduction as reduction  # noqa: E402

from . import _core, _lifecycle  # noqa: E402
from . import context as context  # noqa: E402
from ._core import (  # noqa: E402
    Counter,
    DefaultDict,
    Deque,
    Dict,
    Heap,
    List,
    Namespace,
    Set,
    Vector,
    heap,
    stats,
)
from ._json import json_default  # noqa: E402
from ._registry import register_key  # noqa: E402
from .context import (  # noqa: E402
    AuthenticationError,
    BufferTooShort,
    Process,
    ProcessError,
    TimeoutError,
)
from .exceptions import (  # noqa: E402
    CorruptHeap,
    HeapGone,
    OwnerDiedWarning,
    PumasiError,
    StaleReference,
    TaskCancelled,
    TaskFailed,
    TaskTimeout,
    WorkerDied,
    WrongHeap,
)

__version__: str = _core.__version__

__all__ = [
    "Array",
    "AuthenticationError",
    "Barrier",
    "BoundedSemaphore",
    "BufferTooShort",
    "Condition",
    "CorruptHeap",
    "Counter",
    "DefaultDict",
    "Deque",
    "Dict",
    "Event",
    "Heap",
    "HeapGone",
    "JoinableQueue",
    "LifoQueue",
    "List",
    "Lock",
    "Manager",
    "Namespace",
    "OwnerDiedWarning",
    "Pipe",
    "Pool",
    "PriorityQueue",
    "Process",
    "ProcessError",
    "ProcessPoolExecutor",
    "PumasiError",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "RwLock",
    "Semaphore",
    "Set",
    "SimpleQueue",
    "StaleReference",
    "TaskCancelled",
    "TaskFailed",
    "TaskTimeout",
    "TimeoutError",
    "Value",
    "Vector",
    "WorkerDied",
    "WrongHeap",
    "active_children",
    "allow_connection_pickling",
    "bench",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "heap",
    "json_default",
    "log_to_stderr",
    "parent_process",
    "reducer",
    "register_key",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
    "share",
    "stats",
]

# Every public name of a context, bound to the default one, as in multiprocessing.
_default = context.default_context
Array = _default.Array
Barrier = _default.Barrier
BoundedSemaphore = _default.BoundedSemaphore
Condition = _default.Condition
Event = _default.Event
JoinableQueue = _default.JoinableQueue
LifoQueue = _default.LifoQueue
Lock = _default.Lock
Manager = _default.Manager
Pipe = _default.Pipe
Pool = _default.Pool
PriorityQueue = _default.PriorityQueue
Queue = _default.Queue
RLock = _default.RLock
RawArray = _default.RawArray
RawValue = _default.RawValue
RwLock = _default.RwLock
Semaphore = _default.Semaphore
SimpleQueue = _default.SimpleQueue
Value = _default.Value
active_children = _default.active_children
allow_connection_pickling = _default.allow_connection_pickling
cpu_count = _default.cpu_count
current_process = _default.current_process
freeze_support = _default.freeze_support
get_all_start_methods = _default.get_all_start_methods
get_context = _default.get_context
get_logger = _default.get_logger
get_start_method = _default.get_start_method
log_to_stderr = _default.log_to_stderr
parent_process = _default.parent_process
reducer = _multiprocessing.reducer
SUBDEBUG: int = _multiprocessing.SUBDEBUG  # type: ignore[attr-defined]
SUBWARNING: int = _multiprocessing.SUBWARNING  # type: ignore[attr-defined]
set_executable = _default.set_executable
set_forkserver_preload = _default.set_forkserver_preload
set_start_method = _default.set_start_method


def share(array: "_Any", *, readonly: bool = False) -> "_Any":
    """Copy a NumPy array or an Arrow object into shared memory, and return one which lies there.

    It travels by reference: to a Process, through a Queue, into and out of a Pool, into a List or
    Dict. Its elements stay where they are: what the receiver has is a view of the same memory, and
    what one process writes all see. The memory is freed when the last view, in any process, is
    gone, however that process ended. Slices and other views travel alike.

    With `readonly` nobody may write through this array or what is sent of it. An array that is
    shared already is not copied again. Anything that `numpy.asarray` takes will do, and what
    pyarrow has: a Table, RecordBatch, Array, ChunkedArray or Buffer comes back as just
    that, with all the memory behind it shared (of a slice, that of the whole). An array of Python
    objects raises TypeError, and a heap that is full MemoryError. As with any memory, who
    reads while another writes sees some elements before and some after: use a Lock.

    >>> import numpy
    >>> import pumasi
    >>> array = pumasi.share(numpy.zeros((2, 3)))
    >>> places = pumasi.List([array])
    >>> places[0][1] = 7        # what comes out is a view of the same memory
    >>> array.tolist()
    [[0.0, 0.0, 0.0], [7.0, 7.0, 7.0]]
    """
    if type(array).__module__.partition(".")[0] == "pyarrow":
        from ._arrow import share as share_arrow

        return share_arrow(array, readonly=readonly)
    try:
        from ._arrays import share
    except ImportError as error:
        raise ImportError(f'{error}: pip install "pumasi[numpy]"') from error
    return share(array, readonly=readonly)


_MutableSequence.register(List)
_MutableSequence.register(Deque)
_MutableSequence.register(Vector)
_MutableMapping.register(Dict)
_MutableSet.register(Set)

_lifecycle.arm()


_SUBMODULES = frozenset(
    (
        "connection",
        "dummy",
        "exceptions",
        "forkserver",
        "managers",
        "pool",
        "queues",
        "resource_sharer",
        "resource_tracker",
        "shared_memory",
        "sharedctypes",
        "spawn",
        "synchronize",
        "util",
    )
)

# Known to type checkers by its name, for `typing` is a part of what importing us costs; they see
# the submodules, and no other name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any as _Any

    from . import connection as connection
    from . import dummy as dummy
    from . import exceptions as exceptions
    from . import forkserver as forkserver
    from . import managers as managers
    from . import pool as pool
    from . import queues as queues
    from . import resource_sharer as resource_sharer
    from . import resource_tracker as resource_tracker
    from . import shared_memory as shared_memory
    from . import sharedctypes as sharedctypes
    from . import spawn as spawn
    from . import synchronize as synchronize
    from . import util as util
    from ._pool.executor import ProcessPoolExecutor as ProcessPoolExecutor
    from .measure import bench as bench
else:

    def __getattr__(name):
        """Import a submodule when it is first asked for."""
        from importlib import import_module

        if name == "bench":
            return import_module(f"{__name__}.measure").bench
        if name == "ProcessPoolExecutor":
            return import_module(f"{__name__}._pool.executor").ProcessPoolExecutor
        if name in _SUBMODULES:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# No public name of multiprocessing, and so none of ours.
del TYPE_CHECKING
