"""On what a run was made: enough to judge its numbers by; no name of a host, a user or a folder."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from pumasi_bench import peers

_REPOSITORY = Path(__file__).resolve().parents[3]


def facts(library: ModuleType) -> dict[str, str]:
    """Describe a run that starts now, in the order in which it is printed."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "cpu": _cpu_model(),
        "cores": f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "python": f"CPython {platform.python_version()}, {platform.python_compiler()}",
        "rust": _rust_version(),
        library.__name__: _version_of(library.__name__),
        "lmdb": _version_of("lmdb"),
        **{name: _version_of(name) for name in peers.DISTRIBUTIONS},
    }


def commit() -> str:
    """Name the commit that is measured, with "-dirty" when tracked files differ from it."""
    name = _git("rev-parse", "--short=10", "HEAD")
    if not name:
        return "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benches/results")
    return f"{name}-dirty" if changed else name


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_REPOSITORY, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    named = re.search(r"^model name\s*:\s*(.+)$", information, re.MULTILINE)
    return named[1] if named else platform.machine()


def _rust_version() -> str:
    rustc = shutil.which("rustc")
    if rustc is None:
        return "not installed"
    return subprocess.run(
        [rustc, "--version"], capture_output=True, text=True, check=False
    ).stdout.strip()


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
