"""Who unlinks a segment that a forked child has made, whose parent has no resource tracker.

A child which starts its own tracker would see its segments unlinked when it ends, while its parent
may just have been told of them. So it starts this file as a program instead, which waits until the
child, its descendants and the parent (or the parent's parent, and so on, as far as pumasi was
imported there) have ended, and unlinks what is still there then, as the
tracker does: with the same words, but only if it is the same segment.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import process, resource_tracker, util
from typing import Any

_tracker: Any = resource_tracker._resource_tracker
#: Where the program is told of segments; descendants inherit it.
_pipe: int | None = None


def watch(name: str) -> bool:
    """Have a segment watched, if this is such a child; False leaves it to the tracker."""
    if _pipe is None and not _start():
        return False
    status = os.stat("/dev/shm/" + name.lstrip("/"))
    _say(f"+{status.st_dev}:{status.st_ino}:{name}")
    return True


def unlinked(name: str) -> None:
    """Take note that a segment is gone."""
    if _pipe is not None:
        _say(f"-::{name}")


def _say(line: str) -> None:
    assert _pipe is not None
    os.write(_pipe, os.fsencode(line) + b"\0")


def _start() -> bool:
    global _pipe
    parent = process.parent_process()
    if _tracker._fd is not None or parent is None or parent.pid is None:
        return False
    lives = _open_first(parent.pid)
    if lives is None:
        return False
    try:
        reading, writing = os.pipe()
        try:
            words = [sys.executable, "-I", "-S", __file__, str(reading), str(lives)]
            util.spawnv_passfds(os.fsencode(sys.executable), words, (reading, lives))
        finally:
            os.close(reading)
    finally:
        os.close(lives)
    _pipe = writing
    return True


def _open_first(parent: int) -> int | None:
    """Return a descriptor of the first of our ancestors that has imported pumasi, or the parent."""
    from ._lifecycle import importer

    for pid in (importer, parent):
        try:
            found = os.pidfd_open(pid)
        except OSError:
            continue
        # Looked at afterwards: if it has ended, somebody else may have its number.
        if _descends_from(pid):
            return found
        os.close(found)
    return None


def _descends_from(ancestor: int) -> bool:
    """Whether a process is among those which we come from."""
    pid = os.getppid()
    while pid > 1 and pid != ancestor:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                pid = int(stat.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return False
    return pid == ancestor


def main(reading: int, lives: int) -> None:
    """Wait for the ends of all, and clear up."""
    import select
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    known: dict[str, str] = {}
    with open(reading, "rb") as pipe:
        rest = b""
        while data := pipe.read1(4096):
            *lines, rest = (rest + data).split(b"\0")
            for line in lines:
                device, inode, name = os.fsdecode(line[1:]).split(":", 2)
                if line[:1] == b"+":
                    known[name] = f"{device}:{inode}"
                else:
                    known.pop(name, None)
    select.select([lives], [], [])
    left = set()
    for name, segment in known.items():
        path = "/dev/shm/" + name.lstrip("/")
        try:
            status = os.stat(path)
            if f"{status.st_dev}:{status.st_ino}" == segment:
                os.unlink(path)
                left.add(name)
        except OSError:
            pass
    if left:
        sys.stderr.write(
            f"resource_tracker: There appear to be {len(left)} leaked shared_memory objects to "
            f"clean up at shutdown: {left}\n"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
