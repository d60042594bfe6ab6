"""The groups of benchmarks, in the order in which they run: cheap and quiet ones first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pumasi_bench.groups import (
    arrays,
    contention,
    dicts,
    fairness,
    imports,
    lists,
    locks,
    pools,
    queues,
    values,
    vectors,
)
from pumasi_bench.session import Session

Group: TypeAlias = Callable[[Session], None]

ALL: Mapping[str, Group] = {
    "import": imports.run,
    "list": lists.run,
    "dict": dicts.run,
    "array": arrays.run,
    "vector": vectors.run,
    "value": values.run,
    "lock": locks.run,
    "pool": pools.run,
    "queue": queues.run,
    "contention": contention.run,
    "fairness": fairness.run,
}
