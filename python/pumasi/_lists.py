"""How a `ShareableList` lies in its segment, and how its items are read and written.

The layout is the standard library's: the number of items; where each item begins, and the last
ends; the items; a `struct` format of 8 bytes for each; a code for each that says how to turn what
was unpacked into the value. An item of text or bytes is filled up with NULs, and there a reader
strips them all, so that those which belong to the value are lost. Here the format of such a value
has its exact length and a blank behind it, which `struct` passes over: whoever strips still reads
what it would have read, who knows the blank does not strip, and a writer which does not know it
replaces the format as it would replace that of a number. Where there is no room for the blank (a
million bytes or more) the code is one that the standard library refuses.
"""

from __future__ import annotations

import struct
from multiprocessing import shared_memory as _standard
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Code of a str or bytes: what the standard library strips, and what it does not know.
_STRIPPED = {str: 1, bytes: 2}
_EXACT = {str: 4, bytes: 5}
_FORMAT = 8
_ALIGNMENT = 8


def _encoded(value: Any) -> bytes:
    """The bytes that stand for a str or bytes."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


class ListLayout(_standard.ShareableList[Any], Generic[T]):
    """The standard library's ShareableList, with exact values; a subclass makes the segment."""

    shm: Any
    _list_len: int
    _allocated_offsets: list[int]
    _types_mapping: dict[type, str]
    _offset_data_start: int
    _offset_packing_formats: int
    _offset_back_transform_codes: int

    def _laid_out(self, items: list[T]) -> bytes:
        """Return a segment's content with these items, and take note of where they lie."""
        offsets, data, formats, codes = [0], bytearray(), bytearray(), bytearray()
        for item in items:
            room = _ALIGNMENT
            if isinstance(item, (str, bytes)):
                # That of the standard library, which counts characters, unless it is too little.
                room *= max(len(item) // _ALIGNMENT + 1, -(-len(_encoded(item)) // _ALIGNMENT))
            form, code, packed = self._packed(item, room)
            data += packed.ljust(room, b"\0")
            formats += form.ljust(_FORMAT, b"\0")
            codes.append(code)
            offsets.append(len(data))
        self._list_len, self._allocated_offsets = len(items), offsets
        head = struct.pack(f"{len(items) + 2}q", len(items), *offsets)
        return head + data + formats + codes

    def _packed(self, value: Any, room: int) -> tuple[bytes, int, bytes]:
        """Return the format, the code and the bytes of a value which has so much room."""
        if not isinstance(value, (str, bytes)):
            plain = self._types_mapping[type(value)]
            return plain.encode(), 3 if value is None else 0, struct.pack(plain, value)
        self._types_mapping[type(value)]  # a subclass of str or bytes is no item
        data = _encoded(value)
        if len(data) > room:
            raise ValueError("bytes/str item exceeds available storage")
        code, form = _STRIPPED[type(value)], b"%ds" % room
        if data.endswith(b"\0"):
            form = b"%ds " % len(data)
            if len(form) > _FORMAT:
                form, code = form[:-1], _EXACT[type(value)]
        if len(form) > _FORMAT:
            raise ValueError("a str or bytes in a ShareableList has at most 9999991 bytes")
        return form, code, data

    def _read_layout(self) -> None:
        """Take note of where the items of the segment lie."""
        self._list_len = len(self)
        self._allocated_offsets = list(
            struct.unpack_from(f"{self._list_len + 1}q", self.shm.buf, 8)
        )

    def _place(self, position: int, what: str) -> int:
        """Return a position from the start; the standard library reads beside the list below it."""
        place = position + self._list_len if position < 0 else position
        if not 0 <= place < self._list_len:
            raise IndexError(f"{what}index out of range")
        return place

    def _get_packing_format(self, position: int) -> str:
        place = position + self._list_len if position < 0 else position
        if not 0 <= place < self._list_len:
            raise IndexError("Requested position out of range.")
        begin = self._offset_packing_formats + place * _FORMAT
        return bytes(self.shm.buf[begin : begin + _FORMAT]).rstrip(b"\0").decode()

    def __getitem__(self, position: int) -> T:
        place = self._place(position, "")
        form = self._get_packing_format(place)
        code = self.shm.buf[self._offset_back_transform_codes + place]
        begin = self._offset_data_start + self._allocated_offsets[place]
        value: Any
        (value,) = struct.unpack_from(form, self.shm.buf, begin)
        if code == 3:
            value = None
        elif code in (1, 2) and not form.endswith(" "):
            value = value.rstrip(b"\0")
        if code in (1, 4):
            value = value.decode("utf-8", "surrogatepass")
        found: T = value
        return found

    def __setitem__(self, position: int, value: T) -> None:
        place = self._place(position, "assignment ")
        begin, end = self._allocated_offsets[place : place + 2]
        form, code, packed = self._packed(value, end - begin)
        buf, start = self.shm.buf, self._offset_packing_formats + place * _FORMAT
        data = self._offset_data_start
        buf[start : start + _FORMAT] = form.ljust(_FORMAT, b"\0")
        buf[self._offset_back_transform_codes + place] = code
        buf[data + begin : data + end] = packed.ljust(end - begin, b"\0")
