"""Runs every Python example of the Markdown documents, each as a program of its own.

A fenced block that opens with ```python is written to a file and run, since spawn needs a file
to import. When the next block opens with ```output, the program must print exactly that.
A block that opens with ```python no-run is only compiled: it needs what CI does not have.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
SECONDS = 60


@dataclass(frozen=True)
class Example:
    """One fenced Python block: where it stands, its code, and what it must print if it says."""

    place: str
    code: str
    runs: bool
    output: str | None


def examples_in(path: Path) -> list[Example]:
    """Finds the examples of one document, in the order of the text."""
    text = path.read_text(encoding="utf-8")
    blocks = list(FENCE.finditer(text))
    found = []
    for index, block in enumerate(blocks):
        words = block["info"].split()
        if not words or words[0] != "python":
            continue
        following = blocks[index + 1] if index + 1 < len(blocks) else None
        has_output = following is not None and following["info"].strip() == "output"
        line = text.count("\n", 0, block.start()) + 1
        found.append(
            Example(
                place=f"{path.relative_to(ROOT)}:{line}",
                code=block["body"],
                runs="no-run" not in words[1:],
                output=following["body"] if following is not None and has_output else None,
            )
        )
    return found


def failure_of(example: Example, directory: Path) -> str | None:
    """Runs one example and returns what is wrong with it, or None."""
    if not example.runs:
        compile(example.code, example.place, "exec")
        return None
    program = directory / "example.py"
    program.write_text(example.code, encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, str(program)],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {SECONDS} s"
    if done.returncode != 0:
        return f"ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    if example.output is not None and done.stdout != example.output:
        return f"should have printed:\n{example.output}but printed:\n{done.stdout}"
    return None


def run(example: Example) -> str | None:
    """Run one example in a directory of its own; returns what is wrong with it, or None."""
    with tempfile.TemporaryDirectory(prefix="pumasi-docs-") as directory:
        return failure_of(example, Path(directory))


def main() -> int:
    """Runs them all; the exit code is 0 when each passed and README.md has at least one."""
    documents = [ROOT / "README.md", ROOT / "README.ko.md", *sorted(ROOT.glob("docs/**/*.md"))]
    examples = [each for path in documents if path.exists() for each in examples_in(path)]
    if not any(each.place.startswith("README.md:") for each in examples):
        print("README.md has no Python example: a newcomer would not know how to begin")
        return 1
    failed = 0
    # As many at a time as there are cores: most of them wait for processes which they start.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for example, failure in zip(examples, threads.map(run, examples), strict=True):
            print(f"{example.place} {'ok' if failure is None else 'FAILED'}")
            if failure is not None:
                failed += 1
                print(failure)
    print(f"examples: {len(examples) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
