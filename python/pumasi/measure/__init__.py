"""Know before you choose: one function measured in series, on threads and on processes.

``pumasi.bench(f, inputs)`` is the way in; ``pumasi bench module:function`` is the same from the
command line.  From low to high: ``intervals`` are the statistics, ``system`` asks Linux, ``work``
and ``variants`` say what is measured and how, ``worker``, ``ways``, ``pooled``, ``pools`` and
``host`` run inside the measured processes, ``hosts`` and ``session`` command them, ``verdicts``
lets the Rust library say what the numbers mean, and ``report`` is what comes out.  How it is
rendered, and its sentences in two languages, are the command line's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import session, work
from .report import Report
from .variants import NATIVE, PICKLED, POOL, PROCESSES, SHARED, THREADS
from .verdicts import Advice, Verdict
from .work import MeasureError

__all__ = ["Advice", "MeasureError", "Report", "Verdict", "bench"]


def bench(
    function: Callable[..., Any],
    inputs: Iterable[Any] | None = None,
    *,
    star: bool = False,
    items: int = 8,
    workers: Sequence[int] | None = None,
    kinds: Sequence[str] = (THREADS, PROCESSES),
    start_methods: Sequence[str] | None = None,
    arguments: Sequence[str] | None = None,
    budget: float = 20.0,
    precision: float = 0.02,
    progress: Callable[[str, float], None] | None = None,
) -> Report:
    """Measure calls of a function in series, on threads and on processes, and say which to use.

    ``function`` is called with each of the ``inputs``, and with ``star`` with each one's items as
    arguments, as `map` and `starmap` do; without inputs it is called ``items`` times.  ``workers``
    are the numbers of workers (1, 2, 4 ... up to the cores), ``kinds`` of "threads" and
    "processes", ``start_methods`` of "fork", "spawn" and "forkserver" (the one that is chosen for
    the program), ``arguments`` the ways in which inputs reach processes: "pickled" through pipes,
    as the standard library's Pool does, "pool" by `pumasi.Pool`, "native" in cells of a shared
    List, "shared" as views of NumPy arrays (each that fits the inputs).

    Blocks for at most about ``budget`` seconds; ends before that when every median is known to
    ``precision``.  The function runs in child processes and must do the same at each call.  Calls
    ``progress(what, share)`` now and then.

    Raises MeasureError, with a sentence that says what to do, when the function fails, crashes, or
    takes longer than the budget (and five seconds) for one pass.

    >>> import pumasi
    >>> report = pumasi.bench(len, ["some", "words"], budget=0.5)
    >>> report.advice.use
    'serial'
    """
    for given, known in (
        (kinds, (THREADS, PROCESSES)),
        (start_methods or (), ("fork", "spawn", "forkserver")),
        (arguments or (), (PICKLED, POOL, NATIVE, SHARED)),
    ):
        for each in given:
            if each not in known:
                raise MeasureError("usage", f"{each!r} is not one of {', '.join(known)}")
    if any(count < 1 for count in workers or ()):
        raise MeasureError("usage", "a number of workers is at least 1")
    if not budget > 0:
        raise MeasureError("usage", "the budget is a number of seconds above 0")
    options = session.Options(
        workers=None if workers is None else sorted(set(workers)),
        kinds=tuple(kinds),
        methods=None if start_methods is None else tuple(start_methods),
        arguments=None if arguments is None else tuple(arguments),
        budget=budget,
        precision=precision,
    )
    return Report(session.measure(work.of(function, inputs, star, items), options, progress))
