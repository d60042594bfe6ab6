"""How many CPUs there are for this process.

In a container the quota of its control group says how many CPUs' time it gets; who starts as many
processes as the machine has CPUs there has them wait for one another.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def cpu_count() -> int:
    """Return how many CPUs the system has, or fewer if the control group gets only their time.

    A number that was set by `python -X cpu_count=n` or `PYTHON_CPU_COUNT` is the one.
    """
    count = os.cpu_count()
    if count is None:
        raise NotImplementedError("cannot determine number of cpus")
    if _set_by_user():
        return count
    return min(count, quota() or count)


def available_cpus() -> int:
    """Return how many CPUs this process may use: its affinity, and its control group's quota."""
    if _set_by_user():
        return cpu_count()
    cpus = len(os.sched_getaffinity(0)) or 1
    return min(cpus, quota() or cpus)


def _set_by_user() -> bool:
    # Since Python 3.13, which has this function as well.
    if not hasattr(os, "process_cpu_count"):
        return False
    said = sys._xoptions.get("cpu_count") or os.environ.get("PYTHON_CPU_COUNT")
    return said not in (None, "", "default")


def quota(groups: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> int | None:
    """Return how many CPUs' time this process's control groups get, rounded up; None for all."""
    found = []
    try:
        with open(groups) as file:
            entries = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return None
    for number, controllers, path in (entry for entry in entries if len(entry) == 3):
        if number == "0":
            found += _quotas(root, path, _version_2)
        elif "cpu" in controllers.split(","):
            found += _quotas(f"{root}/{controllers}", path, _version_1)
            found += _quotas(f"{root}/cpu", path, _version_1)
    return min(found, default=None)


def _quotas(root: str, path: str, read: Callable[[str], tuple[int, int]]) -> list[int]:
    """Return the quotas of a group and of those it is in, as far as they have one."""
    found = []
    while True:
        try:
            time, period = read(root + path)
            if time > 0 and period > 0:
                found.append(max(1, -(-time // period)))
        except (OSError, ValueError):
            # No such file, or "max".
            pass
        if path in ("", "/"):
            return found
        path = path.rpartition("/")[0]


def _version_2(group: str) -> tuple[int, int]:
    with open(f"{group}/cpu.max") as file:
        time, period = file.read().split()
    return int(time), int(period)


def _version_1(group: str) -> tuple[int, int]:
    with open(f"{group}/cpu.cfs_quota_us") as time, open(f"{group}/cpu.cfs_period_us") as period:
        return int(time.read()), int(period.read())
