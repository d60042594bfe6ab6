"""What the pool has beyond multiprocessing's: limits, insights, resizing, a worker's state."""

import io
import os
import re
import signal
import sys
import threading
import time
import types

import pytest

import pumasi as mp
from pumasi._pool import cpus, progress, threads
from pumasi.pool import worker_id, worker_state


@pytest.fixture
def fork():
    return mp.get_context("fork")


@pytest.fixture(params=("fork", "forkserver"))
def either(request):
    return mp.get_context(request.param)


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def square(x):
    return x * x


def meet(there):
    """One task for each worker: nobody goes on before all of `expected` have come."""
    came, expected = there
    came.append(0)
    wait_until(lambda: len(came) >= expected)
    return os.getpid(), worker_id()


def meeting(workers):
    return [(mp.List(), workers)] * workers


# ---- workers of one's own ----------------------------------------------------------------------


def count_in_state(_):
    state = worker_state()
    state["calls"] = state.get("calls", state.pop("begun", 0)) + 1
    return worker_id(), state["calls"]


def begin_at(number):
    worker_state()["begun"] = number


def calls_counted():
    state = worker_state()
    return worker_id(), state["calls"] if "calls" in state else state["begun"]


def test_workers_have_ids_and_a_state_of_their_own(either):
    with either.Pool(3) as pool:
        first = pool.map(meet, meeting(3), chunksize=1)
        assert sorted(id_ for _, id_ in first) == [0, 1, 2]
        pid = next(pid for pid, id_ in first if id_ == 1)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pool.apply(square, (2,)) and pid not in {w.pid for w in pool._pool})
        second = dict(pool.map(meet, meeting(3), chunksize=1))
        assert sorted(second.values()) == [0, 1, 2]
        assert {pid: id_ for pid, id_ in first if id_ != 1}.items() < second.items()
    with pytest.raises(RuntimeError, match="no worker"):
        worker_id()


def test_exit_functions_give_what_workers_have_gathered(either):
    pool = either.Pool(2, begin_at, (100,), worker_exit=calls_counted)
    results = pool.map(count_in_state, range(30), chunksize=1)
    assert pool.get_exit_results() == []
    pool.close()
    pool.join()
    expected = {0: 100, 1: 100}
    for id_, calls in results:
        expected[id_] = max(calls, expected[id_])
    assert sum(expected.values()) == 230
    assert dict(pool.get_exit_results()) == expected
    assert dict(pool.get_exit_results()) == expected


def unpicklable():
    return threading.Lock()


def test_exit_functions_that_fail_say_so(fork):
    for function, kind in ((calls_counted, KeyError), (unpicklable, mp.pool.MaybeEncodingError)):
        pool = fork.Pool(1, worker_exit=function)
        pool.map(square, range(10))
        pool.close()
        pool.join()
        with pytest.raises(kind):
            pool.get_exit_results()


def test_exit_results_of_replaced_workers(fork):
    pool = fork.Pool(1, begin_at, (0,), maxtasksperchild=2, worker_exit=calls_counted)
    pool.map(count_in_state, range(6), chunksize=1)
    pool.close()
    pool.join()
    assert pool.get_exit_results()[:3] == [(0, 2)] * 3


# ---- another number of workers -----------------------------------------------------------------


def test_resize(either):
    with either.Pool(1) as pool:
        pool.resize(3)
        assert len(set(pool.map(meet, meeting(3), chunksize=1))) == 3
        pending = pool.map_async(square, range(500), chunksize=1)
        pool.resize(1)
        assert pending.get(60) == [x * x for x in range(500)]
        wait_until(lambda: pool.apply(square, (3,)) == 9 and len(pool._pool) == 1)
        pool.resize(2)
        assert len(set(pool.map(meet, meeting(2), chunksize=1))) == 2
        for bad in (0, 100_000):
            with pytest.raises(ValueError, match="processes"):
                pool.resize(bad)
    with pytest.raises(ValueError, match="not running"):
        pool.resize(2)


# ---- insights ----------------------------------------------------------------------------------


def doze(seconds, note="nothing"):
    time.sleep(seconds)


def test_insights(either):
    with either.Pool(2, insights=True, maxtasksperchild=5) as pool:
        # So few that all of them are kept: on a busy machine any of them may be the slowest.
        pool.map(square, range(3), chunksize=1)
        pool.apply(doze, (0.2,), {"note": "long"})
        pool.starmap(doze, [(0.1,)])
        # A worker counts its task when it has given the result.
        wait_until(lambda: pool.insights()["finished"] == 5)
        found = pool.insights()
        assert found["outstanding"] == 0
        slowest = found["slowest"]
        assert slowest == sorted(slowest, reverse=True)
        took = {text: seconds for seconds, text in slowest}
        [long] = [text for text in took if "doze" in text and "long" in text]
        [short] = [text for text in took if "doze" in text and "long" not in text]
        assert took[long] >= 0.2
        assert took[short] >= 0.1
        assert sum("square" in text for _, text in slowest) == 3
        assert {w["id"] for w in found["workers"]} <= {0, 1}
        working = found["ended"]["working"] + sum(w["working"] for w in found["workers"])
        assert working >= 0.3
        assert all(w["state"] in ("starting", "working", "waiting") for w in found["workers"])
        pool.map(square, range(30), chunksize=1)
        wait_until(lambda: pool.insights()["ended"]["workers"] >= 3)
        wait_until(lambda: pool.insights()["finished"] == 35)
        found = pool.insights()
        # What an ended worker noted is still known.
        assert found["slowest"][0] >= slowest[0]
        assert found["ended"]["starting"] > 0


def test_insights_without_notes(fork, tmp_path):
    path = str(tmp_path / "go")
    with fork.Pool(1) as pool:
        pending = pool.apply_async(wait_for_file, (path,))
        wait_until(lambda: pool.insights()["workers"][0]["state"] == "working")
        found = pool.insights()
        assert found["outstanding"] == 1
        assert found["slowest"] == []
        open(path, "w").close()
        pending.get(60)


def wait_for_file(path):
    while not os.path.exists(path):
        time.sleep(0.01)


# ---- progress ----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)


@pytest.fixture
def without_any(without_tqdm, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.progress", None)


def test_progress_without_tqdm(fork, without_any, capsys):
    def said(line):
        # What takes long says in between how far it is.
        return re.fullmatch(rf"([0-9]+(/[0-9]+)? in [0-9.]+ s\n)*{line}", capsys.readouterr().err)

    with fork.Pool(2) as pool:
        assert pool.map(square, range(100), progress=True) == [x * x for x in range(100)]
        assert said(r"100/100 in [0-9.]+ s\n")
        screen = Terminal()
        found = pool.starmap(pow, [(2, 3)] * 10, progress={"desc": "powers", "file": screen})
        assert found == [8] * 10
        assert re.search(r"\rpowers: 10/10 in [0-9.]+ s\n$", screen.getvalue())
        assert list(pool.imap(square, iter(range(9)), progress=True)) == [x * x for x in range(9)]
        assert said(r"9 in [0-9.]+ s\n")
        assert len(list(pool.imap_unordered(square, [1] * 30, 7, progress=True))) == 30
        assert said(r"30/30 in [0-9.]+ s\n")
        with pytest.raises(ZeroDivisionError):
            pool.map(divide, [1, 0, 2], progress=True)
        assert pool.map(square, [], progress=True) == []


def divide(x):
    return 1 / x


class Bar:
    """What tqdm is called with, and told."""

    def __init__(self, **options):
        self.options = options
        self.n = 0
        self.closed = False
        Bar.made = self

    def update(self, n):
        self.n += n

    def close(self):
        self.closed = True


def test_progress_is_shown_by_tqdm_where_it_is_installed(fork, monkeypatch):
    package, auto = types.ModuleType("tqdm"), types.ModuleType("tqdm.auto")
    auto.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", package)
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    with fork.Pool(2) as pool:
        for chunksize in (1, 7, None):
            pool.map(square, range(100), chunksize, progress={"desc": "squares"})
            assert Bar.made.options == {"desc": "squares", "total": 100}
            assert (Bar.made.n, Bar.made.closed) == (100, True)


def test_the_bar_of_tqdm(fork):
    pytest.importorskip("tqdm")
    screen = Terminal()
    with fork.Pool(2) as pool:
        options = {"desc": "squares", "file": screen}
        assert pool.map(square, range(100), progress=options) == [x * x for x in range(100)]
        assert list(pool.imap(square, iter([1, 2]), progress={"file": screen})) == [1, 4]
    assert re.search(r"\rsquares: 100%\|.*\| 100/100 \[", screen.getvalue())
    assert re.search(r"\r2it \[", screen.getvalue())


def test_the_bar_of_rich(fork, without_tqdm):
    pytest.importorskip("rich")
    screen = Terminal()
    with fork.Pool(2) as pool:
        options = {"desc": "squares", "file": screen}
        assert pool.map(square, range(100), progress=options) == [x * x for x in range(100)]
        assert list(pool.imap(square, iter([1, 2]), progress={"file": screen})) == [1, 4]
        # The one that has read the input of the imap may be about to end.
        threads = set(threading.enumerate())
        bar = progress.bar_for({"file": screen}, 3)
        assert set(threading.enumerate()) <= threads
        bar.update(1)
        bar.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert re.search(r"squares .*100%.* 100/100", shown)
    assert " 2/?" in shown
    assert " 1/3" in shown


def test_a_bar_on_a_terminal_moves(without_any):
    screen = Terminal()
    bar = progress.bar_for({"file": screen}, 3)
    for _ in range(3):
        wait_until(lambda: time.monotonic() - bar._shown >= progress.EVERY)
        bar.update(1)
    bar.close()
    assert re.findall(r"\r(\d)/3", screen.getvalue()) == ["1", "2", "3", "3"]


# ---- limits ------------------------------------------------------------------------------------


def take_memory(size):
    return len(bytearray(size))


def test_a_task_that_wants_too_much_memory_fails_alone(either):
    with either.Pool(1, memory_limit=100 << 20) as pool:
        before = pool.apply(os.getpid)
        assert pool.apply(take_memory, (50 << 20,)) == 50 << 20
        assert pool.apply(os.getpid) == before
        with pytest.raises(MemoryError, match="104857600 bytes"):
            pool.apply(take_memory, (400 << 20,))
        # Another worker, and it is bounded as well.
        assert pool.apply(os.getpid) != before
        with pytest.raises(MemoryError, match="104857600 bytes"):
            pool.map(take_memory, [1000, 400 << 20], chunksize=1)


def thread_settings(_=None):
    return {name: os.environ.get(name) for name in threads.VARIABLES}


def test_numeric_libraries_share_the_cpus(either, monkeypatch):
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    each = str(max(1, cpus.available_cpus() // 2))
    with either.Pool(2) as pool:
        assert set(pool.apply(thread_settings).values()) == {each}
    with either.Pool(2, threads=7) as pool:
        assert set(pool.apply(thread_settings).values()) == {"7"}
    assert not any(name in os.environ for name in threads.VARIABLES)


def test_what_a_user_has_set_wins(fork, monkeypatch):
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    alone = dict.fromkeys(threads.VARIABLES) | {"OMP_NUM_THREADS": "3"}
    with fork.Pool(2) as pool:
        assert pool.apply(thread_settings) == alone
    with fork.Pool(2, threads=5) as pool:
        assert set(pool.apply(thread_settings).values()) == {"5"}


def test_a_library_that_is_loaded_already_is_told(fork, monkeypatch):
    np = pytest.importorskip("numpy")
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert np.ones(3).sum() == 3
    libraries = [path for path in threads._files() if "openblas" in os.path.basename(path)]
    if not libraries:
        pytest.skip("this NumPy has another BLAS")
    with fork.Pool(1, threads=1) as pool:
        assert pool.apply(openblas_threads, (libraries[0],)) == 1
    with fork.Pool(1, threads=2) as pool:
        assert pool.apply(openblas_threads, (libraries[0],)) == 2


def test_to_tell_a_library_starts_no_threads(fork, monkeypatch):
    np = pytest.importorskip("numpy")
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    large = np.ones((300, 300))
    assert (large @ large)[0, 0] == 300
    if not any(tell.__name__ == "set_quietly" for tell in threads.loaded()):
        pytest.skip("this NumPy has no OpenBLAS with threads of its own")
    with fork.Pool(1, threads=1) as pool:
        assert pool.apply(own_threads) == 1
        # Nor does what one thread does alone.
        assert pool.apply(multiplied, (large,)) == (300, 1)
        libraries = [path for path in threads._files() if "openblas" in os.path.basename(path)]
        assert pool.apply(openblas_threads, (libraries[0],)) == 1
    # Here everything is as it was.
    assert (large @ large)[0, 0] == 300


def own_threads():
    return len(os.listdir("/proc/self/task"))


def multiplied(matrix):
    return (matrix @ matrix)[0, 0], own_threads()


def openblas_threads(path):
    import ctypes

    library = ctypes.CDLL(path)
    for prefix in ("", "scipy_"):
        for suffix in ("", "64_"):
            function = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
            if function is not None:
                return function()
    return None


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "100000 100000"}, 1),
        ("0::/a\n", {"a/cpu.max": "max 100000"}, None),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/gone\n", {}, None),
        ("nonsense", {}, None),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "300000", "cpu,cpuacct/x/cpu.cfs_period_us": "1000"},
            300,
        ),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "1000"},
            None,
        ),
    ],
)
def test_the_quota_of_a_control_group(tmp_path, groups, files, expected):
    listing = tmp_path / "groups"
    listing.write_text(groups)
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert cpus.quota(str(listing), str(tmp_path / "root")) == expected


def test_cpu_count_is_no_more_than_the_quota(monkeypatch):
    monkeypatch.setattr(cpus, "quota", lambda: 1)
    assert mp.cpu_count() == mp.get_context("spawn").cpu_count() == 1
    assert cpus.available_cpus() == 1
    monkeypatch.setattr(cpus, "quota", lambda: None)
    assert mp.cpu_count() == os.cpu_count()
    assert cpus.available_cpus() == len(os.sched_getaffinity(0))


def may_run_on(number):
    end = time.thread_time() + 0.003
    while time.thread_time() < end:
        pass
    return os.sched_getaffinity(0)


def pin(cpu):
    os.sched_setaffinity(0, {cpu})


def test_workers_may_run_where_they_could_after_they_were_spread(fork):
    allowed = os.sched_getaffinity(0)
    with fork.Pool(3) as pool:
        for _ in range(20):
            assert pool.map(may_run_on, range(4), 1) == [allowed] * 4
            time.sleep(0.005)  # they sleep, and are woken together
    cpu = min(allowed)
    with fork.Pool(3, pin, (cpu,)) as pool:
        for _ in range(10):
            assert pool.map(may_run_on, range(4), 1) == [{cpu}] * 4
            time.sleep(0.005)


def test_bad_arguments(fork):
    for bad in ({"memory_limit": 0}, {"threads": -1}):
        with pytest.raises(ValueError, match="positive"):
            fork.Pool(1, **bad)
    with pytest.raises(TypeError, match="worker_exit"):
        fork.Pool(1, worker_exit=3)
