"""What hurts in multiprocessing, as small programs: what they do there, and what on pumasi.

Each pain is named by its number in the list that pumasi began with. Under a watchdog: where the
standard library hangs, the program gives up by itself.
"""

import os
import sys
from pathlib import Path

import pytest

from programs import run_program

PROGRAMS = Path(__file__).parent / "programs"

#: What each program prints on multiprocessing, where it still hurts and can be shown every time,
#: and what on pumasi.
OUTCOMES: dict[str, tuple[str | None, str]] = {
    "p01_killed_while_idle": (None, "then: [1, 2]"),
    "p01_killed_while_working": (
        "the task: TimeoutError and the next one: 3",
        "the task: WorkerDied and the next one: 3",
    ),
    "p02_killed_holder": (
        "acquired: False and told: []",
        "acquired: True and told: ['OwnerDiedWarning']",
    ),
    "p03_exception_does_not_unpickle": (
        "raised: TimeoutError which tells of it: False",
        "raised: TaskFailed which tells of it: True",
    ),
    "p04_fork_with_threads": (None, "children ended with [0] and 1"),
    "p05_closure_under_forkserver": ("refused: True", "done: [3, 6]"),
    "p06_slow_start": (
        "imports: 1 and told how long: False",
        "imports: 1 and told how long: True",
    ),
    "p07_nested_change": ("seen: []", "seen: ['from the child']"),
    "p08_manager_without_server": ("[1, 2] with 1 process more", "[1, 2] with 0 process more"),
    "p09_lost_update": ("counted: 1", "counted: 2"),
    "p10_early_unlink": (
        "still there: False and complains of leaks: True",
        "still there: True and complains of leaks: False",
    ),
    "p11_leak_warnings": ("complains of leaks: True", "complains of leaks: False"),
    "p12_small_dev_shm": (
        "files: True",
        "files: False too large: MemoryError then: 1.5 [2.5]",
    ),
    "p13_view_outlives_its_array": (
        None,
        "still there: [2.0, 3.0, 4.0] and nobody else's: [9.0, 9.0, 9.0]",
    ),
    "p14_shareable_list": ("bytes: b'ab'\nletters: 4", "bytes: b'ab\\x00'\nletters: 7"),
    "p15_copy_on_write": ("copied more than 4 MB: True", "copied more than 4 MB: False"),
    "p16_large_results": (
        "right: True and in shared memory: False",
        "right: True and in shared memory: True",
    ),
    "p17_imap_of_endless_input": (
        "10 results, and more than 1000 items read: True",
        "10 results, and more than 1000 items read: False",
    ),
    "p18_notebook_cells": ("ends: False and found:", "ends: True and found: [3, 6]"),
    "p19_no_main_guard": (None, "ends by itself: True and says what is missing: True"),
    "p20_ctrl_c": (
        "interrupted and tracebacks of workers: True",
        "interrupted and tracebacks of workers: False",
    ),
    "p21_parent_killed": (
        "workers: 2 and some stay: True",
        "workers: 2 and some stay: False",
    ),
    "p22_one_stuck_task": (
        "stuck: TimeoutError and behind it: TimeoutError",
        "stuck: TaskTimeout and behind it: 3",
    ),
    "p23_queue_join": (
        "ended: False and waiting: 0 of size: 1000000",
        "ended: True and waiting: 1 of size: 1000000",
    ),
    "p24_too_many_threads": ("told of their share: False", "told of their share: True"),
    "p25_progress": ("no bar", "bar: 100/100 with 0 processes more"),
}


#: What a program needs besides.
NEEDS = {
    "p05_closure_under_forkserver": "cloudpickle",
    "p16_large_results": "numpy",
    "p18_notebook_cells": "cloudpickle",
}


def output_of(name: str, package: str) -> str:
    """Run a program on a package; return what it printed."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    environment = {k: v for k, v in os.environ.items() if k != "PUMASI_HEAP"}
    done = run_program([sys.executable, str(PROGRAMS / f"{name}.py"), package], env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_every_program_has_its_outcome() -> None:
    assert {path.stem for path in PROGRAMS.glob("p*.py")} == set(OUTCOMES)
    # All 25 concern one machine.
    assert {int(name[1:3]) for name in OUTCOMES} == set(range(1, 26))


@pytest.mark.parametrize("name", [name for name, (theirs, _) in OUTCOMES.items() if theirs])
def test_on_multiprocessing(name: str) -> None:
    assert output_of(name, "multiprocessing") == OUTCOMES[name][0]


@pytest.mark.parametrize("name", OUTCOMES)
def test_on_pumasi(name: str) -> None:
    assert output_of(name, "pumasi") == OUTCOMES[name][1]
