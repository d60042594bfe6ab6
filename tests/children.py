"""Children of tests: each ends with its test."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


def interrupt(program: str) -> None:
    """Run a program that prints "waiting" and waits; Ctrl-C has it print "interrupted" and end."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "waiting\n"
            time.sleep(0.1)
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert child.wait(30) == 0
        finally:
            child.kill()
