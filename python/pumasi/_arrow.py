"""Arrow's tables, arrays and buffers in shared memory, which travel by reference.

An Arrow object is pickled as what it is made of, its buffers apart from it. `share` copies those
into a `Block` of the heap and lets Arrow rebuild the object over it; from then on each of its
buffers is pickled as a place in that block. The block lives as long as any process has a buffer in
it or a container holds one.
"""

from __future__ import annotations

import pickle
import weakref
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pyarrow

from . import _core
from ._storing import BESIDE

#: Arrow wants its buffers at multiples of this many bytes.
_ALIGNED = 64

#: The blocks of this process, by the number of their reference and by the address of each buffer.
_by_number: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_by_address: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def share(value: Any, *, readonly: bool = False) -> Any:
    """Copy an Arrow object into shared memory; see `pumasi.share`."""
    taken: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=taken.append)
    buffers = [_arrow_buffer(buffer.raw()) for buffer in taken]
    blocks = [_block_of(buffer) for buffer in buffers]
    if all(block or not buffer.size for block, buffer in zip(blocks, buffers, strict=True)):
        if not readonly or not any(buffer.is_mutable for buffer in buffers):
            return value
        there = [
            _buffer_in(block, _offset(block, buffer), buffer.size, False) if block else buffer
            for block, buffer in zip(blocks, buffers, strict=True)
        ]
        return pickle.loads(pickled, buffers=there)
    places = []
    size = 0
    for buffer in buffers:
        places.append(size)
        size += -(-buffer.size // _ALIGNED) * _ALIGNED
    block: Any = _core.Block(size + _ALIGNED)
    _by_number[_core.Reference(block).number] = block
    start = -pyarrow.py_buffer(block).address % _ALIGNED
    there = []
    for place, buffer in zip(places, buffers, strict=True):
        at = start + place
        memoryview(block)[at : at + buffer.size] = memoryview(buffer).cast("B")
        there.append(_buffer_in(block, at, buffer.size, not readonly))
    return pickle.loads(pickled, buffers=there)


def _arrow_buffer(raw: memoryview) -> Any:
    """Return the buffer of Arrow that bytes were taken from, or one over them."""
    return raw.obj if isinstance(raw.obj, pyarrow.Buffer) else pyarrow.py_buffer(raw)


def _buffer_in(block: Any, offset: int, size: int, mutable: bool) -> Any:
    view = memoryview(block)[offset : offset + size]
    buffer = pyarrow.py_buffer(view if mutable else view.toreadonly())
    _by_address[buffer.address] = block
    return buffer


def _offset(block: Any, buffer: Any) -> int:
    offset: int = buffer.address - pyarrow.py_buffer(block).address
    return offset


def _block_of(buffer: Any) -> Any:
    """Return the block that a buffer lies in, if it lies in one."""
    if buffer.size == 0:
        return None
    while buffer.parent is not None:
        buffer = buffer.parent
    return _by_address.get(buffer.address)


def _open(reference: Any, offset: int, size: int, mutable: bool) -> Any:
    # One Block for each block: the addresses stay known as long as any buffer in it.
    block = _by_number.get(reference.number)
    if block is None:
        block = _by_number[reference.number] = _core.Block(reference)
    return _buffer_in(block, offset, size, mutable)


def _reduce(buffer: Any, protocol: int = pickle.DEFAULT_PROTOCOL) -> Any:
    block = _block_of(buffer)
    if block is None:
        return buffer.__reduce_ex__(protocol)
    place = (_offset(block, buffer), buffer.size, buffer.is_mutable)
    return _open, (_core.Reference(block), *place)


def _reduce_beside(buffer: Any) -> Any:
    """Do the same for a pickler that lets buffers travel beside the pickle."""
    return _reduce(buffer, 5)


for _class in (pyarrow.Buffer, pyarrow.ResizableBuffer):
    BESIDE[_class] = _reduce_beside
    ForkingPickler.register(_class, _reduce)
