"""The ways to do the work which are compared."""

from __future__ import annotations

from dataclasses import dataclass

SERIAL, THREADS, PROCESSES = "serial", "threads", "processes"
PICKLED, POOL, NATIVE, SHARED = "pickled", "pool", "native", "shared"


@dataclass(frozen=True)
class Variant:
    """One way to do the work.

    ``arguments`` says how inputs reach other processes: pickled through a pipe, as in the standard
    library's Pool, by this package's own Pool, as native cells of a shared List, or as views of
    arrays which lie in shared memory.
    """

    kind: str
    workers: int = 1
    method: str | None = None
    arguments: str | None = None

    @property
    def name(self) -> str:
        """What it is called in reports: ``threads 2``, ``processes 2 (fork, pickled)``."""
        if self.kind == SERIAL:
            return SERIAL
        name = f"{self.kind} {self.workers}"
        return f"{name} ({self.method}, {self.arguments})" if self.kind == PROCESSES else name


def worker_counts(most: int) -> list[int]:
    """Return 1, 2, 4 ... and the largest number itself."""
    counts, count = [], 1
    while count < most:
        counts.append(count)
        count *= 2
    return [*counts, most]
