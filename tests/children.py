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
    """Wait for a state of a process's main thread by its letter: S sleeps, T is stopped."""
    end, seen = time.monotonic() + 60, 0
    while seen < 5:
        assert time.monotonic() < end
        time.sleep(0.01)
        state = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        # Several times in a row: it may have slept on its way, too.
        seen = seen + 1 if state == letter else 0


def interrupt(program: str) -> None:
    """Run a program that prints "waiting" and waits; Ctrl-C has it print "interrupted" and end.

    The signal may come as soon as it has said so: what it prints belongs into its `try`.
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
