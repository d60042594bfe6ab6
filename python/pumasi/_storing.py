"""The pickles of values which the heap cannot hold natively.

The reducers are those of multiprocessing's `ForkingPickler`, so that what a library registered for
sending an object to another process also serves for storing it. What can be received only once is
refused: it would be gone after the first read.
"""

import copyreg
import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any, NoReturn

#: Buffers from this size on travel beside the pickle, so that reading them copies them once.
_OUT_OF_BAND = 4096

_Reducers = dict[type, Any]


def _refuse(value: object) -> NoReturn:
    raise TypeError(
        f"{type(value).__module__}.{type(value).__qualname__} cannot be stored in a shared "
        "container: it can be received only once; send it through a Queue or a Pipe instead"
    )


#: Module and name of what is refused; looked up only if the module is there at all.
_ONCE_ONLY = (
    ("socket", "socket"),
    ("_socket", "socket"),
    ("multiprocessing.connection", "Connection"),
    ("multiprocessing.resource_sharer", "DupFd"),
)

_refused: _Reducers = {}


def _look_for_once_only_types() -> None:
    for module, name in _ONCE_ONLY:
        found = getattr(sys.modules.get(module), name, None)
        if found is not None:
            _refused[found] = _refuse


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, buffer_callback: Callable[[Any], Any]) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        _look_for_once_only_types()
        registered: _Reducers = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
        copyable: _Reducers = copyreg.dispatch_table
        self.dispatch_table = ChainMap(_refused, registered, copyable)


def dumps(value: object) -> tuple[memoryview, list[memoryview]]:
    """Return the pickle of a value, and the large buffers that belong to it."""
    file = io.BytesIO()
    buffers: list[memoryview] = []

    def keep_aside(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:
            return True  # not contiguous: the pickle takes a copy
        if raw.nbytes < _OUT_OF_BAND:
            return True
        buffers.append(raw)
        return False

    _Pickler(file, keep_aside).dump(value)
    return file.getbuffer(), buffers
