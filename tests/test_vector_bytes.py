"""Vector: the methods of `array.array` that deal in bytes, files and lists."""

import io
import os
import signal
from array import array
from typing import Any

import pytest

import pumasi
from children import running
from pumasi import Vector


def test_the_rest_of_what_an_array_has() -> None:
    for code in "bHiQd":
        plain, shared = array(code, [1, 2, 3]), Vector(code, [1, 2, 3])
        for same in plain, shared:
            same.byteswap()
            same.byteswap()
            same.fromlist([4, 5])
        assert shared == plain
        plain.byteswap()
        shared.byteswap()
        assert shared.tobytes() == plain.tobytes()
        file = io.BytesIO()
        shared.tofile(file)
        assert file.getvalue() == plain.tobytes()
        for same in array(code), Vector(code):
            file.seek(0)
            same.fromfile(file, 2)
            assert same.tobytes() == plain[:2].tobytes()
            with pytest.raises(EOFError):
                same.fromfile(file, 9)
            assert same.tobytes() == plain.tobytes()
            with pytest.raises(ValueError, match="negative count"):
                same.fromfile(file, -1)
            with pytest.raises(TypeError, match="must be list"):
                same.fromlist((1,))
            with pytest.raises(TypeError):
                same.fromlist([1, "2"])
            assert len(same) == 5
    with pytest.raises(TypeError, match="for numbers"):
        Vector("?", [True]).byteswap()
    with pytest.raises(TypeError, match="bytes"):
        Vector("i").fromfile(io.StringIO("12345678"), 1)


def swap_for_ever(shared: Any) -> None:
    while True:
        shared.byteswap()


def test_a_kill_leaves_all_or_no_bytes_swapped() -> None:
    shared = Vector("Q", range(1, 5001))
    plain = [shared.tobytes()]
    shared.byteswap()
    plain.append(shared.tobytes())
    for _ in range(5):
        with running(pumasi, swap_for_ever, shared) as child:
            before = shared.tobytes()
            while shared.tobytes() == before:
                pass
            os.kill(child.pid, signal.SIGKILL)
            child.join()
        assert shared.tobytes() in plain
