"""All processors at work: count the identifiers in Python's standard library, in several ways.

The data is on every machine which runs Python.  A file is cut into strings, comments, numbers and
names; only names count, and the keywords of the language do not.  It is read as bytes and every
byte above 127 counts as a letter, as in the first step of Python's own tokenizer, so no file can
fail to decode.

The count is made serially, with threads, and with processes, and the results have to be equal.
Threads do not help, because in Python only one of them computes at a time; processes do.

The processes bring their counts together in two ways.  With a Manager dict and a Lock each process
counts its share alone and merges it in at the end: that is the way of ``multiprocessing``, and it
runs on pumasi unchanged.  pumasi's own Dict has ``shared.add(name, n)``, which no other process can
get between: every file is added as soon as it is counted, without a lock and without merging.
"""

import json
import keyword
import multiprocessing as mp
import os
import re
import sys
import sysconfig
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import Any

Counts = Mapping[str, int]

TOKEN = re.compile(
    rb"""
      (?: [rR][bBfF]? | [bBfF][rR]? | [uU] )?         # a string: a prefix, then one of four quotes
      (?: \"\"\" (?: [^\\] | \\. )*? \"\"\"
        | \'\'\' (?: [^\\] | \\. )*? \'\'\'
        | " (?: [^"\\\n] | \\. )* "
        | ' (?: [^'\\\n] | \\. )* ' )
    | \# [^\n]*                                       # a comment
    | [0-9] [0-9A-Za-z_.]*                            # a number
    | ( [A-Za-z_\x80-\xff] [0-9A-Za-z_\x80-\xff]* )   # a name, the only part which is kept
    """,
    re.VERBOSE | re.DOTALL,
)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NOT_COUNTED = [b"", *(word.encode() for word in keyword.kwlist)]
LEFT_OUT = {"site-packages", "dist-packages", "__pycache__"}


def library_files(at_most: int | None) -> list[str]:
    """Return the .py files of the running Python's standard library, the largest first."""
    found = []
    for folder, folders, names in os.walk(sysconfig.get_path("stdlib")):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        found += [os.path.join(folder, name) for name in names if name.endswith(".py")]
    found.sort(key=lambda path: (-os.path.getsize(path), path))
    return found[:at_most]


def count_file(path: str) -> Counts:
    """Count how often each identifier stands in one file."""
    with open(path, "rb") as file:
        counts = Counter(TOKEN.findall(file.read().removeprefix(BYTE_ORDER_MARK)))
    for word in NOT_COUNTED:
        del counts[word]
    return {name.decode("utf-8", "replace"): n for name, n in counts.items()}


def count_serially(paths: list[str]) -> Counts:
    """Count how often each identifier stands in several files together."""
    counts: Counter[str] = Counter()
    for path in paths:
        counts.update(count_file(path))
    return counts


def count_with_threads(paths: list[str], workers: int) -> Counts:
    """Count with threads, each with its share of the files."""
    together: Counter[str] = Counter()
    lock = Lock()

    def work(mine: list[str]) -> None:
        counts = count_serially(mine)
        with lock:
            together.update(counts)

    run_all([Thread(target=work, args=(paths[i::workers],)) for i in range(workers)])
    return together


def merge_at_the_end(shared: Any, lock: Any, mine: list[str]) -> None:
    """Count alone, in each child, then add everything while holding the lock."""
    counts = count_serially(mine)
    with lock:
        merged = Counter(shared.copy())
        merged.update(counts)
        shared.update(merged)


def count_with_manager(paths: list[str], workers: int) -> Counts:
    """Count with processes, merged in a Manager dict."""
    with mp.Manager() as manager:
        shared, lock = manager.dict(), mp.Lock()
        shares = [paths[i::workers] for i in range(workers)]
        run_all([mp.Process(target=merge_at_the_end, args=(shared, lock, s)) for s in shares])
        return dict(shared.copy())


def add_each_file(shared: Any, mine: list[str]) -> None:
    """Count and add file by file, in each child: every addition is atomic."""
    for path in mine:
        for name, n in count_file(path).items():
            shared.add(name, n)


def count_with_shared_dict(paths: list[str], workers: int) -> Counts:
    """Count with processes, added up in one shared Dict."""
    shared = mp.Dict()  # type: ignore[attr-defined]  # pumasi has it, multiprocessing has not
    shares = [paths[i::workers] for i in range(workers)]
    run_all([mp.Process(target=add_each_file, args=(shared, share)) for share in shares])
    return dict(shared.to_plain())


def run_all(workers: list[Any]) -> None:
    """Start threads or processes, and wait for the last one."""
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def digest(counts: Counts) -> int:
    """Return one number for a whole count: equal counts have equal digests."""
    lines = "".join(f"{name} {counts[name]}\n" for name in sorted(counts))
    return zlib.crc32(lines.encode())


def main() -> None:
    """Count in every way there is, and show the times and the counts' digests."""
    paths = library_files(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    workers = max(2, mp.cpu_count())
    ways: dict[str, Callable[[], Counts]] = {
        "serial": lambda: count_serially(paths),
        "threads": lambda: count_with_threads(paths, workers),
        "manager": lambda: count_with_manager(paths, workers),
    }
    if hasattr(mp, "Dict"):
        ways["shared_dict"] = lambda: count_with_shared_dict(paths, workers)

    seconds: dict[str, float] = {}
    digests: dict[str, int] = {}
    counts: Counts = {}
    for way, count in ways.items():
        started = time.perf_counter()
        counts = count()
        seconds[way] = time.perf_counter() - started
        digests[way] = digest(counts)
        print(f"{way + ':':12} {seconds[way]:6.2f} s, digest {digests[way]:08x}")

    identifiers, different = sum(counts.values()), len(counts)
    most_common = Counter(counts).most_common(3)
    print(f"{len(paths)} files, {identifiers} identifiers, {different} different ones")
    print("most often:", ", ".join(f"{name} {n}" for name, n in most_common))
    result = {
        "files": len(paths),
        "identifiers": identifiers,
        "different": different,
        "most_common": most_common,
        "workers": workers,
        "digests": digests,
        "way_seconds": seconds,
        "seconds": seconds[way],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
