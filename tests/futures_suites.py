"""Run CPython's tests of executors of processes on pumasi, and print what did not pass, as JSON.

    python futures_suites.py ours|context METHOD [-TEST...] [CLASS...]

`ours`: on pumasi's executor; `context`: on the standard library's, with pumasi's context as its
`mp_context`. A program of its own, because those tests wait for every thread and child which they
did not start to end.
"""

import faulthandler
import gc
import importlib
import json
import sys
import time
import unittest
from concurrent import futures
from typing import Any

import pumasi

MODULES = ("as_completed", "deadlock", "init", "process_pool", "shutdown", "wait")


def modules() -> list[Any]:
    """The modules of these tests: one until Python 3.11, a package since."""
    package = importlib.import_module("test.test_concurrent_futures")
    if not hasattr(package, "__path__"):
        return [package]
    return [importlib.import_module(f"{package.__name__}.test_{name}") for name in MODULES]


def cases(kind: str, method: str) -> dict[str, type[unittest.TestCase]]:
    """The test classes for a start method, each with pumasi in the place of what it tests."""
    found: dict[str, type[unittest.TestCase]] = {}
    for module in modules():
        for name, cls in vars(module).items():
            if (
                isinstance(cls, type)
                and issubclass(cls, unittest.TestCase)
                and getattr(cls, "executor_type", None) is futures.ProcessPoolExecutor
                and getattr(cls, "ctx", None) == method
            ):
                # In place: some of the tests pickle themselves.
                setattr(cls, "get_context", lambda self: pumasi.get_context(method))  # noqa: B010
                if kind == "ours":
                    setattr(cls, "executor_type", pumasi.ProcessPoolExecutor)  # noqa: B010
                found[name] = cls
    return found


#: After so many seconds in one test its threads' stacks are shown. None takes half of it.
LONG = 40

#: A few of these tests give others no more than a second, which on a busy machine is not enough.
#: What fails does so as often as this, one time after the other.
TRIES = 3


class Result(unittest.TestResult):
    """Clears up after each test, says how long it took, and where one is that does not end."""

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._began = time.monotonic()
        faulthandler.dump_traceback_later(LONG)

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()
        print(f"{test.id()}: {time.monotonic() - self._began:.2f} s", file=sys.stderr, flush=True)
        gc.collect()


def main(kind: str, method: str, names: list[str]) -> None:
    """Run the test classes with these names, or all, without the tests after a hyphen."""
    without = {name[1:] for name in names if name.startswith("-")}
    names = [name for name in names if not name.startswith("-")]
    load = unittest.defaultTestLoader.getTestCaseNames
    chosen = [
        (case, test)
        for name, case in cases(kind, method).items()
        if not names or name in names
        for test in load(case)
        if test not in without
    ]
    number, left = len(chosen), chosen
    for _ in range(TRIES):
        result = Result()
        unittest.TestSuite(case(test) for case, test in left).run(result)
        failed = {
            # Of a part of a test, the test.
            ".".join(getattr(failing, "test_case", failing).id().split(".")[-2:]): traceback
            for failing, traceback in result.errors + result.failures
        }
        left = [(case, test) for case, test in left if f"{case.__name__}.{test}" in failed]
        if not left or len(left) < len(failed):
            break  # All have passed; or something besides the tests has failed.
    print("\n" + json.dumps([number, failed]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
