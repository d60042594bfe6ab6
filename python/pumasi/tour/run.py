"""Run a program of the tour on pumasi or on ``multiprocessing``, changing only its import.

    python -m pumasi.tour.run lock
    python -m pumasi.tour.run lock --library multiprocessing
    python -m pumasi.tour.run --list

The program's source is copied to a temporary folder with its line ``import multiprocessing as mp``
replaced by ``import pumasi as mp``, and the copy is run by a fresh interpreter as any script is, so
every start method works as it does for a user's own program.

A program prints what it has to say and, as its last line, its result as JSON.  With ``--json`` that
line is extended by what the program cannot know: how long the whole process took.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = Path(__file__).with_name("programs")
LIBRARIES = ("pumasi", "multiprocessing")
START_METHODS = ("fork", "spawn", "forkserver")

STANDARD_IMPORT = "import multiprocessing as mp\n"
PUMASI_IMPORT = "import pumasi as mp\n"

# Programs which use what only pumasi has, and the one which does the same without it.
STANDARD_COUNTERPARTS = {"one_call": "one_call_with_lock"}

# Arguments with which a program is done in a moment, for a first look and for tests.
QUICK_ARGUMENTS = {
    "race": ["3"],
    "race_at_once": ["3", "700"],
    "lock": ["3", "50"],
    "one_call": ["3", "50"],
    "one_call_with_lock": ["3", "50"],
    "semaphore": ["0.01"],
    "threads_and_processes": ["20000"],
    "killed_holder": ["0.5"],
    "count_identifiers": ["40"],
}


def program_names() -> list[str]:
    """Return the names of the programs, in alphabetical order."""
    return sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem != "__init__")


def program_for(name: str, library: str) -> str:
    """Return the program which shows the idea ``name`` with this library."""
    return STANDARD_COUNTERPARTS.get(name, name) if library == "multiprocessing" else name


def source_for(name: str, library: str, start_method: str | None = None) -> str:
    """Return a program's source with its import exchanged and, if asked, a start method chosen."""
    source = (PROGRAMS / f"{name}.py").read_text(encoding="utf-8")
    if library == "pumasi":
        source = source.replace(STANDARD_IMPORT, PUMASI_IMPORT, 1)
    wanted = PUMASI_IMPORT if library == "pumasi" else STANDARD_IMPORT
    if source.count(wanted) != 1:
        raise ValueError(f"program {name} cannot run on {library}: no line {wanted.strip()!r}")
    if start_method is not None:
        chosen = wanted.strip() + f'; mp.set_start_method("{start_method}", force=True)\n'
        source = source.replace(wanted, chosen)
    return source


def run(
    name: str,
    library: str,
    *,
    start_method: str | None = None,
    quick: bool = False,
    as_json: bool = False,
) -> int:
    """Run one program, pass on what it prints, and return its exit code."""
    name = program_for(name, library)
    arguments = QUICK_ARGUMENTS.get(name, []) if quick else []
    with tempfile.TemporaryDirectory(prefix="pumasi-tour-") as folder:
        script = Path(folder, f"{name}.py")
        script.write_text(source_for(name, library, start_method), encoding="utf-8")
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            last = ""
            for line in process.stdout:
                if last:
                    print(last, flush=True)
                last = line.rstrip("\n")
        seconds = time.perf_counter() - started

    code = process.returncode
    if code == 0 and as_json:
        result = {"program": name, "library": library, "process_seconds": seconds}
        print(json.dumps({**result, "result": json.loads(last)}), flush=True)
    elif code == 0:
        inside = json.loads(last)["seconds"]
        print(f"({library}: {inside:.4f} s; with the start of the interpreter {seconds:.4f} s)")
    else:
        if last:
            print(last, flush=True)
        print(f"program {name} on {library} ended with exit code {code}", file=sys.stderr)
    return code if code >= 0 else 128 - code


def main(arguments: Sequence[str] | None = None) -> int:
    """Obey the command line and return the exit code of the program which was run."""
    parser = argparse.ArgumentParser(
        prog="python -m pumasi.tour.run",
        description="Run a program of the tour on pumasi or on the standard library.",
    )
    parser.add_argument("program", nargs="?", choices=program_names(), metavar="PROGRAM")
    parser.add_argument("--list", action="store_true", help="print the programs' names")
    parser.add_argument("--source", action="store_true", help="print the program, do not run it")
    parser.add_argument("--library", choices=LIBRARIES, default="pumasi")
    parser.add_argument("--start-method", choices=START_METHODS)
    parser.add_argument("--quick", action="store_true", help="with few rounds and little data")
    parser.add_argument("--json", action="store_true", help="end with a line of JSON")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        print("\n".join(program_names()))
        return 0
    if chosen.program is None:
        parser.error("name a program, or ask for --list")
    if chosen.source:
        name = program_for(chosen.program, chosen.library)
        print(source_for(name, chosen.library, chosen.start_method), end="")
        return 0
    return run(
        chosen.program,
        chosen.library,
        start_method=chosen.start_method,
        quick=chosen.quick,
        as_json=chosen.json,
    )


if __name__ == "__main__":
    sys.exit(main())
