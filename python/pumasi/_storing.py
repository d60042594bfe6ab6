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

#: Reducers for picklers which let buffers travel beside the pickle, in place of those that
#: multiprocessing's own picklers use.
BESIDE: _Reducers = {}


def _look_for_once_only_types() -> None:
    for module, name in _ONCE_ONLY:
        found = getattr(sys.modules.get(module), name, None)
        if found is not None:
            _refused[found] = _refuse


class _Pickler(pickle.Pickler):
    def __init__(
        self, file: io.BytesIO, buffer_callback: Callable[[Any], Any], refused: _Reducers
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        registered: _Reducers = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
        copyable: _Reducers = copyreg.dispatch_table
        self.dispatch_table = ChainMap(refused, BESIDE, registered, copyable)


class _ProxyPickler(_Pickler):
    """Also keeps at their server the objects whose proxies go into a shared container.

    A server drops an object when the last proxy of it is gone, and a pickle is not a proxy. The
    standard library's server unpickles what is stored in its lists and dicts, and keeps from then
    on whatever object of its own it finds there; this asks for the same.
    """

    def reducer_override(self, value: Any) -> Any:
        managers: Any = sys.modules["multiprocessing.managers"]
        if isinstance(value, managers.BaseProxy) and hasattr(value, "_Client"):
            _keep_at_server(managers, value)
        return NotImplemented


#: What this process has asked servers to keep, by their address and the object's identity.
_kept: set[tuple[Any, str]] = set()


def _keep_at_server(managers: Any, proxy: Any) -> None:
    name = (proxy._token.address, proxy._id)
    if name in _kept:
        return
    try:
        connection = proxy._Client(proxy._token.address, authkey=proxy._authkey)
    except OSError:
        return  # the server has ended, and its objects with it
    with connection:
        managers.dispatch(connection, None, "incref", (proxy._id,))
    _kept.add(name)


_Pickled = tuple[memoryview, list[memoryview]]


def dumps(value: object) -> _Pickled:
    """Return the pickle of a value, and the large buffers that belong to it."""
    _look_for_once_only_types()
    pickler = _ProxyPickler if "multiprocessing.managers" in sys.modules else _Pickler
    return _dumps(value, pickler, _refused)


def dumps_to_send(value: object) -> _Pickled:
    """Return the same for a value which is received once, so that any object may be in it."""
    return _dumps(value, _Pickler, {})


def _dumps(value: object, pickler: type[_Pickler], refused: _Reducers) -> _Pickled:
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

    pickler(file, keep_aside, refused).dump(value)
    return file.getbuffer(), buffers
