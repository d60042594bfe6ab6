"""Which of CPython's own tests pumasi is not expected to pass, and why.

docs/conformance.md is written from it.

A test which fails and is not listed here fails the run. At most 12 names for each start method in
the end; each of the kind "changed" names a test of ours for the better promise.
"""

from dataclasses import dataclass

METHODS = ("fork", "spawn", "forkserver")
VERSIONS = ("3.10", "3.11", "3.12", "3.13")

#: What the kinds mean, in the order of the document.
KINDS = {
    "private": "It looks at private parts of the standard library, which pumasi does without.",
    "changed": "pumasi deliberately promises something else.",
    "not yet": "pumasi's part in it is still to be built.",
}


@dataclass(frozen=True)
class Expected:
    """A test of CPython which is expected not to pass."""

    name: str
    kind: str
    reason: str
    #: Our own test of what pumasi promises instead, where it promises something.
    ours: str = ""
    methods: tuple[str, ...] = METHODS
    versions: tuple[str, ...] = VERSIONS


EXPECTED = (
    Expected(
        "TestResourceTracker.test_resource_tracker",
        "private",
        "Kills a program and expects the resource tracker to report and remove the named POSIX "
        "semaphore behind `Lock()._semlock.name`. A lock of pumasi is a few words in anonymous "
        "memory: it has no name, and nothing can leak.",
        ours="tests/test_surface.py::test_synchronization_leaves_no_names",
    ),
    Expected(
        "TestResourceTracker.test_resource_tracker_sigkill",
        "private",
        "Kills the resource tracker and expects the next semaphore to start it again, with a "
        "warning. A semaphore of pumasi does not need the tracker.",
        ours="tests/test_surface.py::test_synchronization_leaves_no_names",
    ),
    Expected(
        "_TestImportStar.test_import",
        "private",
        "Looks for the file of the private module `popen_spawn_win32` in the package's directory.",
        ours="tests/test_surface.py::test_submodules_say_what_is_public",
    ),
    Expected(
        "WithProcessesTestQueue.test_queue_feeder_donot_stop_onexc",
        "changed",
        "Puts what cannot be pickled, and expects `put` to say nothing. A queue of pumasi raises "
        "the error at `put`, in the caller; a subclass which overrides `_on_queue_feeder_error` is "
        "told by that method instead.",
        ours="tests/test_queues.py::test_what_cannot_be_pickled_is_refused_in_the_caller",
    ),
    Expected(
        "TestStartMethod.test_mixed_startmethod",
        "changed",
        "Sends a queue of the context `fork` to a spawned process, and expects an error, because "
        "its locks have no name there. A queue or a lock of pumasi needs no name, and works.",
        ours="tests/test_surface.py::test_what_one_start_method_made_serves_another",
        methods=("spawn",),
    ),
)


NO_SHUTDOWN = "multiprocessing's queues have no `shutdown`; a manager's have it, and pass."

#: `test_queue.BaseQueueTestMixin` on Queue, LifoQueue and PriorityQueue.
IN_QUEUES = {
    "test_negative_timeout_raises_exception": "multiprocessing takes a negative timeout for zero.",
    "test_shrinking_queue": "The bound is fixed: `maxsize` cannot be assigned.",
    "test_shutdown...": NO_SHUTDOWN,
}

#: The process part of `test_concurrent_futures` on pumasi's executor.
IN_EXECUTORS = {
    "test_cancel_futures": "Wants one of fifty calls to have begun when all that have not are "
    "cancelled at once. Ours: `tests/test_executor.py::test_shutdown_cancels_what_has_not_begun`.",
    "test_killed_child": "A killed worker fails the call it was at, if any, and the executor goes "
    "on. Ours: `tests/test_executor.py::test_a_death_breaks_one_call_only`.",
    "test_initializer": "Looks at the private `_broken`: where no worker comes up each call fails. "
    "(Of FailingInitializerTest.)",
    "test_max_tasks_per_child": "Wants it refused under fork, where it works here. Ours: "
    "`tests/test_executor.py::test_workers_are_replaced_under_fork`.",
    "test_max_tasks_per_child_defaults_to_spawn_context": "The default start method stays.",
    "test_error_at_task_unpickle": "The call gets the error, and the executor goes on.",
    "test_error_during_result_unpickle_in_result_handler": "The same.",
    "test_exit_at_task_unpickle": "The same.",
    "test_exit_during_result_unpickle_in_result_handler": "The same.",
    "test_exit_during_result_pickle_on_worker": "The worker ends, and its call alone is told.",
    "test_shutdown_deadlock_pickle": "Waits for the private `_executor_manager_thread`.",
    "test_python_finalization_error": "Replaces private parts of the standard library's executor.",
    "test_hang_gh83386": "Is left out for the standard library's executor, under whose name it "
    "looks; its program lacks an import.",
}


INTRODUCTION = """\
# CPython's own tests

<!-- Written from tests/cpython/exceptions.py by: python tests/cpython/conformance.py doc -->

CPython tests `multiprocessing` with `Lib/test/_test_multiprocessing.py`. `make conformance` runs
that file on pumasi: read from the installed interpreter (nothing of it is copied into this
repository), with the word `multiprocessing` replaced by `pumasi` while it is loaded, for each
start method and on each supported Python which the machine has. Each test class runs in a process
of its own under a watchdog, so that a test which hangs is one result; a class with a failure runs
again on its own, at most twice. The table which it prints shows the standard library's own result
on the same machine beside pumasi's. `make test` runs the part for `fork`, and fails when a test
fails which is not listed here.

Two things are left alone: the private module `multiprocessing.heap` stays itself, so that the tests
of it judge nothing of ours, and the sentence of a warning which tests look for.
`multiprocessing.dummy` and `ThreadPool`, which are about threads, are the standard library's own in
pumasi, too.

## What is expected not to pass
"""


def reason(name: str, version: str, method: str) -> str | None:
    """Return why a test is expected not to pass, or None."""
    for expected in EXPECTED:
        if expected.name == name and version in expected.versions and method in expected.methods:
            return expected.reason
    return None


def document() -> str:
    """Return the text of docs/conformance.md."""
    lines = [INTRODUCTION]
    for kind, meaning in KINDS.items():
        entries = [expected for expected in EXPECTED if expected.kind == kind]
        if not entries:
            continue
        lines += [f"### {kind[0].upper()}{kind[1:]}", "", meaning, ""]
        for expected in entries:
            where = []
            if expected.methods != METHODS:
                where.append(", ".join(expected.methods))
            if expected.versions != VERSIONS:
                where.append("Python " + ", ".join(expected.versions))
            only = f" ({'; '.join(where)})" if where else ""
            line = f"- `{expected.name}`{only}: {expected.reason}"
            if expected.ours:
                line += f" Ours: `{expected.ours}`."
            lines.append(line)
        lines.append("")
    counts = [
        max(sum(m in e.methods and v in e.versions for e in EXPECTED) for v in VERSIONS)
        for m in METHODS
    ]
    lines += [
        f"At most {max(counts)} for one start method and version.",
        "",
        "## Queues",
        "",
        "`Lib/test/test_queue.py` tests the queues of threads. Its `BaseQueueTestMixin` runs on "
        "JoinableQueue, LifoQueue and PriorityQueue, and on a manager's Queue "
        "(`tests/test_judges.py`). A manager's leaves out `test_shrinking_queue`; the others:",
        "",
        *(f"- `{name}`: {why}" for name, why in IN_QUEUES.items()),
        "",
        "## Executors",
        "",
        "The process part of `Lib/test/test_concurrent_futures` runs on the standard library's "
        "executor with pumasi's context as its `mp_context`, where all of it passes (`make test` "
        "leaves out `test_shutdown_deadlock_pickle`, in which that executor hangs now and then on "
        "its own context, too), and on `pumasi.ProcessPoolExecutor` "
        "(`tests/test_executor_judge.py`, `tests/futures_suites.py`), for each start method. "
        "Not expected to pass there:",
        "",
        *(f"- `{name}`: {why}" for name, why in IN_EXECUTORS.items()),
        "",
    ]
    return "\n".join(lines)
