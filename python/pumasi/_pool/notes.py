"""What the owner of a pool knows of how its workers spend their time."""

from __future__ import annotations

from typing import Any

from .. import _core
from .setup import SLOWEST, Slow

#: What `Board.look` gives: pid, task, since, done, working, waiting, started.
Row = tuple[int, int, int, int, int, int, int]


class Notes:
    """What is known of the workers there are and were; used under the engine's lock."""

    def __init__(self, slowest: bool) -> None:
        #: When each worker was asked to start.
        self.asked: dict[Any, int] = {}
        #: What workers note of their slowest tasks, by their number.
        self.slowest: Any = _core.Dict() if slowest else None
        self._slowest: list[Slow] = []
        self._past = {
            "workers": 0,
            "tasks": 0,
            "starting": 0.0,
            "working": 0.0,
            "waiting": 0.0,
        }

    def ended(self, worker: Any, number: int, row: Row) -> None:
        """Take over what there is of a worker that has ended."""
        asked, past = self.asked.pop(worker), self._past
        past["workers"] += 1
        past["tasks"] += row[3]
        past["working"] += row[4] / 1e9
        past["waiting"] += row[5] / 1e9
        past["starting"] += max(0, row[6] - asked) / 1e9
        if self.slowest is not None:
            self._slowest += self.slowest.pop(number, ())
            self._shorten()

    def _shorten(self) -> None:
        self._slowest.sort(reverse=True)
        del self._slowest[SLOWEST:]

    def report(
        self, board: _core.Board, numbers: dict[Any, int], ids: dict[Any, int]
    ) -> dict[str, Any]:
        """Return all that is known; times in seconds."""
        now, workers = board.now, []
        for worker, number in numbers.items():
            _, task, since, done, working, waiting, started = board.look(number)
            state = "starting" if started == 0 else "working" if task else "waiting"
            current = max(0, now - since) / 1e9 if started else 0.0
            workers.append(
                {
                    "id": ids[worker],
                    "pid": worker.pid,
                    "state": state,
                    "tasks": done,
                    "starting": max(0, (started or now) - self.asked[worker]) / 1e9,
                    "working": working / 1e9 + (current if task else 0.0),
                    "waiting": waiting / 1e9 + (0.0 if task else current),
                }
            )
        workers.sort(key=lambda worker: worker["id"])
        slowest = list(self._slowest)
        if self.slowest is not None:
            for noted in self.slowest.values():
                slowest += noted
        slowest.sort(reverse=True)
        tasks = self._past["tasks"] + sum(worker["tasks"] for worker in workers)
        return {
            "workers": workers,
            "ended": dict(self._past),
            "finished": tasks,
            "slowest": slowest[:SLOWEST],
        }
