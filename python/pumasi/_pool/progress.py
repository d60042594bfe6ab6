"""Showing how far a map has come: by tqdm's bar or rich's where one is installed, or by a line."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

#: Seconds between two looks at a map, and between two lines of a bar on a terminal.
EVERY = 0.1
#: Seconds between two lines where there is no terminal.
_EVERY_LINE = 10.0


class Plain:
    """A bar with the few methods of tqdm's that are used here."""

    def __init__(self, total: int | None = None, desc: str = "", file: Any = None) -> None:
        self.total = total
        self.n = 0
        self._desc = f"{desc}: " if desc else ""
        self._file = sys.stderr if file is None else file
        self._terminal = bool(getattr(self._file, "isatty", bool)())
        self._began = self._shown = time.monotonic()

    def update(self, n: int) -> None:
        """So many more are done."""
        self.n += n
        now = time.monotonic()
        if n and now - self._shown >= (EVERY if self._terminal else _EVERY_LINE):
            self._show(now)

    def _show(self, now: float) -> None:
        self._shown = now
        of = "" if self.total is None else f"/{self.total}"
        line = f"{self._desc}{self.n}{of} in {now - self._began:.1f} s"
        start, end = ("\r", "") if self._terminal else ("", "\n")
        print(f"{start}{line}", end=end, file=self._file, flush=True)

    def close(self) -> None:
        """Show where it has come to."""
        self._show(time.monotonic())
        if self._terminal:
            print(file=self._file)


class Rich:
    """The bar of rich, as one of tqdm's; in a notebook it is drawn in the cell's output."""

    def __init__(self, total: int | None = None, desc: str = "", file: Any = None) -> None:
        progress: Any = importlib.import_module("rich.progress")
        console: Any = importlib.import_module("rich.console").Console
        # None is what stderr is by now.
        self._shown = progress.Progress(
            *progress.Progress.get_default_columns(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            console=console(file=file, stderr=file is None),
            # It would start a thread for that.
            auto_refresh=False,
        )
        self._drawn = time.monotonic()
        self._task = self._shown.add_task(desc, total=total)
        self._shown.start()

    def update(self, n: int) -> None:
        """So many more are done."""
        self._shown.update(self._task, advance=n)
        now = time.monotonic()
        if now - self._drawn >= EVERY:
            self._drawn = now
            self._shown.refresh()

    def close(self) -> None:
        """Leave it as it is."""
        self._shown.stop()


def bar_for(progress: bool | Mapping[str, Any], total: int | None) -> Any:
    """Make a bar; a mapping is what tqdm is called with besides.

    In a notebook tqdm shows a widget.
    """
    options = {} if isinstance(progress, bool) else dict(progress)
    options.setdefault("total", total)
    try:
        return importlib.import_module("tqdm.auto").tqdm(**options)
    except ImportError:
        known = {key: options[key] for key in ("total", "desc", "file") if key in options}
    try:
        return Rich(**known)
    except ImportError:
        return Plain(**known)


class Shown:
    """Keeps a bar up with a count."""

    def __init__(self, bar: Any, done: Callable[[], int]) -> None:
        self._bar = bar
        self._done = done
        self._seen = 0

    def look(self) -> None:
        """Show what was done since the last look."""
        done = self._done()
        if done > self._seen:
            self._bar.update(done - self._seen)
            self._seen = done


def each(results: Iterable[Any], bar: Any) -> Iterator[Any]:
    """Return the results, and show how many were taken."""
    try:
        for result in results:
            bar.update(1)
            yield result
    finally:
        bar.close()
