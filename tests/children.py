"""Children of tests: each ends with its test."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def running(ctx: Any, target: Callable[..., Any], *args: Any) -> Iterator[Any]:
    """A child which is killed at the end, if it still runs."""
    child = ctx.Process(target=target, args=args)
    child.start()
    try:
        yield child
    finally:
        child.kill()
        child.join()


def wait_for_state(pid: int, letter: str) -> None:
    """Wait until a process is in the state that the kernel calls so: S sleeps, T is stopped."""
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != letter:
        assert time.monotonic() < end
        time.sleep(0.001)


def interrupt(program: str) -> None:
    """Run a program that prints "waiting" and waits; Ctrl-C has it print "interrupted" and end.

    Between the two it sleeps nowhere else, so that it waits once it sleeps.
    """
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "waiting\n"
            wait_for_state(child.pid, "S")
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert child.wait(60) == 0
        finally:
            child.kill()
