"""Named segments: how long they live, and what is said of them.

What a program leaves behind and what it says is looked at from outside: each such program runs on
its own, and is over when its standard error has been closed, which the tracker has open, too.
"""

import errno
import gc
import multiprocessing.shared_memory as standard
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pumasi
from helpers import METHODS
from programs import run_program
from pumasi import shared_memory
from pumasi.shared_memory import SharedMemory

SHM = Path("/dev/shm")

PROLOGUE = """
import os, signal, sys
import multiprocessing.shared_memory as standard
from multiprocessing import resource_tracker
import pumasi
from pumasi import shared_memory
from pumasi.shared_memory import SharedMemory

def exists(segment):
    return os.path.exists("/dev/shm/" + segment.name)

"""


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PUMASI_HEAP"}


def done(tmp_path: Path, program: str, *args: str, status: int = 0) -> tuple[list[str], str]:
    """Run a program; return what it printed, and what it and its helpers had to say."""
    file = tmp_path / "program.py"
    file.write_text(program)
    ended = run_program([sys.executable, str(file), *args], env=environment())
    assert ended.returncode == status, ended.stderr
    return ended.stdout.split(), ended.stderr


# How long a segment lives.

ATTACHES = (
    PROLOGUE
    + """
def work(name, kind):
    other = kind(name)
    assert bytes(other.buf[:5]) == b"hello"
    other.buf[:5] = b"world"
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[2] == "forget":
        kept.append(other)
    else:
        other.close()

kept = []
kinds = {"ours": SharedMemory, "standard": standard.SharedMemory}
if __name__ == "__main__":
    made = kinds[sys.argv[3]](create=True, size=100)
    made.buf[:5] = b"hello"
    ctx = pumasi.get_context(sys.argv[1])
    for _ in range(2):
        made.buf[:5] = b"hello"
        child = ctx.Process(target=work, args=(made.name, kinds[sys.argv[4]]))
        child.start()
        child.join()
        assert child.exitcode == (-9 if sys.argv[2] == "kill" else 0)
        assert bytes(made.buf[:5]) == b"world"
        assert exists(made)
    made.close()
    made.unlink()
"""
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("end", ["return", "forget", "kill"])
def test_a_child_that_attached_takes_nothing_along(tmp_path: Path, method: str, end: str) -> None:
    assert done(tmp_path, ATTACHES, method, end, "ours", "ours") == ([], "")


@pytest.mark.parametrize("pair", [("ours", "standard"), ("standard", "ours")])
def test_both_libraries_in_one_program(tmp_path: Path, pair: tuple[str, str]) -> None:
    assert done(tmp_path, ATTACHES, "spawn", "return", *pair) == ([], "")


OTHER = (
    PROLOGUE
    + """
other = SharedMemory(sys.argv[1])
other.buf[0] = 7
if sys.argv[2] == "takes back":
    # What programs do against the standard library's fault.
    resource_tracker.unregister(other._name, "shared_memory")
if sys.argv[2] == "kill":
    resource_tracker.ensure_running()
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "unlinks":
    other.unlink()
"""
)


@pytest.mark.parametrize("does", ["nothing", "takes back", "kill"])
def test_another_program_that_attached_takes_nothing_along(tmp_path: Path, does: str) -> None:
    made = SharedMemory(create=True, size=10)
    try:
        status = -signal.SIGKILL if does == "kill" else 0
        assert done(tmp_path, OTHER, made.name, does, status=status) == ([], "")
        assert made.buf[0] == 7
        assert (SHM / made.name).exists()
    finally:
        made.close()
        made.unlink()


MAKES = (
    PROLOGUE
    + """
made = SharedMemory(create=True, size=10, track=sys.argv[1] != "untracked")
print(made.name, flush=True)
if sys.argv[1] == "waits":
    sys.stdin.read()
    assert not exists(made)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""
)


def test_what_another_program_unlinks_is_no_leak(tmp_path: Path) -> None:
    file = tmp_path / "makes.py"
    file.write_text(MAKES)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(file), "waits"],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=environment(),
    ) as maker:
        try:
            assert maker.stdout is not None
            name = maker.stdout.readline().strip()
            assert done(tmp_path, OTHER, name, "unlinks") == ([], "")
            _, said = maker.communicate(timeout=60)
        finally:
            maker.kill()
    assert (maker.returncode, said) == (0, "")


@pytest.mark.parametrize("end", ["killed", "forgets"])
def test_what_a_program_leaves_is_unlinked(tmp_path: Path, end: str) -> None:
    status = -signal.SIGKILL if end == "killed" else 0
    [name], said = done(tmp_path, MAKES, end, status=status)
    assert not (SHM / name).exists()
    assert "There appear to be 1 leaked shared_memory objects" in said


def test_a_segment_that_is_not_tracked_outlives_its_program(tmp_path: Path) -> None:
    [name], said = done(tmp_path, MAKES, "untracked")
    try:
        assert said == ""
        assert (SHM / name).exists()
        attached = SharedMemory(name, track=False)
        attached.close()
    finally:
        attached.unlink()
    assert not (SHM / name).exists()


def test_who_says_so_tracks_what_it_attaches_to(tmp_path: Path) -> None:
    program = PROLOGUE + "SharedMemory(sys.argv[1], track=True).close()"
    made = SharedMemory(create=True, size=10, track=False)
    _, said = done(tmp_path, program, made.name)
    assert "There appear to be 1 leaked shared_memory objects" in said
    with pytest.raises(FileNotFoundError):
        made.unlink()
    made.close()


CHILD_MAKES = """
import os, signal, sys
import pumasi

def work(there):
    from pumasi.shared_memory import SharedMemory
    made = SharedMemory(create=True, size=10)
    gone = SharedMemory(create=True, size=10)
    gone.unlink()
    made.buf[:5] = b"hello"
    there.send(made.name)
    there.recv()
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    if sys.argv[3] == "imports":
        from pumasi.shared_memory import SharedMemory
    ctx = pumasi.get_context(sys.argv[1])
    here, there = ctx.Pipe()
    children = [ctx.Process(target=work, args=(there,)) for _ in range(2)]
    names = []
    for child in children:
        child.start()
        names.append(here.recv())
        here.send(None)
        child.join()
    from pumasi.shared_memory import SharedMemory
    found = [SharedMemory(name) for name in names]
    for segment in found:
        assert bytes(segment.buf[:5]) == b"hello"
    if sys.argv[4] == "unlinks":
        for segment in found:
            segment.unlink()
    print(*names)
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("end", ["return", "kill"])
@pytest.mark.parametrize("parent", ["imports", "imports later"])
def test_what_a_child_made_is_there_for_its_parent(
    tmp_path: Path, method: str, end: str, parent: str
) -> None:
    names, said = done(tmp_path, CHILD_MAKES, method, end, parent, "unlinks")
    assert said == ""
    assert len(names) == 2
    assert not any((SHM / name).exists() for name in names)


@pytest.mark.parametrize("parent", ["imports", "imports later"])
def test_what_a_child_made_is_unlinked_with_the_program(tmp_path: Path, parent: str) -> None:
    names, said = done(tmp_path, CHILD_MAKES, "fork", "return", parent, "forgets")
    assert not any((SHM / name).exists() for name in names)
    assert "leaked shared_memory objects" in said


GRANDCHILD_MAKES = """
import os, sys, time
import pumasi

def make(there):
    from pumasi.shared_memory import SharedMemory
    made = SharedMemory(create=True, size=10)
    made.buf[:5] = b"hello"
    there.send(made.name)
    there.recv()

def work(there):
    child = ctx.Process(target=make, args=(there,))
    child.start()
    child.join()

if __name__ == "__main__":
    ctx = pumasi.get_context("fork")
    here, there = ctx.Pipe()
    child = ctx.Process(target=work, args=(there,))
    child.start()
    name = here.recv()
    here.send(None)
    child.join()
    from pumasi.shared_memory import SharedMemory
    # Whoever unlinks it by mistake has a second for that.
    end = time.monotonic() + 1
    while os.path.exists("/dev/shm/" + name) and time.monotonic() < end:
        time.sleep(0.01)
    found = SharedMemory(name)
    assert bytes(found.buf[:5]) == b"hello"
    if sys.argv[1] == "unlinks":
        found.unlink()
    print(name)
"""


@pytest.mark.parametrize("end", ["unlinks", "forgets"])
def test_what_the_child_of_a_child_made_lasts_as_long_as_the_program(
    tmp_path: Path, end: str
) -> None:
    [name], said = done(tmp_path, GRANDCHILD_MAKES, end)
    assert ("leaked shared_memory objects" in said) == (end == "forgets")
    assert not (SHM / name).exists()


def test_a_managers_segments_end_with_it() -> None:
    from pumasi.managers import SharedMemoryManager

    with SharedMemoryManager() as manager:
        segment = manager.SharedMemory(100)
        shared = manager.ShareableList([b"\0", 1])
        assert isinstance(segment, SharedMemory)
        assert list(shared) == [b"\0", 1]
        names = [segment.name, shared.shm.name]
        assert all((SHM / name).exists() for name in names)
    assert not any((SHM / name).exists() for name in names)
    segment.close()
    shared.shm.close()


# Segments.


def test_it_is_a_segment_of_the_standard_library() -> None:
    made = SharedMemory(create=True, size=5000)
    try:
        assert isinstance(made, standard.SharedMemory)
        assert repr(made) == f"SharedMemory({made.name!r}, size={made.size})"
        again = pickle.loads(pickle.dumps(made))
        assert type(again) is SharedMemory
        assert again.name == made.name
        again.buf[:2] = b"hi"
        theirs = standard.SharedMemory(made.name)
        assert bytes(theirs.buf[:2]) == b"hi"
        theirs.close()
        again.close()
        with pytest.raises(FileExistsError):
            SharedMemory(made.name, create=True, size=1)
        assert (SHM / made.name).exists()
    finally:
        made.close()
        made.unlink()
    with pytest.raises(FileNotFoundError):
        made.unlink()
    with pytest.raises(FileNotFoundError):
        SharedMemory(made.name)


@pytest.mark.parametrize(
    "arguments", [{}, {"create": True}, {"create": True, "size": -1}, {"size": -1}]
)
def test_what_cannot_be_a_segment(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as theirs:
        standard.SharedMemory(**arguments)
    with pytest.raises(ValueError) as ours:
        SharedMemory(**arguments)
    assert str(ours.value) == str(theirs.value)


def test_a_segment_has_its_memory_when_it_is_made() -> None:
    made = SharedMemory(create=True, size=(3 << 20) + 1)
    try:
        assert (SHM / made.name).stat().st_blocks * 512 > 3 << 20
    finally:
        made.close()
        made.unlink()


def test_what_does_not_fit_is_refused_in_one_sentence() -> None:
    room = os.statvfs(SHM)
    if room.f_blocks == 0:
        pytest.skip("/dev/shm has no limit here")
    name = f"pumasi-large-{os.getpid()}"
    with pytest.raises(OSError, match=r"does not fit into .*--shm-size") as caught:
        SharedMemory(name, create=True, size=room.f_blocks * room.f_frsize + 1)
    assert caught.value.errno == errno.ENOSPC
    assert not (SHM / name).exists()


FILLS = """
made = []
while True:
    try:
        segment = {package}.shared_memory.SharedMemory(create=True, size=300_000)
    except OSError as error:
        print(len(made), error.strerror.split(":")[0])
        break
    segment.buf[:] = b"x" * segment.size
    made.append(segment)
for segment in made:
    segment.unlink()
"""


def test_a_full_file_system_is_an_error_and_no_crash(tmp_path: Path) -> None:
    within = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        'mount -t tmpfs -o size=1m - /dev/shm && exec "$@"',
        "-",
    ]
    try:
        subprocess.run([*within, "true"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no tmpfs of its own may be mounted here")
    ended = {}
    for package in ("pumasi", "multiprocessing"):
        program = f"import {package}.shared_memory\n" + FILLS.format(package=package)
        ended[package] = run_program([*within, sys.executable, "-c", program], env=environment())
    ours = ended["pumasi"]
    assert (ours.returncode, ours.stderr) == (0, "")
    assert ours.stdout.startswith("3 a segment of 300000 bytes does not fit into /dev/shm")
    assert ended["multiprocessing"].returncode == -signal.SIGBUS


def test_a_name_which_the_tracker_cannot_be_told_leaves_nothing() -> None:
    name = f"pumasi-\N{SNOWMAN}-{os.getpid()}"
    with pytest.raises(UnicodeError):
        SharedMemory(name, create=True, size=1)
    assert not (SHM / name).exists()
    made = SharedMemory(name, create=True, size=1, track=False)
    made.close()
    (SHM / name).unlink()


def test_what_cannot_be_mapped_is_not_unlinked() -> None:
    path = SHM / f"pumasi-empty-{os.getpid()}"
    path.touch()
    try:
        with pytest.raises(ValueError, match="empty"):
            SharedMemory(path.name)
        assert path.exists()
    finally:
        path.unlink()


def mapped(name: str) -> bool:
    return name in Path("/proc/self/maps").read_text()


def test_an_array_keeps_the_memory_mapped() -> None:
    made = SharedMemory(create=True, size=80)
    array: Any = np.ndarray((10,), dtype="d", buffer=made.buf)
    made.close()
    made.unlink()
    array[:] = 2.0
    assert array.sum() == 20.0
    assert mapped(made.name)
    del array
    assert not mapped(made.name)


def test_closing_without_an_array_unmaps_at_once() -> None:
    made = SharedMemory(create=True, size=80)
    made.unlink()
    assert mapped(made.name)
    made.close()
    assert not mapped(made.name)
    assert made.buf is None
    made.close()


def test_closing_what_is_looked_at_is_refused() -> None:
    made = SharedMemory(create=True, size=80)
    made.unlink()
    view = made.buf[:4]
    with pytest.raises(BufferError):
        made.close()
    view[0] = 1
    assert mapped(made.name)
    view.release()
    made.close()
    assert not mapped(made.name)


def test_forgetting_what_is_looked_at_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    made = SharedMemory(create=True, size=80)
    made.unlink()
    name, view = made.name, made.buf[:4]
    del made
    gc.collect()
    view[0] = 1
    assert view[0] == 1
    del view
    gc.collect()
    assert not mapped(name)
    assert capsys.readouterr().err == ""


def test_the_modules_own_names() -> None:
    assert pumasi.shared_memory is shared_memory
    assert set(shared_memory.__all__) == set(standard.__all__)
