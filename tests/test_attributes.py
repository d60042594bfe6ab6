"""Attributes of a program's own, subclasses with an `__init__`, and private names libraries use."""

import gc
import pickle
import queue
import re
import threading
import weakref
from array import array
from typing import Any

import pytest

import pumasi
from pumasi import queues, synchronize

#: What makes one of each of those which take attributes.
MAKERS: dict[str, Any] = {
    "Lock": lambda: pumasi.Lock(),
    "RLock": lambda: pumasi.RLock(),
    "Semaphore": lambda: pumasi.Semaphore(2),
    "BoundedSemaphore": lambda: pumasi.BoundedSemaphore(2),
    "Event": lambda: pumasi.Event(),
    "Condition": lambda: pumasi.Condition(),
    "Barrier": lambda: pumasi.Barrier(1),
    "RwLock": lambda: pumasi.RwLock(),
}


@pytest.mark.parametrize("name", MAKERS)
def test_attributes_are_taken_and_go_with_the_object(name: str) -> None:
    shared = MAKERS[name]()
    assert vars(shared) == {}
    shared.note = "rice"
    shared.me = shared
    assert (shared.note, sorted(vars(shared))) == ("rice", ["me", "note"])
    del shared.note
    assert not hasattr(shared, "note")
    # It leads to itself now; the collector of cycles finds that.
    gone = weakref.ref(shared)
    del shared
    gc.collect()
    assert gone() is None


def test_a_method_may_be_replaced_in_one_object() -> None:
    event, told = pumasi.Event(), []
    real = event.set

    def wrapper() -> None:
        told.append("set")
        real()

    event.set = wrapper  # type: ignore[method-assign]
    event.set()
    assert (told, event.is_set()) == (["set"], True)
    del event.set
    event.clear()
    event.set()
    assert (told, event.is_set()) == (["set"], True)

    lock = pumasi.Lock()
    lock.acquire = lambda *args: "mine"  # type: ignore[method-assign,assignment,return-value]
    assert (lock.acquire(), lock.locked()) == ("mine", False)
    with lock:
        assert lock.locked()


def _report(sent: Any, out: Any) -> None:
    out.put([sorted(vars(shared)) for shared in sent])


def test_attributes_stay_in_their_process_as_in_multiprocessing(ctx: Any) -> None:
    shared = [ctx.Lock(), ctx.Semaphore(1), ctx.Event(), ctx.Condition(), ctx.Barrier(1)]
    for each in shared:
        each.note = "rice"
    out = ctx.SimpleQueue()
    process = ctx.Process(target=_report, args=(shared, out))
    process.start()
    inherited = ["note"] if ctx.get_start_method() == "fork" else []
    assert out.get() == [inherited] * len(shared)
    process.join()


# ---- subclasses with an __init__ of their own -----------------------------------------------


class NamedEvent(synchronize.Event):
    def __init__(self, name: str) -> None:
        super().__init__(ctx=pumasi.get_context())
        self.name = name


class NamedLock(synchronize.Lock):
    def __init__(self, name: str, *, on_death: Any = None) -> None:
        super().__init__(ctx=pumasi.get_context(), on_death=on_death)
        self.name = name


class Slots(synchronize.Semaphore):
    def __init__(self, names: list[str]) -> None:
        super().__init__(len(names), ctx=pumasi.get_context())
        self.names = names


class BoundedSlots(synchronize.BoundedSemaphore):
    def __init__(self, names: list[str]) -> None:
        super().__init__(value=len(names), ctx=pumasi.get_context())


class Meeting(synchronize.Condition):
    def __init__(self, name: str, lock: Any) -> None:
        super().__init__(lock, ctx=pumasi.get_context())
        self.name = name


class Start(synchronize.Barrier):
    def __init__(self, names: list[str], called: list[str]) -> None:
        super().__init__(len(names), lambda: called.append("go"), ctx=pumasi.get_context())


def test_a_subclass_says_in_its_init_what_it_is() -> None:
    names = ["a", "b", "c"]
    event, lock = NamedEvent("gate"), NamedLock("door", on_death="keep")
    assert (event.name, event.is_set(), lock.name, lock.acquire()) == ("gate", False, "door", True)
    slots, bounded = Slots(names), BoundedSlots(names)
    assert (slots.get_value(), bounded.get_value()) == (3, 3)
    with pytest.raises(ValueError, match="released too many times"):
        bounded.release()
    held = pumasi.Lock()
    meeting = Meeting("noon", held)
    with meeting:
        assert held.locked()
        assert not meeting.wait(0.001)
    called: list[str] = []
    start = Start(["only one"], called)
    assert (start.parties, start.wait(), called) == (1, 0, ["go"])
    with pytest.raises(ValueError, match="on_death"):
        NamedLock("door", on_death="neither")


def test_what_no_init_takes_is_refused() -> None:
    for make in (pumasi.synchronize.Lock, pumasi.synchronize.Event, pumasi.synchronize.RwLock):
        with pytest.raises(TypeError):
            make(surprise=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        pumasi.synchronize.Semaphore(1, 2)  # type: ignore[call-arg,misc]
    with pytest.raises(TypeError):
        pumasi.synchronize.Barrier()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        pumasi.synchronize.Condition(None, None, 3)  # type: ignore[call-arg,misc]


def _use(event: Any, slots: Any, meeting: Any, start: Any, out: Any) -> None:
    slots.release()
    with meeting:
        meeting.notify()
    start.wait()
    event.set()
    out.put([type(each).__name__ for each in (event, slots, meeting, start)])


class Crossing(synchronize.Barrier):
    def __init__(self, names: list[str]) -> None:
        super().__init__(len(names), ctx=pumasi.get_context())


def test_subclasses_with_an_init_reach_a_child(ctx: Any) -> None:
    event, slots, held = NamedEvent("gate"), Slots(["a"]), ctx.RLock()
    meeting, start, out = Meeting("noon", held), Crossing(["a", "b"]), ctx.SimpleQueue()
    process = ctx.Process(target=_use, args=(event, slots, meeting, start, out))
    with meeting:
        process.start()
        assert meeting.wait(60)
    start.wait(60)
    assert event.wait(60)
    assert out.get() == ["NamedEvent", "Slots", "Meeting", "Crossing"]
    assert slots.get_value() == 2
    process.join()
    with pytest.raises(RuntimeError, match="inheritance"):
        pickle.dumps(event)


# ---- private names ---------------------------------------------------------------------------


def test_numbers_where_multiprocessing_has_semaphores() -> None:
    event, condition, barrier = pumasi.Event(), pumasi.Condition(), pumasi.Barrier(3)
    flags = []
    for change in (event.set, event.clear):
        change()
        flag: Any = event._flag
        flags.append((flag.get_value(), flag._semlock._get_value(), flag._semlock._is_zero()))
    assert flags == [(1, 1, False), (0, 0, True)]
    sleeping: Any = condition._sleeping_count
    assert sleeping._semlock._get_value() == 0
    assert (barrier._parties, barrier._count) == (3, 0)


class PatientQueue(queues.JoinableQueue):
    """Joins with a timeout, and counts tasks down itself, as many a program does."""

    def join(self, timeout: float | None = None) -> Any:  # type: ignore[override]
        with self._cond:
            if not self._unfinished_tasks._semlock._is_zero():
                return self._cond.wait(timeout=timeout)
        return True

    def task_done(self) -> None:
        with self._cond:
            if not self._unfinished_tasks.acquire(False):
                raise ValueError("done too often")
            if self._unfinished_tasks._semlock._is_zero():
                self._cond.notify_all()


def test_the_parts_of_a_queue_that_programs_look_at() -> None:
    q = PatientQueue(5, ctx=pumasi.get_context())
    q.put("rice")
    q.put("beans")
    assert q._unfinished_tasks.get_value() == 2
    assert q._maxsize - q._sem._semlock._get_value() == q.qsize() == 2
    assert (len(q._buffer), q._thread, q._poll(0)) == (0, None, True)
    assert not q.join(0.01)
    q.get()
    q.task_done()
    assert not q.join(0.01)
    waiting = threading.Thread(target=q.join)
    waiting.start()
    q.get()
    q.task_done()
    waiting.join(60)
    assert not waiting.is_alive()
    assert q.join(0.01)
    assert not q._poll(0)
    with pytest.raises(ValueError, match="done too often"):
        q.task_done()
    q._poll.__self__.close()


def test_a_subclass_which_moves_items_itself_gets_the_standard_queue() -> None:
    class Feeding(queues.Queue):
        def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
            self._sem.acquire(block, timeout)  # type: ignore[attr-defined]
            with self._notempty:  # type: ignore[attr-defined]
                if self._thread is None:
                    self._start_thread()  # type: ignore[attr-defined]
                self._buffer.append(obj)
                self._notempty.notify()  # type: ignore[attr-defined]

    q: Any = Feeding(ctx=pumasi.get_context())
    q.put("rice")
    assert q.get(timeout=60) == "rice"
    q.close()
    q.join_thread()


# ---- what is refused, in the words of multiprocessing -----------------------------------------


@pytest.mark.parametrize("kind", [pumasi.Queue, pumasi.JoinableQueue])
def test_a_closed_queue_says_which_it_is(kind: Any) -> None:
    q = kind()
    q.close()
    expected = f"Queue {q!r} is closed"
    for use in (
        lambda: q.put(1),
        lambda: q.put_nowait(1),
        lambda: q.get(),
        lambda: q.get(timeout=1),
        lambda: q.get_nowait(),
        lambda: q.put_many([1]),
        lambda: q.get_many(1),
    ):
        with pytest.raises(ValueError, match=re.escape(expected)):
            use()


def test_a_closed_simple_queue_is_an_os_error() -> None:
    q: Any = pumasi.SimpleQueue()
    q.close()
    for use in (lambda: q.put(1), lambda: q.get(), lambda: q.empty()):
        with pytest.raises(OSError, match="handle is closed"):
            use()


def test_closing_leaves_a_method_that_was_replaced() -> None:
    q = pumasi.Queue()
    q.put = lambda *args: "mine"  # type: ignore[method-assign,assignment,return-value]
    q.close()
    assert q.put(1) == "mine"  # type: ignore[func-returns-value]
    with pytest.raises(ValueError, match="is closed"):
        q.get()
    assert queue.Empty is queues.Empty


def test_no_item_of_an_array_is_deleted() -> None:
    shared = pumasi.Array("i", 3)
    with pytest.raises(AttributeError, match="__delitem__"):
        del shared[0]
    assert len(shared) == 3


def test_an_index_that_no_sequence_has_is_refused() -> None:
    shared: pumasi.Vector[int] = pumasi.Vector("i", [1])
    for outside in (2**70, -(2**70)):
        for kind in (shared, array("i", [1]), pumasi.List([1])):
            with pytest.raises(OverflowError):
                kind.insert(outside, 2)
    shared.insert(2**62, 2)
    assert shared.tolist() == [1, 2]
