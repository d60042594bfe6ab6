"""What hurts in multiprocessing, as small programs: what they do there, and what on pumasi.

Each pain is named by its number in the list that pumasi began with. Under a watchdog: where the
standard library hangs, the program gives up by itself.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    "p16_large_results": (
        "right: True and in shared memory: False",
        "right: True and in shared memory: True",
    ),
    "p19_no_main_guard": (None, "ends by itself: True and says what is missing: True"),
    "p22_one_stuck_task": (
        "stuck: TimeoutError and behind it: TimeoutError",
        "stuck: TaskTimeout and behind it: 3",
    ),
    "p23_queue_join": (
        "ended: False and waiting: 0 of size: 1000000",
        "ended: True and waiting: 1 of size: 1000000",
    ),
}


WITH_NUMPY = {"p16_large_results"}


def output_of(name: str, package: str) -> str:
    """Run a program on a package; return what it printed."""
    if name in WITH_NUMPY:
        pytest.importorskip("numpy")
    environment = {k: v for k, v in os.environ.items() if k != "PUMASI_HEAP"}
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / f"{name}.py"), package],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_every_program_has_its_outcome() -> None:
    assert {path.stem for path in PROGRAMS.glob("p*.py")} == set(OUTCOMES)


@pytest.mark.parametrize("name", [name for name, (theirs, _) in OUTCOMES.items() if theirs])
def test_on_multiprocessing(name: str) -> None:
    assert output_of(name, "multiprocessing") == OUTCOMES[name][0]


@pytest.mark.parametrize("name", OUTCOMES)
def test_on_pumasi(name: str) -> None:
    assert output_of(name, "pumasi") == OUTCOMES[name][1]
