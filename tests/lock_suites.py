"""Run CPython's `test.lock_tests` on pumasi's types and print what did not pass, as JSON.

A program of its own, because those tests wait for every thread which they did not start, such as
pytest's, to end.
"""

import functools
import gc
import json
import sys
import unittest
from typing import Any

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

#: These tests take it that a thread has got somewhere after some hundredths of a second, which on a
#: busy machine it has not always. What fails does so as often as this, one time after the other.
TRIES = 3


def assert_timeout(_: Any, actual: float, expected: float) -> None:
    """A wait with a timeout lasts as long; on a busy machine it may last much longer."""
    assert actual >= expected * 0.6


def patient_barrier(self: Any) -> None:
    """Make the barrier of a test with a minute's patience, where CPython has two seconds."""
    self.barrier = self.barriertype(self.N, timeout=60)


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
    patience: dict[str, Any] = {"assertTimeout": assert_timeout}
    if name == "Barrier":
        patience["setUp"] = patient_barrier
    case = type(name, (tests,), {attribute: ours, **patience})
    names = [
        each for each in unittest.defaultTestLoader.getTestCaseNames(case) if each not in HANGS
    ]
    failed = dict.fromkeys(names, "")
    for _ in range(TRIES):
        result = Result()
        unittest.TestSuite(case(each) for each in failed).run(result)
        failed = {
            getattr(failing, "test_case", failing)._testMethodName: traceback
            for failing, traceback in result.errors + result.failures
            if isinstance(failing, unittest.TestCase)
        }
    return len(names), failed


if __name__ == "__main__":
    print(json.dumps({name: run(name) for name in sys.argv[1:]}))
