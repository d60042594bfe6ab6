"""The standard library's timeit, which also times a statement on threads and on processes.

    python -m pumasi.timeit [-n N] [-r N] [-u U] [-s S] [-p] [-v] [-h]
                            [--threads N[,N...]] [--processes N[,N...]]
                            [--start-method NAME] [--] [statement ...]

Every option of ``python -m timeit`` means the same here, and without the new ones this is
``python -m timeit``.  With them, so many threads or processes execute the statement at the same
time, each as often as the one of timeit does and after a setup of its own:

    --threads N           time N threads, too; several numbers apart by commas
    --processes N         time N processes, too
    --start-method NAME   fork, spawn or forkserver [default: the program's]

"together" is the time from the first start to the last end, divided by the number of all loops;
"times the rate of one" is the median over the repetitions, which take all contenders in turns.
From six repetitions on (-r 6) it comes with its 95 % interval.

`Timer`, `timeit`, `repeat` and `default_timer` are the standard library's.
"""

from __future__ import annotations

import contextlib
import gc
import getopt
import os
import sys
import threading
import timeit as _standard
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from timeit import Timer, default_timer, repeat, timeit
from typing import Any

from . import context
from .measure import system
from .measure.intervals import estimate

__all__ = ["Timer", "default_timer", "main", "repeat", "timeit"]

_OURS = ("--threads", "--processes", "--start-method")
_LONG = ["number=", "setup=", "repeat=", "process", "verbose", "unit=", "help"]
_UNITS = {"nsec": 1e-9, "usec": 1e-6, "msec": 1e-3, "sec": 1.0}
_REPEAT = 5
"""What timeit repeats by default."""

Span = tuple[float, float]
"""When a worker began and ended, by the clock that all processes share."""


class _Team:
    """Workers which execute the statement at the same time when they are told to."""

    def __init__(self, name: str, workers: int) -> None:
        self.name, self.workers = name, workers
        self.seconds: list[float] = []

    def run(self, number: int) -> None:
        """Execute the statement so often in each worker, and note how long it took."""
        spans = self._spans(number)
        took = max(end for _, end in spans) - min(start for start, _ in spans)
        self.seconds.append(took / (number * self.workers))

    def _spans(self, number: int) -> list[Span]:
        raise NotImplementedError

    def close(self) -> None:
        """End the workers."""


class _Alone(_Team):
    def __init__(self, statement: str, setup: str) -> None:
        super().__init__("", 1)
        self._timer = Timer(statement, setup)

    def _spans(self, number: int) -> list[Span]:
        return [_span(self._timer, number)]


class _Threads(_Team):
    def __init__(self, workers: int, statement: str, setup: str) -> None:
        super().__init__(f"{workers} thread{'s' * (workers > 1)}", workers)
        self._timers = [Timer(statement, setup) for _ in range(workers)]

    def _spans(self, number: int) -> list[Span]:
        spans: list[Span] = []
        errors: list[BaseException] = []
        start = threading.Barrier(self.workers)

        def work(timer: Timer) -> None:
            try:
                start.wait()
                spans.append(_span(timer, number))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(timer,)) for timer in self._timers]
        with _no_collections():  # Each timer would turn them on again while others still work.
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]
        return spans


class _Processes(_Team):
    def __init__(self, workers: int, statement: str, setup: str, method: str | None) -> None:
        super().__init__(f"{workers} process{'es' * (workers > 1)}", workers)
        chosen = context.default_context.get_context(method)
        self._started: list[tuple[Any, Any]] = []
        for _ in range(workers):
            here, there = chosen.Pipe()
            process = chosen.Process(  # type: ignore[attr-defined]
                target=_process, args=(there, statement, setup), daemon=True
            )
            process.start()
            there.close()
            self._started.append((process, here))

    def _spans(self, number: int) -> list[Span]:
        for _, connection in self._started:
            connection.send(number)
        spans: list[Span] = []
        for process, connection in self._started:
            try:
                answer = connection.recv()
            except (EOFError, ConnectionResetError):
                process.join(5)
                raise RuntimeError(f"a process ended with exit code {process.exitcode}") from None
            if isinstance(answer, str):
                raise _InProcess(answer)
            spans.append(answer)
        return spans

    def close(self) -> None:
        """End the processes."""
        for process, connection in self._started:
            connection.close()
            process.terminate()
            process.join()
            process.close()


class _InProcess(Exception):
    """The statement raised in another process; the text is its traceback."""


def _process(connection: Connection[Any, Any], statement: str, setup: str) -> None:
    system.die_with_parent()
    sys.path.insert(0, os.curdir)
    with contextlib.suppress(EOFError, BrokenPipeError):
        timer: Timer | None = None
        while True:
            number = connection.recv()
            try:
                timer = timer or Timer(statement, setup)
                connection.send(_span(timer, number))
            except Exception:
                connection.send(traceback.format_exc())


def _span(timer: Timer, number: int) -> Span:
    took = timer.timeit(number)
    end = default_timer()
    return end - took, end


@contextlib.contextmanager
def _no_collections() -> Any:
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def main(
    args: Sequence[str] | None = None, *, _wrap_timer: Callable[..., Any] | None = None
) -> Any:
    """Obey a command line; returns None if all went well, 1 after an exception, 2 for nonsense.

    Blocks until all repetitions are done.
    """
    words = list(sys.argv[1:] if args is None else args)
    ours = [name.strip("-") + "=" for name in _OURS]
    try:
        options, statement = getopt.getopt(words, "n:u:s:r:pvh", [*_LONG, *ours])
        if not any(name in _OURS for name, _ in options):
            wanted = [name for name, _ in options]
            if "-h" in wanted or "--help" in wanted:
                print(__doc__, end="")
                return 0
            return _standard.main(words, _wrap_timer=_wrap_timer)
        return _run(options, "\n".join(statement) or "pass")
    except (getopt.error, ValueError) as error:
        print(error, file=sys.stderr)
        print("use -h/--help for command line help", file=sys.stderr)
        return 2


def _run(options: list[tuple[str, str]], statement: str) -> int | None:
    number, rounds, unit, verbose = 0, _REPEAT, None, False
    setup: list[str] = []
    threads: list[int] = []
    processes: list[int] = []
    method: str | None = None
    for name, value in options:
        if name in ("-n", "--number"):
            number = int(value)
        elif name in ("-s", "--setup"):
            setup.append(value)
        elif name in ("-u", "--unit"):
            if value not in _UNITS:
                raise ValueError("Unrecognized unit. Please select nsec, usec, msec, or sec.")
            unit = value
        elif name in ("-r", "--repeat"):
            rounds = max(int(value), 1)
        elif name in ("-p", "--process"):
            raise ValueError(
                "-p times what one process spends on a core, which says nothing of several at "
                "once: leave it out, or leave out --threads and --processes"
            )
        elif name in ("-v", "--verbose"):
            verbose = True
        elif name in ("-h", "--help"):
            print(__doc__, end="")
            return 0
        elif name == "--threads":
            threads = _counts(value)
        elif name == "--processes":
            processes = _counts(value)
        elif name == "--start-method":
            if value not in ("fork", "spawn", "forkserver"):
                raise ValueError(f"{value!r} is not fork, spawn or forkserver")
            method = value
    sys.path.insert(0, os.curdir)
    text = "\n".join(setup) or "pass"
    teams: list[_Team] = []
    try:
        teams.append(_Alone(statement, text))
        # Before there are threads, so that nothing of them is forked.
        teams += [_Processes(workers, statement, text, method) for workers in processes]
        teams[1:1] = [_Threads(workers, statement, text) for workers in threads]
        if number == 0:
            number, _ = Timer(statement, text).autorange()
        for _ in range(rounds):
            for team in teams:
                team.run(number)
    except _InProcess as error:
        print(error, end="", file=sys.stderr)
        return 1
    except Exception:
        # As in timeit, which shows the statement's own lines.
        Timer(statement, text).print_exc()
        return 1
    finally:
        for team in teams:
            team.close()
    _show(teams, number, rounds, unit, verbose)
    return None


def _counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if any(count < 1 or count > 512 for count in counts):
        raise ValueError(f"{text!r} is not a number of workers from 1 to 512")
    return counts


def _show(teams: list[_Team], number: int, rounds: int, unit: str | None, verbose: bool) -> None:
    alone = teams[0]
    loops = f"{number} loop{'s' * (number != 1)}"
    if verbose:
        for team in teams:
            values = ", ".join(_formatted(seconds, unit) for seconds in team.seconds)
            print(f"raw times{' of ' + team.name if team.name else ''}: {values}")
        print()
    print(f"{loops}, best of {rounds}: {_formatted(min(alone.seconds), unit)} per loop")
    for team in teams[1:]:
        pairs = zip(alone.seconds, team.seconds, strict=True)
        rate = estimate(one / several for one, several in pairs)
        interval = "" if rate.low is None else f" ({rate.low:.2f} to {rate.high:.2f})"
        print(
            f"{team.name}: {loops} each, best of {rounds}: "
            f"{_formatted(min(team.seconds), unit)} per loop together, "
            f"{rate.median:.2f}{interval} times the rate of one"
        )


def _formatted(seconds: float, unit: str | None) -> str:
    if unit is None:
        fitting = (name for name, scale in reversed(_UNITS.items()) if seconds >= scale)
        unit = next(fitting, "nsec")
    return f"{seconds / _UNITS[unit]:.3g} {unit}"


if __name__ == "__main__":
    sys.exit(main())
