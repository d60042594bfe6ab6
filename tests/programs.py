"""Programs of their own which tests start: each has a watchdog, and what it starts ends with it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class HangError(AssertionError):
    """A program did not end; what its processes have printed, and where their threads were."""


def run_program(
    command: Sequence[str | Path],
    *,
    timeout: float = 100,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; return its status and all that its processes have printed.

    After `timeout` seconds they are killed, as far as they are of its group. That they may not
    outlive it is what `subprocess.run` lacks: it waits for whoever still has its pipes.
    """
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # For the signal by which Pythons say where they are.
        env={**(os.environ if env is None else env), "PYTHONFAULTHANDLER": "1"},
        cwd=cwd,
        start_new_session=True,
    ) as program:
        try:
            out, err = program.communicate(timeout=timeout)
        except BaseException as error:
            # The first has each process show its stacks, which may take a while.
            for how, seconds in ((signal.SIGABRT, 10), (signal.SIGKILL, 5)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.pid, how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    out, err = program.communicate(timeout=seconds)
                    break
            else:
                out, err = "", "and something has its pipes yet"
            if isinstance(error, subprocess.TimeoutExpired):
                message = f"{command} had not ended after {timeout:g} s\n{out}\n{err}"
                raise HangError(message) from None
            raise
    return subprocess.CompletedProcess(program.args, program.returncode, out, err)
