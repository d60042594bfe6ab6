"""CPython's own tests of multiprocessing on pumasi, beside the standard library's own result.

    python tests/cpython/conformance.py run --out DIR   runs them with this interpreter
    python tests/cpython/conformance.py table DIR...    prints the table of several such runs
    python tests/cpython/conformance.py doc [--check]   writes docs/conformance.md, or compares it

Each test class runs in a process of its own (`run_class.py`), in a session of its own, under a
watchdog: a test that hangs or kills its process is one result, and the rest of its class goes on.
What is expected not to pass is in `exceptions.py`, each with its reason.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
METHODS = ("fork", "spawn", "forkserver")
PACKAGES = ("pumasi", "multiprocessing")
SUITE = "renamed_suite"
#: Seconds without a sign of life after which a test counts as hung.
PATIENCE = 120.0
#: How often a class with a failure runs again.
AGAIN = 2

#: The verdicts which are not a pass.
BAD = ("failed", "error", "hung", "died")

sys.path.insert(0, str(HERE))
import exceptions  # noqa: E402


def version() -> str:
    """The version of the running Python, as in a table."""
    return "{}.{}".format(*sys.version_info[:2])


# Running.


def _environment(package: str, method: str) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k != "PUMASI_HEAP"}
    environment["CONFORMANCE_PACKAGE"] = package
    environment["CONFORMANCE_METHOD"] = method
    # For children of a test which start with another main module.
    environment["PYTHONPATH"] = str(HERE)
    return environment


def _classes(out: Path) -> dict[str, list[str]]:
    """Return the test classes and their tests; they are the same for both packages."""
    path = out / "tests.json"
    subprocess.run(
        [sys.executable, str(HERE / "run_class.py"), "--list", SUITE, str(path)],
        check=True,
        env=_environment("multiprocessing", "fork"),
        timeout=120,
    )
    found: dict[str, list[str]] = json.loads(path.read_text())
    return found


def _end_session(leader: int) -> None:
    """Kill every process of a session which one of our runners began."""
    for _ in range(3):
        members = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == leader and fields[0] != "Z":
                        members.append(int(entry.name))
        if not members:
            return
        for pid in members:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def _attempt(
    package: str, method: str, name: str, folder: Path, done: dict[str, Any]
) -> str | None:
    """Run what is left of a class; return what ended the process early, if something did."""
    report, log = folder / f"{name}.jsonl", folder / f"{name}.log"
    report.unlink(missing_ok=True)
    work = folder / f"{name}.work"
    work.mkdir(exist_ok=True)
    command = [sys.executable, str(HERE / "run_class.py"), SUITE, name, str(report), *done]
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(package, method),
            cwd=work,
            start_new_session=True,
        )
        ended = None
        size, last = -1, time.monotonic()
        while process.poll() is None:
            time.sleep(0.02)
            grown = report.stat().st_size if report.exists() else 0
            if grown != size:
                size, last = grown, time.monotonic()
            elif time.monotonic() - last > PATIENCE:
                ended = "hung"
                break
        _end_session(process.pid)
        process.wait()
    lines = _read(report)
    running = None
    for line in lines:
        if "began" in line:
            running = line["began"]
        elif "ended" in line:
            done[line["ended"]] = line
            running = None
        elif "outside" in line and line["verdict"] != "skipped":
            done.setdefault(line["outside"].split()[0], line)
        elif "outside" in line:
            done.setdefault("skipped outside", line)
        elif "finished" in line:
            return "finished"
    why = ended or f"died with status {process.returncode}"
    if running is not None:
        done[running] = {"verdict": ended or "died", "why": why, "seconds": PATIENCE}
        return None
    # It hung or died before its first test, between two, or after its last.
    return why


def _run_class(package: str, method: str, name: str, tests: list[str], out: Path) -> dict[str, Any]:
    folder = out / method / package
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.log").unlink(missing_ok=True)
    done: dict[str, Any] = {}
    why: str | None = None
    while why is None:
        why = _attempt(package, method, name, folder, done)
    with contextlib.suppress(OSError):
        (folder / f"{name}.work").rmdir()
    results = {}
    whole = done.get("skipped outside")
    for test in tests:
        line = done.get(test)
        if line is None and whole is not None:
            line = {"verdict": "skipped", "why": whole["why"]}
        if line is None:
            outside = next((done[k] for k in ("setUpClass", "setUpModule") if k in done), None)
            line = {"verdict": "error", "why": outside["why"] if outside else why}
        results[f"{name}.{test}"] = line
    for late in ("tearDownClass", "tearDownModule"):
        if late in done:
            results[f"{name}.{late}"] = done[late]
    return results


def heed_interrupts() -> None:
    """Have what is started here begin with SIGINT as at a terminal.

    A shell lets what it starts in the background ignore it, and some tests send it to a child.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def run(options: argparse.Namespace) -> int:
    """Run the tests with this interpreter; write results, print what was not expected."""
    heed_interrupts()
    out = Path(options.out).resolve() / version()  # The tests run in directories of their own.
    out.mkdir(parents=True, exist_ok=True)
    try:
        import test._test_multiprocessing
    except ImportError as error:
        print(f"CPython {version()}: skipped, it has no package of its own tests ({error})")
        return 0
    except Exception as error:  # the tests say themselves where they cannot run
        print(f"CPython {version()}: skipped, {error}")
        return 0
    classes = _classes(out)
    if options.classes:
        wanted = set(options.classes.split(","))
        unknown = wanted - set(classes)
        classes = {name: classes[name] for name in sorted(wanted & set(classes))}
        if unknown and not options.quiet:
            print(f"CPython {version()} has no test class {', '.join(sorted(unknown))}")
    if options.part:
        # `dummy` and its threads are the standard library's own.
        classes = {k: v for k, v in classes.items() if not k.startswith("WithThreads")}
    lock = threading.Lock()
    results: dict[tuple[str, str], dict[str, Any]] = {}
    jobs = []
    for package in options.packages.split(","):
        for method in options.methods.split(","):
            results[package, method] = {}
            jobs += [(package, method, name, tests) for name, tests in classes.items()]

    def one(job: tuple[str, str, str, list[str]]) -> None:
        package, method, name, tests = job
        found = _run_class(package, method, name, tests, out)
        with lock:
            results[package, method].update(found)

    began = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        # The longest first, so that none is left alone at the end.
        jobs.sort(key=lambda job: -len(job[3]))
        list(pool.map(one, jobs))
    # Again on its own: on a busy machine CPython's own tests are not all patient.
    for package, method, name, tests in jobs * AGAIN:
        found = results[package, method]
        if any(
            line["verdict"] in BAD
            and (package != "pumasi" or exceptions.reason(test, version(), method) is None)
            for test, line in found.items()
            if test.startswith(name + ".")
        ):
            again = _run_class(package, method, name, tests, out)
            for test in [test for test in found if test.startswith(name + ".")]:
                if found[test]["verdict"] in BAD:
                    del found[test]
            for test, line in again.items():
                found.setdefault(test, line | {"again": True})
    for (package, method), found in results.items():
        path = out / f"{method}-{package}.json"
        path.write_text(json.dumps(dict(sorted(found.items())), indent=1))
    if not options.quiet:
        print(f"CPython {platform.python_version()}: ran in {time.monotonic() - began:.0f} s")
    unexpected = 0
    for (package, method), found in results.items():
        if package == "pumasi":
            unexpected += _compare(method, found, out, options.quiet)
    return 1 if unexpected else 0


# Judging.


def _compare(method: str, found: dict[str, Any], out: Path, quiet: bool) -> int:
    """Print what failed and is not in the list; write the names of all that failed."""
    failing = [name for name, line in found.items() if line["verdict"] in BAD]
    (out / f"{method}-failing.txt").write_text("".join(f"{name}\n" for name in sorted(failing)))
    unexpected = [name for name in failing if exceptions.reason(name, version(), method) is None]
    for name in sorted(unexpected):
        line = found[name]
        print(f"FAILED {version()} {method} {name}: {line['verdict']}: {line['why']}")
    mended = [
        name
        for name, line in found.items()
        if line["verdict"] == "passed" and exceptions.reason(name, version(), method) is not None
    ]
    if mended and not quiet:
        print(f"passes, but is in the list of exceptions ({method}): {', '.join(sorted(mended))}")
    return len(unexpected)


def _count(path: Path) -> tuple[int, int, int, list[str]]:
    """Return how many tests of a result passed, were skipped and ran, and what failed."""
    found = json.loads(path.read_text())
    verdicts = [line["verdict"] for line in found.values()]
    failing = sorted(name for name, line in found.items() if line["verdict"] in BAD)
    return verdicts.count("passed"), verdicts.count("skipped"), len(verdicts), failing


def table(options: argparse.Namespace) -> int:
    """Print passed / ran for each version, start method and package."""
    print(f"{'CPython':8} {'method':11} {'pumasi':>22}   {'multiprocessing':>22}   excepted")
    for folder in sorted(
        Path(options.out).iterdir(), key=lambda p: tuple(map(int, p.name.split(".")))
    ):
        for method in METHODS:
            cells = []
            excepted = 0
            for package in PACKAGES:
                path = folder / f"{method}-{package}.json"
                if not path.exists():
                    cells.append("not run")
                    continue
                passed, skipped, total, failing = _count(path)
                cells.append(f"{passed} of {total - skipped} ({skipped} skipped)")
                if package == "pumasi":
                    excepted = sum(
                        exceptions.reason(name, folder.name, method) is not None for name in failing
                    )
            if cells != ["not run", "not run"]:
                print(f"{folder.name:8} {method:11} {cells[0]:>22}   {cells[1]:>22}   {excepted}")
    return 0


# The document.

DOCUMENT = ROOT / "docs" / "conformance.md"


def doc(options: argparse.Namespace) -> int:
    """Write docs/conformance.md from the list of exceptions, or say that it is not up to date."""
    text = exceptions.document()
    if options.check:
        if not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != text:
            print("docs/conformance.md differs from tests/cpython/exceptions.py;")
            print("run: python tests/cpython/conformance.py doc")
            return 1
        return 0
    DOCUMENT.write_text(text, encoding="utf-8")
    return 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    runs = verbs.add_parser("run")
    runs.add_argument("--out", default=str(ROOT / "target" / "conformance"))
    runs.add_argument("--packages", default="pumasi")
    runs.add_argument("--methods", default=",".join(METHODS))
    runs.add_argument("--classes", default="", help="only these test classes, by comma")
    runs.add_argument("--part", action="store_true", help="leave out the tests of threads")
    runs.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1))
    runs.add_argument("--quiet", action="store_true", help="print only what failed")
    runs.set_defaults(call=run)
    tables = verbs.add_parser("table")
    tables.add_argument("--out", default=str(ROOT / "target" / "conformance"))
    tables.set_defaults(call=table)
    docs = verbs.add_parser("doc")
    docs.add_argument("--check", action="store_true")
    docs.set_defaults(call=doc)
    options = parser.parse_args()
    result: int = options.call(options)
    return result


if __name__ == "__main__":
    sys.exit(main())
