"""Runs one test class of a suite in this process, and reports each test as it begins and ends.

    run_class.py --list SUITE FILE          writes the classes and their tests
    run_class.py SUITE CLASS FILE [SKIP..]  runs a class, except the tests named SKIP

A report is a line of JSON in FILE. `conformance.py` reads it, also when this process hangs or dies.
"""

import faulthandler
import importlib
import json
import os
import sys
import time
import unittest
from typing import Any


class Report(unittest.TestResult):
    """Writes a line for each test that begins, and one for how it ended."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._pid = os.getpid()
        self._worst: str | None = None
        self._why = ""

    def write(self, **line: Any) -> None:
        """Append a line; a child which a test forked has nothing to say here."""
        if os.getpid() == self._pid:
            os.write(self._file, json.dumps(line).encode() + b"\n")

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._worst, self._why = None, ""
        self._began = time.monotonic()
        faulthandler.dump_traceback_later(60, exit=False)
        self.write(began=_name(test))

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()
        self.write(
            ended=_name(test),
            verdict=self._worst or "passed",
            why=self._why,
            seconds=round(time.monotonic() - self._began, 2),
        )

    def _note(self, test: Any, verdict: str, why: str) -> None:
        if not isinstance(test, unittest.TestCase):
            # A failure outside a test: setUpClass, tearDownModule and so on.
            self.write(outside=str(test), verdict=verdict, why=why)
            return
        self._worst, self._why = verdict, why

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._note(test, "error", self._text(err, test))

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._note(test, "failed", self._text(err, test))

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failed", self._text(err, test))

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self._note(test, "failed", "passed, although it is expected to fail")

    def _text(self, err: Any, test: Any) -> str:
        text: str = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]
        sys.stderr.write(text)
        sys.stderr.flush()
        return text.strip().rsplit("\n", 1)[-1][:300]


def _name(test: unittest.TestCase) -> str:
    return getattr(test, "_testMethodName", str(test))


def _classes(suite: Any) -> dict[str, list[str]]:
    loader = unittest.TestLoader()
    found = {}
    for name, value in sorted(vars(suite).items()):
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            tests = loader.getTestCaseNames(value)
            if tests and value.__module__ == suite.__name__:
                found[name] = list(tests)
    return found


def main() -> int:
    """List, or run one class."""
    from test import support

    # One of CPython's tests sleeps so long when it loses a race with itself.
    support.LONG_TIMEOUT = min(support.LONG_TIMEOUT, 20.0)
    if sys.argv[1] == "--list":
        suite = importlib.import_module(sys.argv[2])
        with open(sys.argv[3], "w", encoding="utf-8") as file:
            json.dump(_classes(suite), file)
        return 0
    suite_name, class_name, path, *skipped = sys.argv[1:]
    report = Report(path)
    suite = importlib.import_module(suite_name)
    tests = unittest.TestLoader().loadTestsFromTestCase(getattr(suite, class_name))
    chosen = unittest.TestSuite(t for t in tests if _name(t) not in skipped)  # type: ignore[arg-type]
    chosen.run(report)
    report.write(finished=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
