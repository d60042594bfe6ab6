"""What a user writes, as a type checker sees it; checked by mypy --strict, run by nobody."""

import collections

from typing_extensions import assert_type

import pumasi as mp
from pumasi import Counter, DefaultDict, Deque, Dict, List, Namespace, Set, shared_memory


def containers() -> None:
    numbers = List([1, 2, 3])
    assert_type(numbers, List[int])
    assert_type(numbers[0], int)
    assert_type(numbers[1:], list[int])
    assert_type(numbers.pop(), int)
    assert_type(numbers + ["a"], list[int | str])  # noqa: RUF005
    numbers.append("a")  # type: ignore[arg-type]
    empty: List[str] = List()
    empty.append("a")

    ages = Dict({"a": 1})
    assert_type(ages, Dict[str, int])
    assert_type(ages["a"], int)
    assert_type(ages.get("a"), int | None)
    assert_type(ages.get("a", 0), int)
    assert_type(ages.copy(), dict[str, int])
    ages[1] = 2  # type: ignore[index]
    with ages.locked() as inside:
        assert_type(inside, Dict[str, int])


def keyed() -> None:
    seen = Set([1])
    assert_type(seen, Set[int])
    assert_type(seen | {"a"}, set[int | str])
    assert_type(seen.pop(), int)
    seen |= {2}
    seen.add("a")  # type: ignore[arg-type]
    for element in seen:
        assert_type(element, int)
    latest = Deque([1], maxlen=3)
    assert_type(latest, Deque[int])
    assert_type(latest.popleft(), int)
    assert_type(latest[-1], int)
    assert_type(latest.copy(), collections.deque[int])
    assert_type(latest + collections.deque("a"), collections.deque[int | str])
    assert_type(latest.maxlen, int | None)
    latest += [2]
    latest.appendleft("a")  # type: ignore[arg-type]
    latest[1:]  # type: ignore[index]
    counts = Counter("ab")
    assert_type(counts, Counter[str])
    assert_type(counts["a"], int)
    assert_type(counts.most_common(1), list[tuple[str, int]])
    groups: DefaultDict[str, List[int]] = DefaultDict(List)
    assert_type(groups["a"], List[int])
    field = Namespace(crop="rice")
    field.rows = 3
    field.add("rows")
    mp.register_key(int, str)


def locks() -> None:
    lock = mp.Lock()
    assert_type(lock.acquire(timeout=1.5), bool)
    with lock:
        died = lock.owner_died
        if died is not None:
            assert_type(died.pid, int)
    mp.Event().wait()
    mp.BoundedSemaphore(2).release()


def processes() -> None:
    process = mp.Process(target=print, args=("a",), daemon=True)
    process.start()
    process.join(1)
    assert_type(process.exitcode, int | None)
    with mp.get_context("spawn").Pool(2) as pool:
        pool.map(abs, [1, -1])
    with mp.Manager() as manager:
        manager.list([1])


def segments() -> None:
    segment = shared_memory.SharedMemory(create=True, size=8, track=False)
    assert_type(segment.name, str)
    assert_type(segment.size, int)
    numbers = shared_memory.ShareableList([1, 2])
    assert_type(numbers[0], int)
    assert_type(numbers.shm.name, str)
    numbers[0] = "a"  # type: ignore[assignment]
    found: shared_memory.ShareableList[str] = shared_memory.ShareableList(name="psm_1")
    assert_type(found[0], str)
