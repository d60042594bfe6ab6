"""ShareableList: what it gives back, and who else reads it."""

import math
import multiprocessing.shared_memory as standard
import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest

from pumasi.shared_memory import ShareableList

SHM = Path("/dev/shm")

VALUES: list[Any] = [
    0,
    -(2**63),
    2**63 - 1,
    True,
    False,
    None,
    0.0,
    -0.0,
    math.inf,
    5e-324,
    "",
    b"",
    "a",
    b"a",
    "\0",
    b"\0",
    "a\0",
    b"a\0\0",
    "\0a",
    b"\0" * 7,
    b"\0" * 8,
    b"\0" * 9,
    b"1234567",
    b"12345678",
    b"1234567\0",
    "1234567\0",
    "\N{SNOWMAN}" * 3,
    "\N{SNOWMAN}" * 8,
    "\U0001f600" * 7 + "\0",
    "encod\xe9s",
    "\ud800",
    b" \t\n ",
    "0x ",
    b"x" * 99_999 + b"\0",
    b"y" * 1_000_000,
]


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def test_every_value_comes_back() -> None:
    values = [*VALUES, b"z" * 1_234_567 + b"\0", "z" * 999_999 + "\0"]
    shared = ShareableList(values)
    try:
        for again in (shared, ShareableList(name=shared.shm.name)):
            assert len(again) == len(values)
            assert all(same(a, b) for a, b in zip(values, again, strict=True))
        again.shm.close()
        copy = pickle.loads(pickle.dumps(shared))
        assert same(list(copy), values)
        copy.shm.close()
    finally:
        shared.shm.close()
        shared.shm.unlink()


def test_every_value_replaces_every_other(seed: int) -> None:
    rng = random.Random(seed)
    short = [value for value in VALUES if not isinstance(value, (str, bytes)) or len(value) <= 32]
    shared = ShareableList([b"x" * 40] * 8)
    theirs = standard.ShareableList(name=shared.shm.name)
    model: list[Any] = [b"x" * 40] * 8
    try:
        for _ in range(2000):
            place, value = rng.randrange(-8, 8), rng.choice(short)
            if rng.random() < 0.5:
                shared[place] = model[place] = value
            else:
                # The standard library writes what it can represent, and ours reads it.
                if isinstance(value, str):
                    value = value.rstrip("\0").replace("\ud800", "")
                elif isinstance(value, bytes):
                    value = value.rstrip(b"\0")
                theirs[place] = model[place] = value
            assert all(same(a, b) for a, b in zip(model, shared, strict=True)), (place, value)
    finally:
        theirs.shm.close()
        shared.shm.close()
        shared.shm.unlink()


def test_the_standard_library_reads_it() -> None:
    usual = [v for v in VALUES if v != "\ud800"]
    shared = ShareableList(usual)
    theirs = standard.ShareableList(name=shared.shm.name)
    try:
        for value, read in zip(usual, theirs, strict=True):
            if isinstance(value, (str, bytes)):
                value = value.rstrip("\0" if isinstance(value, str) else b"\0")
            assert same(value, read)
    finally:
        theirs.shm.close()
        shared.shm.close()
        shared.shm.unlink()


def test_it_lies_as_in_the_standard_library() -> None:
    plain = [1, 2.5, True, None, "text", b"bytes", "", b"12345678"]
    shared, theirs = ShareableList(plain), standard.ShareableList(plain)
    try:
        size = len(shared.shm.buf)
        assert bytes(shared.shm.buf) == bytes(theirs.shm.buf[:size])
        assert shared.format == theirs.format
        ours = ShareableList(name=theirs.shm.name)
        assert list(ours) == plain
        ours.shm.close()
    finally:
        for made in (shared, theirs):
            made.shm.close()
            made.shm.unlink()


def test_what_does_not_fit_changes_nothing() -> None:
    shared = ShareableList(["text", 1])
    try:
        refused: list[tuple[int, Any, type[Exception]]] = [
            (0, "too long for it", ValueError),
            (0, "\N{SNOWMAN}" * 3, ValueError),
            (0, 2**63, Exception),
            (1, object(), KeyError),
            (1, [], KeyError),
            (2, 1, IndexError),
            (-3, 1, IndexError),
        ]
        for place, value, error in refused:
            with pytest.raises(error):
                shared[place] = value
            assert list(shared) == ["text", 1]
        with pytest.raises(IndexError):
            shared[-3]
    finally:
        shared.shm.close()
        shared.shm.unlink()
    # By its name, for other programs make and remove segments all the time.
    name = f"pumasi-refused-{os.getpid()}"
    with pytest.raises(KeyError):
        ShareableList([object()], name=name)
    assert not (SHM / name).exists()


def test_what_it_is_made_of_may_be_read_once() -> None:
    shared = ShareableList(str(i) for i in range(3))
    try:
        assert list(shared) == ["0", "1", "2"]
    finally:
        shared.shm.close()
        shared.shm.unlink()


def change(shared: Any) -> None:
    shared[0] = b"\0\0"
    shared.shm.close()


def test_a_list_goes_to_a_child(ctx: Any, run: Any) -> None:
    shared = ShareableList([b"12345678"])
    try:
        run(ctx, change, shared)
        assert shared[0] == b"\0\0"
    finally:
        shared.shm.close()
        shared.shm.unlink()
