"""Who shares the heap: every way to start a process, and every way to end one."""

import ctypes
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import helpers
import pumasi
from programs import run_program
from pumasi import Dict, List


def environment(**changes: str | None) -> dict[str, str]:
    """The environment of a child, with changes; None takes a variable out."""
    changed = dict(os.environ)
    for name, value in changes.items():
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = value
    return changed


def in_python(program: str, *args: str, **changes: str | None) -> str:
    """Run a program in a fresh interpreter; return what it printed."""
    done = run_program([sys.executable, "-c", program, *args], env=environment(**changes))
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- ways to start -------------------------------------------------------------------------


def test_a_bare_fork_shares_the_heap() -> None:
    shared = List([1])
    pid = os.fork()
    if pid == 0:
        shared.append(os.getpid())
        shared.append(["made in the child"])
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert shared == [1, pid, ["made in the child"]]


def test_a_fork_from_c_shares_the_heap() -> None:
    shared = List([1])
    # A library which forks knows nothing of the interpreter, and keeps its lock meanwhile.
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        shared.append("child")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert shared == [1, "child"]


def test_a_child_of_a_child(ctx: Any, run: Callable[..., None]) -> None:
    shared: List[Any] = List()
    run(ctx, grandchild, shared, ctx.get_start_method())
    assert shared == ["grandchild", "child"]


def grandchild(shared: List[Any], method: str) -> None:
    child = pumasi.get_context(method).Process(target=shared.append, args=("grandchild",))
    child.start()
    child.join()
    shared.append("child")


READ = """
import pickle, sys
shared = pickle.loads(bytes.fromhex(sys.argv[1]))
shared.append("subprocess")
shared[0].append(type(shared).__name__)
print(shared)
"""


@pytest.mark.parametrize("announced", [True, False])
def test_a_subprocess_unpickles_a_container(announced: bool) -> None:
    shared = List([[1]])
    pickled = pickle.dumps(shared).hex()
    changes: dict[str, str | None] = {} if announced else {"PUMASI_HEAP": None}
    assert in_python(READ, pickled, **changes) == "[[1, 'List'], 'subprocess']\n"
    assert shared == [[1, "List"], "subprocess"]


def test_a_container_of_another_heap_is_not_linked() -> None:
    program = """
import pickle, sys, pumasi
other = pickle.loads(bytes.fromhex(sys.argv[1]))
mine = pumasi.List()
for store in (lambda: mine.append(other), lambda: other.append(mine)):
    try:
        store()
    except pumasi.WrongHeap as error:
        print("to_plain" in str(error))
other.append(mine.to_plain())
"""
    shared: List[Any] = List()
    pickled = pickle.dumps(shared).hex()
    assert in_python(program, pickled, PUMASI_HEAP=None) == "True\nTrue\n"
    assert shared == [[]]


def test_a_standard_process_with_our_objects(run: Callable[..., None]) -> None:
    import multiprocessing

    for method in helpers.METHODS:
        ctx = multiprocessing.get_context(method)
        shared, lock, value = List(), pumasi.Lock(), pumasi.Value("i")
        run(ctx, use, shared, lock, value)
        assert shared == [method]
        assert value.value == 1


def use(shared: List[Any], lock: Any, value: Any) -> None:
    import multiprocessing

    with lock:
        shared.append(multiprocessing.get_start_method())
        value.add(1)


def test_our_process_with_standard_objects(ctx: Any) -> None:
    import multiprocessing

    inner = multiprocessing.get_context(ctx.get_start_method())
    queue, lock, value = inner.SimpleQueue(), inner.Lock(), inner.Value("i", 5)
    child = ctx.Process(target=answer, args=(queue, lock, value))
    child.start()
    assert queue.get() == 5
    child.join()
    queue.close()


def answer(queue: Any, lock: Any, value: Any) -> None:
    with lock:
        queue.put(value.value)


def test_queues_of_the_standard_library_on_our_contexts(ctx: Any) -> None:
    """As executors and joblib make them, which pickle them while our Process starts."""
    from multiprocessing import queues

    for queue in (queues.SimpleQueue(ctx=ctx), queues.Queue(ctx=ctx)):
        child = ctx.Process(target=answer, args=(queue, ctx.Lock(), ctx.Value("i", 6)))
        child.start()
        assert queue.get() == 6
        child.join()
        assert child.exitcode == 0
        queue.close()


def test_containers_travel_through_queues_and_pipes(ctx: Any) -> None:
    queue, answers = ctx.SimpleQueue(), List()
    child = ctx.Process(target=relay, args=(queue,))
    child.start()
    queue.put(answers)
    child.join()
    assert answers == ["relayed"]
    queue.close()


def relay(queue: Any) -> None:
    queue.get().append("relayed")


def test_a_pool_and_an_executor(ctx: Any) -> None:
    from concurrent.futures import ProcessPoolExecutor

    shared: Dict[Any, Any] = Dict()
    with ctx.Pool(2) as pool:
        pool.starmap(shared_add, [(shared, i) for i in range(20)])
        pool.close()
        pool.join()
    with ProcessPoolExecutor(2, mp_context=ctx) as executor:
        assert all(executor.map(shared_add, [shared] * 20, range(20)))
    assert shared == dict.fromkeys(range(20), 2)


def shared_add(shared: Dict[Any, Any], key: int) -> bool:
    return shared.add(key) > 0


def test_a_server_that_was_there_before_the_heap(tmp_path: Path) -> None:
    # The fork server knows nothing of pumasi; its children find the heap by the pickle.
    program = tmp_path / "program.py"
    program.write_text("""
import multiprocessing

def work(shared):
    import pumasi
    shared.append(pumasi.List(["nested"]))

if __name__ == "__main__":
    multiprocessing.set_start_method("forkserver")
    first = multiprocessing.Process(target=print, args=("first",))
    first.start()
    first.join()
    import pumasi
    shared = pumasi.List()
    for package in (pumasi, multiprocessing):
        child = package.Process(target=work, args=(shared,))
        child.start()
        child.join()
    print(shared)
""")
    done = run_program([sys.executable, program], env=environment(PUMASI_HEAP=None))
    assert done.stdout == "first\n[['nested'], ['nested']]\n", done.stderr


# ---- what lives how long -------------------------------------------------------------------


def forget_then_use(shared: List[Any], go: Any, told: Any) -> None:
    go.wait(60)
    told.put(shared.to_plain())


@pytest.mark.parametrize("starting", ["pumasi", "multiprocessing"])
def test_what_a_starting_child_was_given_stays(ctx: Any, starting: str) -> None:
    import multiprocessing

    method = ctx.get_start_method()
    start = ctx if starting == "pumasi" else multiprocessing.get_context(method)
    shared = List(["kept"])
    go, told = ctx.Event(), ctx.SimpleQueue()
    child = start.Process(target=forget_then_use, args=(shared, go, told))
    child.start()
    del shared
    gc.collect()
    go.set()
    assert told.get() == ["kept"]
    child.join()
    child.close()
    told.close()


def test_a_pickle_keeps_nothing_alive() -> None:
    shared = List([1])
    pickled = pickle.dumps(shared)
    assert pickle.loads(pickled) == shared
    del shared
    with pytest.raises(pumasi.StaleReference):
        pickle.loads(pickled)


def test_a_heap_that_is_gone_says_so() -> None:
    pickled = in_python(
        "import pumasi, pickle; print(pickle.dumps(pumasi.List([1])).hex())", PUMASI_HEAP=None
    )
    with pytest.raises(pumasi.HeapGone, match="to_plain"):
        pickle.loads(bytes.fromhex(pickled))


def test_what_containers_hold_lives_as_long_as_they() -> None:
    shared: Dict[Any, Any] = Dict()
    before = helpers.objects()
    shared["a"] = [1, {"b": []}]
    shared["pickled"] = (1, List(["inside a tuple"]))
    assert helpers.objects() == before + 4
    assert shared["pickled"][1] == ["inside a tuple"]
    del shared["a"]
    assert shared.pop("pickled")[1] == ["inside a tuple"]
    assert helpers.objects() == before


def test_the_creator_may_end_first() -> None:
    program = """
import os, pumasi, time
creator = os.getpid()
shared = pumasi.List(["from the creator"])
if os.fork() == 0:
    while os.getppid() == creator:
        time.sleep(0.01)
    shared.append("from the child")
    other = pumasi.List([shared])
    print(other, flush=True)
    os._exit(0)
"""
    assert in_python(program) == "[['from the creator', 'from the child']]\n"


def test_the_creator_may_become_another_program() -> None:
    program = """
import os, sys, pumasi, time
shared = pumasi.List(["kept"])
lock = pumasi.Lock()
lock.acquire()
read, write = os.pipe()
if os.fork() == 0:
    os.read(read, 1)
    import warnings
    warnings.simplefilter("ignore")
    print(lock.acquire(timeout=60), shared, flush=True)
    os._exit(0)
os.set_inheritable(write, True)
os.execl("/bin/sh", "sh", "-c", f"sleep 0.2; echo x >&{write}; wait; sleep 1")
"""
    done = run_program([sys.executable, "-c", program])
    assert done.stdout == "True ['kept']\n", done.stderr


# ---- ways to end ---------------------------------------------------------------------------

ENDINGS = {
    "return": "",
    "sys.exit": "sys.exit(3)",
    "exception": "sys.stderr = None; raise RuntimeError",
    "thread": "threading.Thread(target=late, args=(lock,)).start()",
}

ENDING = """
import os, sys, threading, time, pumasi
lock = pumasi.Lock()
def late(lock):
    time.sleep(0.2)
    lock.release()
    lock.acquire()
if os.fork() == 0:
    lock.acquire()
    {ending}
else:
    os.wait()
    print(lock.acquire(timeout=0.3), lock.locked(), flush=True)
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_bare_child_that_ends_in_order_keeps_its_lock(ending: str) -> None:
    assert in_python(ENDING.replace("{ending}", ENDINGS[ending])) == "False True\n"


STANDARD = """
import sys, pumasi
late = "multiprocessing.util" not in sys.modules
import multiprocessing
def hold(lock):
    lock.acquire()
if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        lock = pumasi.Lock()
        child = multiprocessing.get_context(method).Process(target=hold, args=(lock,))
        child.start()
        child.join()
        print(late, method, child.exitcode, lock.acquire(timeout=0.3), flush=True)
"""


def test_a_standard_child_of_a_program_that_began_with_us_keeps_its_lock(tmp_path: Path) -> None:
    # Here multiprocessing's module for what is done at the end is imported after us, and its
    # processes know nothing of the heap.
    program = tmp_path / "program.py"
    program.write_text(STANDARD)
    ended = run_program([sys.executable, str(program)])
    methods = ("fork", "spawn", "forkserver")
    assert ended.stdout == "".join(f"True {m} 0 False\n" for m in methods), ended.stderr


LAST = """
import os, pumasi
lock = pumasi.Lock()
read, write = os.pipe()
if os.fork() == 0:
    os.close(write)
    os.read(read, 1)
    print(lock.acquire(timeout=0.3), flush=True)
    os._exit(0)
from multiprocessing import util
util.Finalize(None, lock.acquire, exitpriority=-5)
"""


@pytest.mark.parametrize("first", ["pumasi", "multiprocessing.util"])
def test_what_a_finalizer_takes_at_the_end_is_kept(first: str) -> None:
    assert in_python(f"import {first}\n{LAST}") == "False\n"


def hold_in_thread(lock: Any) -> None:
    def run() -> None:
        time.sleep(0.2)
        lock.acquire()

    threading.Thread(target=run).start()


def test_a_thread_that_outlives_the_main_one_keeps_its_lock(ctx: Any) -> None:
    lock = ctx.Lock()
    child = ctx.Process(target=hold_in_thread, args=(lock,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert not lock.acquire(timeout=0.2)
    lock.release()


def test_a_terminated_process_is_a_death(ctx: Any) -> None:
    lock, held = ctx.Lock(), ctx.Event()
    child = ctx.Process(target=hold, args=(lock, held))
    child.start()
    assert held.wait(60)
    child.terminate()
    child.join()
    assert child.exitcode == -signal.SIGTERM
    with pytest.warns(pumasi.OwnerDiedWarning):
        assert lock.acquire(timeout=60)
    lock.release()


def hold(lock: Any, held: Any) -> None:
    lock.acquire()
    held.set()
    signal.pause()


def test_a_lock_that_an_exit_without_order_held_comes_free() -> None:
    lock = pumasi.Lock()
    pid = os.fork()
    if pid == 0:
        lock.acquire()
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.warns(pumasi.OwnerDiedWarning):
        assert lock.acquire(timeout=60)
    lock.release()


# ---- limits --------------------------------------------------------------------------------


def test_reaching_the_limit_is_a_memory_error() -> None:
    program = """
import pumasi
shared = pumasi.List()
try:
    while True:
        shared.append(b"x" * 100_000)
except MemoryError as error:
    print("PUMASI_HEAP_LIMIT" in str(error), len(shared) > 50)
kept = len(shared)
shared.pop()
shared.append("small")
print(len(shared) == kept, pumasi.heap.limit, pumasi.heap.used <= pumasi.heap.limit)
shared.clear()
shared.append(b"x" * 1_000_000)
try:
    pumasi.Array("b", 2**40)
except MemoryError:
    print("too large")
"""
    assert in_python(program, PUMASI_HEAP=None, PUMASI_HEAP_LIMIT="8M") == (
        "True True\nTrue 8388608 True\ntoo large\n"
    )


def wait_to_be_interrupted(ready: Any, told: Any) -> None:
    try:
        ready.set()
        time.sleep(1000)
    except KeyboardInterrupt:
        told.append("interrupted")


def test_a_process_can_be_interrupted(ctx: Any) -> None:
    ready, told = ctx.Event(), List()
    child = ctx.Process(target=wait_to_be_interrupted, args=(ready, told))
    child.start()
    assert ready.wait(60)
    child.interrupt()
    child.join(60)
    assert (child.exitcode, told) == (0, ["interrupted"])
    # It has ended: nothing happens.
    child.interrupt()
    child.close()
    with pytest.raises(ValueError, match="closed"):
        child.interrupt()


OWNER = """
import os, signal, sys, threading, time
import pumasi as mp

def sleep(begun):
    begun.release()
    time.sleep(1000)

if __name__ == "__main__":
    ctx = mp.get_context(sys.argv[1])
    begun = ctx.Semaphore(0)
    made = [ctx.Process(target=sleep, args=(begun,), daemon=daemon) for daemon in (True, False)]
    threads = [threading.Thread(target=process.start) for process in made]
    for thread in threads:
        thread.start()
        thread.join()
    for _ in made:
        begun.acquire()
    # Neither has ended with its thread, nor with a fork of this process which has ended.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert all(process.is_alive() for process in made)
    print(*[process.pid for process in made], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_daemons_go_with_a_killed_parent_and_others_stay(ctx: Any, tmp_path: Path) -> None:
    program = tmp_path / "owner.py"
    program.write_text(OWNER)
    owner = subprocess.Popen(
        [sys.executable, str(program), ctx.get_start_method()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout is not None
    with owner.stdout as said:
        daemon, other = map(int, said.readline().split())
    owner.wait(60)
    try:
        deadline = time.monotonic() + 60
        while runs(daemon):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert runs(other)
    finally:
        os.kill(other, signal.SIGKILL)


def test_a_program_may_be_the_first_process_of_a_container(tmp_path: Path) -> None:
    program = tmp_path / "first.py"
    program.write_text(
        "import os, pumasi as mp\n"
        "def put(queue): queue.put(os.getppid())\n"
        "if __name__ == '__main__':\n"
        "    for method in ('fork', 'spawn', 'forkserver'):\n"
        "        ctx = mp.get_context(method)\n"
        "        with ctx.Pool(1) as pool, mp.ProcessPoolExecutor(1, ctx) as executor:\n"
        "            queue = ctx.Queue()\n"
        "            daemon = ctx.Process(target=put, args=(queue,), daemon=True)\n"
        "            daemon.start()\n"
        "            queue.get()\n"
        "            daemon.join()\n"
        "            print(os.getpid(), pool.apply(abs, (-1,)),\n"
        "                  executor.submit(abs, -2).result(), daemon.exitcode)\n"
    )
    within = ["unshare", "-rpf", "--mount-proc"]
    try:
        subprocess.run([*within, "true"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no namespace may be made here")
    ended = run_program([*within, sys.executable, str(program)])
    assert (ended.stdout, ended.stderr) == ("1 1 2 0\n" * 3, "")


_FORK_MEANWHILE = """
import os, threading
from pumasi._lifeline import Lifeline

pipe = os.pipe
found = []


def fork(writers):
    pid = os.fork()
    if pid == 0:
        try:
            os.fstat(writers[0])
        except OSError:
            os._exit(0)
        os._exit(1)
    found.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def pipe_and_fork():
    # Between the pipe and its being known another thread forks, if it may.
    ends = pipe()
    writers.append(ends[1])
    other.start()
    other.join(0.3)
    return ends


writers = []
other = threading.Thread(target=fork, args=(writers,))
os.pipe = pipe_and_fork
lifeline = Lifeline()
os.pipe = pipe
other.join()
print(found)
lifeline.close()
"""


def test_no_child_of_a_fork_keeps_a_lifeline_open() -> None:
    # A worker would outlive its owner for as long as that child lives.
    assert in_python(_FORK_MEANWHILE) == "[0]\n"
