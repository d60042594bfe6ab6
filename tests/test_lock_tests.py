"""CPython's own tests of locks, events, conditions and barriers (`test.lock_tests`), run on ours.

They are threading's, and between the threads of one process; where multiprocessing's types, whose
place ours take, promise something else the test is named here.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from programs import run_program

#: What multiprocessing's types have otherwise than threading's, and why.
DIFFERENT = {
    "Lock": {
        "test_at_fork_reinit": "a private hook of threading",
        "test_locked_repr": "the repr is multiprocessing's",
        "test_repr": "the repr is multiprocessing's",
        "test_state_after_timeout": "the argument is called block",
        "test_timeout": "a negative timeout is zero",
    },
    "RLock": {
        "test__is_owned": "a private method of threading",
        "test_at_fork_reinit": "a private hook of threading",
        "test_different_thread": "AssertionError and not RuntimeError",
        "test_locked_repr": "the repr is multiprocessing's",
        "test_recursion_count": "a private method of threading",
        "test_release_save_unacquired": "a private method of threading",
        "test_release_unacquired": "AssertionError and not RuntimeError",
        "test_repr": "the repr is multiprocessing's",
        "test_timeout": "a negative timeout is zero",
    },
    "Event": {
        "test_at_fork_reinit": "a private hook of threading",
        "test_repr": "the repr is multiprocessing's",
    },
    "Condition": {
        "test_unacquired_notify": "AssertionError and not RuntimeError",
        "test_unacquired_wait": "AssertionError and not RuntimeError",
    },
    "Barrier": {"test_repr": "the repr is multiprocessing's"},
    "Semaphore": {
        "test_acquire_timeout": "a timeout that cannot matter is ignored",
        "test_repr": "the repr is multiprocessing's",
    },
    "BoundedSemaphore": {
        "test_acquire_timeout": "a timeout that cannot matter is ignored",
        "test_repr": "the repr is multiprocessing's",
    },
}


@pytest.fixture(scope="module")
def results() -> Any:
    """How many tests there were for each type, and what did not pass."""
    if importlib.util.find_spec("test.lock_tests") is None:
        pytest.skip("this Python was installed without its own tests")
    suites = Path(__file__).parent / "lock_suites.py"
    done = run_program([sys.executable, str(suites), *DIFFERENT], timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", DIFFERENT)
def test_as_threading_does(results: Any, name: str) -> None:
    number, failed = results[name]
    assert number >= 5
    unexpected = {test: text for test, text in failed.items() if test not in DIFFERENT[name]}
    assert not unexpected, "\n".join(unexpected.values())
