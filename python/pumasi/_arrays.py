"""NumPy arrays in shared memory, which travel by reference.

The bytes lie in a `Block` of the heap, which lives as long as any process has an array over it or a
container holds one. An array's pickle names the block, and where in it the array begins.
"""

from __future__ import annotations

from typing import Any

import numpy

from . import _core


class SharedArray(numpy.ndarray):
    """An array whose elements lie in shared memory, as `pumasi.share` makes it.

    Slices and other views are shared as well. What is computed from it is an ordinary array of this
    process alone; `copy()` gives one too.
    """

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Return what was computed as an ordinary array or number, unless it is a shared array."""
        if array is self:
            return array
        plain = array.view(numpy.ndarray)
        # NumPy before 2.0 does not say whether it wants a number where there are no dimensions.
        return plain[()] if return_scalar or (plain.ndim == 0 and array.base is None) else plain

    def copy(self, order: Any = "C") -> Any:
        """Return an ordinary array of this process with the same elements."""
        return numpy.array(self, order=order, copy=True, subok=False)

    def __reduce_ex__(self, protocol: Any) -> Any:
        block = _block_of(self)
        if block is None:  # own memory: nothing that others could see
            return self.view(numpy.ndarray).__reduce_ex__(protocol)
        start: int = numpy.frombuffer(block, numpy.uint8).__array_interface__["data"][0]
        offset: int = self.__array_interface__["data"][0] - start
        place = (offset, self.shape, self.strides, self.dtype, self.flags.writeable)
        return _open, (_core.Reference(block), *place)


def _block_of(array: Any) -> Any:
    """Return the block in which an array's elements lie, if they lie in one."""
    while isinstance(array, numpy.ndarray):
        array = array.base
    if isinstance(array, memoryview):
        array = array.obj
    return array if isinstance(array, _core.Block) else None


def _open(
    reference: Any,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: Any,
    writeable: bool,
) -> Any:
    block: Any = _core.Block(reference)
    array = SharedArray(shape, dtype, block, offset, strides)
    array.flags.writeable = writeable
    return array


def share(array: Any, *, readonly: bool = False) -> Any:
    """Copy an array into shared memory, once, and return an array over it; see `pumasi.share`."""
    if isinstance(array, SharedArray) and _block_of(array) is not None:
        shared: Any = array.view()
    else:
        source = numpy.asarray(array)
        if source.dtype.hasobject:
            raise TypeError(
                "an array of Python objects holds addresses that mean nothing in another process; "
                "share a pumasi.List, or give the array a dtype of numbers"
            )
        block: Any = _core.Block(max(source.nbytes, 1))
        order: Any = "F" if source.flags.fnc else "C"
        shared = SharedArray(source.shape, source.dtype, block, order=order)
        shared[...] = source
    if readonly:
        shared.flags.writeable = False
    return shared
