"""Run CPython's `test.lock_tests` on pumasi's types and print what did not pass, as JSON.

A program of its own, because those tests wait for every thread which they did not start, such as
pytest's, to end.
"""

import functools
import gc
import json
import sys
import unittest

from test import lock_tests  # type: ignore[attr-defined]

import pumasi

SUITES = {
    "Lock": (lock_tests.LockTests, "locktype"),
    "RLock": (lock_tests.RLockTests, "locktype"),
    "Event": (lock_tests.EventTests, "eventtype"),
    "Condition": (lock_tests.ConditionTests, "condtype"),
    "Barrier": (lock_tests.BarrierTests, "barriertype"),
    "Semaphore": (lock_tests.SemaphoreTests, "semtype"),
    "BoundedSemaphore": (lock_tests.BoundedSemaphoreTests, "semtype"),
}


#: It gives several permits at once, which multiprocessing's semaphores cannot, and then waits for
#: half a minute.
HANGS = {"test_multirelease"}


class Result(unittest.TestResult):
    """Clears up after each test.

    Where a test fails half way, its generator which waits for threads to end is left over; a later
    thread that happened to free it would wait for itself.
    """

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        gc.collect()


def run(name: str) -> tuple[int, dict[str, str]]:
    """Run the suite of one type: how many tests there were, and the tracebacks of failed ones."""
    tests, attribute = SUITES[name]
    ours = staticmethod(functools.partial(getattr(pumasi, name)))
    case = type(name, (tests,), {attribute: ours})
    names = unittest.defaultTestLoader.getTestCaseNames(case)
    suite = unittest.TestSuite(case(each) for each in names if each not in HANGS)
    result = Result()
    suite.run(result)
    failed = {
        failing._testMethodName: traceback
        for failing, traceback in result.errors + result.failures
        if isinstance(failing, unittest.TestCase)
    }
    return result.testsRun, failed


if __name__ == "__main__":
    print(json.dumps({name: run(name) for name in sys.argv[1:]}))
