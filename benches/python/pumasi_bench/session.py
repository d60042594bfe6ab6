"""One run of the suite: it measures, makes rows of it, and tells the watcher how far it is."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

from pumasi_bench.loops import Loop, Names, in_turns
from pumasi_bench.samples import Row, Sample, digits
from pumasi_bench.settings import Effort
from pumasi_bench.targets import Target


@dataclass(frozen=True)
class Rival:
    """A contender to be measured in turns with ours, and what we want to reach against it."""

    loop: Loop
    target: Target | None = None


@dataclass
class Session:
    """What every group gets: the library under test, the effort to make, a place for its rows."""

    library: ModuleType
    effort: Effort
    tell: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    _group: str = ""

    @property
    def name(self) -> str:
        """Our name in the table."""
        return self.library.__name__

    def run(self, title: str, group: Callable[[Session], None]) -> None:
        """Run one group; if it breaks, note why and let the others have their turn."""
        self._group = title
        self.tell(f"{title}")
        try:
            group(self)
        except Exception as error:
            self.broken[title] = f"{type(error).__name__}: {error}"
            self.tell(f"  broken:\n{traceback.format_exc()}")

    def compare(
        self, operation: str, statement: str, names: Callable[[], Names], *rivals: Rival
    ) -> None:
        """Time our statement in turns with the rivals', and add a row for each rival."""
        loops = [Loop(self.name, statement, names), *(rival.loop for rival in rivals)]
        ours, *theirs = in_turns(loops, self.effort)
        for rival, sample in zip(rivals, theirs, strict=True):
            self.add(operation, ours, sample, rival.target)

    def add(
        self,
        operation: str,
        ours: Sample,
        rival: Sample | None = None,
        target: Target | None = None,
    ) -> None:
        """Add a row which was measured elsewhere."""
        row = Row(self._group, operation, ours, rival, target)
        self.rows.append(row)
        self.tell(f"  {brief(row)}")


def brief(row: Row) -> str:
    """Put a row into one line, for a reader who watches the run."""
    parts = [f"{row.operation}: {row.ours}"]
    if row.rival is not None and row.times_better is not None:
        parts.append(f"{row.rival.contender} {row.rival}, {digits(row.times_better)}x")
    if row.target is not None:
        parts.append(f"{row.target.text}: {row.verdict}")
    return "; ".join(parts)
