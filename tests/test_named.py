"""Heaps with a name, shared by programs that are not each other's children.

The other programs are started with an empty environment, so that they know of no heap of ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pumasi
from programs import run_program

if TYPE_CHECKING:
    from typing_extensions import Self

LIMIT = 64 << 20


class Program:
    """Another program, which is told the heap's name and killed at the end if it still runs."""

    def __init__(self, source: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import os, sys, pumasi\n" + textwrap.dedent(source),
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def says(self) -> str:
        """Its next line."""
        assert self._process.stdout is not None
        if not connection.wait([self._process.stdout], 60):
            raise TimeoutError("the program says nothing")
        return self._process.stdout.readline().rstrip("\n")

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Its exit code and the rest of what it says."""
        rest, _ = self._process.communicate(timeout=60)
        return self._process.returncode, rest

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def path(name: str) -> Path:
    return Path(f"/dev/shm/pumasi-{os.geteuid()}-{name}")


@pytest.fixture
def name() -> Iterator[str]:
    """A name that nobody else has, free again at the end."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    left = path(name).exists()
    path(name).unlink(missing_ok=True)
    assert not left


HOLD = """
    heap = pumasi.Heap.open_or_create(sys.argv[1], limit="64M")
    heap.roots.add("holders", 1)
    print("holds", flush=True)
    sys.stdin.readline()
"""


def test_unrelated_programs_share_what_is_in_a_heap(name: str) -> None:
    with pumasi.Heap.create(name, limit=LIMIT) as heap:
        heap.roots["fruit"] = {"apples": 3, "baskets": [[1, 2], {"deep": (1, "two", b"three")}]}
        fruit = heap.roots["fruit"]
        program = """
            heap = pumasi.Heap.open(sys.argv[1])
            assert heap.id == sys.argv[2] != pumasi.heap.id != sys.argv[3]
            fruit = heap.roots["fruit"]
            assert fruit.to_plain() == {
                "apples": 3, "baskets": [[1, 2], {"deep": (1, "two", b"three")}]}
            fruit.add("apples", 4)
            fruit["baskets"][0].append({"from": "another program"})
            heap.roots["mine"] = heap.Set({1, "one"})
        """
        with Program(program, name, heap.id, pumasi.heap.id) as other:
            assert other.end() == (0, "")
        assert fruit["apples"] == 7
        assert fruit["baskets"][0].to_plain() == [1, 2, {"from": "another program"}]
        heap.recover()
        assert heap.collect() == 0
        assert heap.roots["mine"] == {1, "one"}
    with pytest.raises(FileNotFoundError, match="no process has a heap named"):
        pumasi.Heap.open(name)


def test_what_a_program_made_stays_when_it_has_ended(name: str) -> None:
    maker = """
        heap = pumasi.Heap.open_or_create(sys.argv[1], limit="64M")
        made = {
            "List": heap.List([1, [2]]),
            "Deque": heap.Deque([1, 2], 5),
            "Vector": heap.Vector("d", [0.5, 1.5]),
            "Dict": heap.Dict({"a": 1}, b=2),
            "Set": heap.Set({1, 2}),
            "Counter": heap.Counter("abba"),
            "DefaultDict": heap.DefaultDict(int, a=1),
            "Namespace": heap.Namespace(x=[1]),
        }
        for kind, container in made.items():
            assert type(container) is getattr(pumasi, kind)
            heap.roots[kind] = container
        print("made", flush=True)
        sys.stdin.readline()
    """
    with Program(maker, name) as other:
        assert other.says() == "made"
        heap = pumasi.Heap.open(name)
        other.go_on()
        assert other.end() == (0, "")
    with heap:
        roots = heap.roots
        assert sorted(roots) == sorted(heap.stats()["kinds"].keys() - {"Buffer"})
        assert roots["List"].to_plain() == [1, [2]]
        assert list(roots["Deque"]) == [1, 2]
        assert roots["Deque"].maxlen == 5
        assert list(roots["Vector"]) == [0.5, 1.5]
        roots["Vector"].append(2.5)
        assert list(roots["Vector"]) == [0.5, 1.5, 2.5]
        assert roots["Dict"] == {"a": 1, "b": 2}
        assert roots["Set"] == {1, 2}
        assert roots["Counter"] == {"a": 2, "b": 2}
        assert roots["DefaultDict"]["new"] == 0
        assert roots["Namespace"].x.to_plain() == [1]
        for made in roots.values():
            assert type(made).__name__ in roots
        del roots, made


def test_what_is_made_lies_in_the_heap_that_made_it(name: str) -> None:
    before = pumasi.heap.stats()["objects"]
    with pumasi.Heap.create(name, limit=LIMIT) as heap:
        made = heap.List([[1], {"a": {2}}])
        assert pumasi.heap.stats()["objects"] == before
        assert heap.stats()["objects"] == 4
        # One that cannot be made leaves the next where it belongs.
        with pytest.raises(TypeError):
            heap.Dict(1)
        own = pumasi.List()
        assert pumasi.heap.stats()["objects"] == before + 1
        with pytest.raises(pumasi.WrongHeap, match="to_plain"):
            made.append(own)
        with pytest.raises(pumasi.WrongHeap):
            made.append((own,))
        with pytest.raises(pumasi.WrongHeap):
            heap.roots["own"] = own
        with pytest.raises(pumasi.WrongHeap):
            own.append(made)
        assert len(made) == 2
        assert not own
        assert not heap.roots
        own.append(made.to_plain())
        heap.roots["own"] = own.to_plain()
        assert heap.roots["own"].to_plain() == [[[1], {"a": {2}}]]
        del made, own


def test_errors_say_what_to_do(name: str) -> None:
    heap = pumasi.Heap.create(name, limit="64M")
    assert heap.limit == 64 << 20
    assert heap.name == name
    assert name in repr(heap)
    with pytest.raises(FileExistsError, match="open it"):
        pumasi.Heap.create(name)
    for bad in ("", "a/b", ".hidden", "-x", "a b", "이름", "x" * 129, "a\0b"):
        with pytest.raises(ValueError, match="cannot be the name of a heap"):
            pumasi.Heap.create(bad)
        with pytest.raises(ValueError, match="cannot be the name of a heap"):
            pumasi.Heap.open(bad)
    with pytest.raises(ValueError, match="is no size"):
        pumasi.Heap.create(name, limit="much")
    with pytest.raises(TypeError):
        pumasi.Heap.create(name, limit=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        pumasi.Heap()
    with pytest.raises(TypeError, match=r"pumasi\.heap"):
        pickle.dumps(pumasi.heap)
    with pytest.raises(ValueError, match="as long as its processes live"):
        pumasi.heap.close()
    assert pumasi.heap.name is None
    assert not pumasi.heap.closed
    heap.close()
    heap.close()
    assert heap.closed
    assert "closed" in repr(heap)
    for use in (lambda: heap.roots, lambda: heap.List(), lambda: heap.used, heap.__enter__):
        with pytest.raises(ValueError, match="closed"):
            use()
    with pytest.raises(FileNotFoundError):
        pumasi.Heap.unlink(name)


def test_a_file_that_is_no_name_is_refused(name: str) -> None:
    path(name).symlink_to("/dev/null")
    with pytest.raises(PermissionError, match="no plain file"):
        pumasi.Heap.open(name)
    path(name).unlink()
    path(name).touch(mode=0o644)
    with pytest.raises(PermissionError, match="other users"):
        pumasi.Heap.open_or_create(name)
    path(name).chmod(0o600)
    with pytest.raises(pumasi.PumasiError, match="pumasi rm"):
        pumasi.Heap.create(name)
    pumasi.Heap.unlink(name)


def test_a_closed_heap_leaves_what_is_still_held(name: str) -> None:
    with pumasi.Heap.create(name, limit=LIMIT) as heap:
        items = heap.List([1])
    assert not path(name).exists()
    items.append([2])
    assert items.to_plain() == [1, [2]]
    with pumasi.Heap.create(name, limit=LIMIT) as other, pytest.raises(pumasi.WrongHeap):
        other.roots["items"] = items


def test_an_opening_is_undone_by_a_closing(name: str) -> None:
    first = pumasi.Heap.create(name, limit=LIMIT)
    with pumasi.Heap.open(name) as second, pumasi.Heap.open_or_create(name) as third:
        assert first.id == second.id == third.id
        second.roots["x"] = 1
    assert first.roots["x"] == 1
    first.close()


def test_the_limit_is_an_error_and_changes_nothing(name: str) -> None:
    with pumasi.Heap.create(name, limit="4M") as heap:
        heap.roots["items"] = ["here"]
        items = heap.roots["items"]
        with pytest.raises(MemoryError):
            items.append(b"x" * (8 << 20))
        with pytest.raises(MemoryError):
            items.extend(b"x" * 100_000 for _ in range(100))
        with contextlib.suppress(MemoryError):
            while True:
                items.append(b"x" * 100_000)
        before = len(items)
        with Program(
            """
            heap = pumasi.Heap.open(sys.argv[1])
            try:
                heap.roots["items"].append(b"x" * 200_000)
            except MemoryError:
                print("full")
            """,
            name,
        ) as other:
            assert other.end() == (0, "full\n")
        assert len(items) == before
        assert items[0] == "here"
        heap.limit = 32 << 20
        items.append(b"x" * (8 << 20))
        del items


def test_cycles_in_a_heap_are_collected(name: str) -> None:
    with pumasi.Heap.create(name, limit=LIMIT) as heap:
        heap.roots["kept"] = [1]
        one, other = heap.List(), heap.List()
        one.append(other)
        other.append(one)
        del one, other
        assert heap.collect() == 2
        assert heap.roots["kept"].to_plain() == [1]
        heap.counting = True
        heap.roots["kept"].append(2)
        kept = heap.roots["kept"]
        assert pumasi.stats(kept)["append"] == 1
        del kept


# ---- children --------------------------------------------------------------------------------


def _work(heap: Any, items: Any, number: int) -> None:
    assert heap.roots["items"] == items
    items.append(heap.List([number]))
    heap.close()
    items.append(number)


def _count(heap: Any) -> int:
    with heap:
        return len(heap.roots["items"])


def test_children_are_given_containers_and_heaps(ctx: Any, name: str) -> None:
    with pumasi.Heap.create(name, limit=LIMIT) as heap:
        heap.roots["items"] = []
        items = heap.roots["items"]
        children = [ctx.Process(target=_work, args=(heap, items, n)) for n in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
            assert child.exitcode == 0
        found = items.to_plain()
        assert len(found) == 4
        assert all(n in found and [n] in found for n in range(2))
        with ctx.Pool(1) as pool:
            assert pool.apply(_count, (heap,)) == 4
            # A task lies in the program's own heap.
            with pytest.raises(pumasi.WrongHeap):
                pool.apply(len, (items,))
        del items


def test_a_pickle_leads_to_the_heap_while_it_is_open(name: str) -> None:
    heap = pumasi.Heap.create(name, limit=LIMIT)
    heap.roots["items"] = [1]
    pickled = pickle.dumps(heap.roots["items"])
    program = """
        import pickle
        try:
            items = pickle.loads(bytes.fromhex(sys.argv[1]))
            items.append(2)
        except pumasi.HeapGone as error:
            print("gone")
        pumasi.List()  # what is made otherwise lies in the program's own heap
    """
    with Program(program, pickled.hex()) as other:
        assert other.end() == (0, "")
    assert heap.roots["items"].to_plain() == [1, 2]
    heap.close()
    for remade in (False, True):
        with contextlib.ExitStack() as stack:
            if remade:
                stack.enter_context(pumasi.Heap.create(name, limit=LIMIT))
            with Program(program, pickled.hex()) as other:
                assert other.end() == (0, "gone\n")
            with pytest.raises(pumasi.HeapGone):
                pickle.loads(pickled)


# ---- ends and deaths -------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise SystemExit", "heap.close()"])
def test_an_end_in_order_takes_the_name_along(name: str, end: str) -> None:
    with Program(textwrap.dedent(HOLD) + end, name) as other:
        assert other.says() == "holds"
        assert path(name).exists()
        other.go_on()
        other.end()
        assert not path(name).exists()


def test_the_name_of_the_killed_is_free_for_who_asks(name: str) -> None:
    for ask in (pumasi.Heap.create, pumasi.Heap.open_or_create):
        with Program(HOLD, name) as other:
            assert other.says() == "holds"
            other.kill()
        with ask(name, limit=LIMIT) as heap:
            assert not heap.roots
    with Program(HOLD, name) as other:
        assert other.says() == "holds"
        other.kill()
    with pytest.raises(FileNotFoundError):
        pumasi.Heap.open(name)
    assert not path(name).exists()


def test_a_killed_holder_of_a_container_is_told_of(name: str) -> None:
    with pumasi.Heap.create(name, limit=LIMIT) as heap:
        heap.roots["items"] = []
        program = """
            items = pumasi.Heap.open(sys.argv[1]).roots["items"]
            with items.locked():
                print("locked", flush=True)
                sys.stdin.readline()
        """
        with Program(program, name) as other:
            assert other.says() == "locked"
            other.kill()
            items = heap.roots["items"]
            with pytest.warns(pumasi.OwnerDiedWarning, match=str(other.pid)), items.locked():
                items.append(1)
        del items


def test_roots_are_whole_whenever_a_program_is_killed(name: str) -> None:
    program = """
        import itertools
        heap = pumasi.Heap.open(sys.argv[1])
        print("begins", flush=True)
        for i in itertools.count():
            heap.roots[f"key {i % 50}"] = {"i": i, "items": [i, [i]]}
            heap.roots.pop(f"key {(i + 25) % 50}", None)
    """
    with pumasi.Heap.create(name, limit=LIMIT) as heap:
        for round_ in range(8):
            with Program(program, name) as other:
                assert other.says() == "begins"
                # However far it comes meanwhile.
                while heap.roots.get("key 7") is None and round_ % 2:
                    pass
                other.kill()
            for plain in heap.roots.to_plain().values():
                assert plain["items"] == [plain["i"], [plain["i"]]]
        heap.recover()
        heap.roots.clear()
        heap.collect()
        assert heap.stats()["objects"] == 1


# ---- the command line ------------------------------------------------------------------------


def _pumasi(*arguments: str) -> tuple[int, str, str]:
    done = run_program([sys.executable, "-m", "pumasi", *arguments], env={"LC_ALL": "C"})
    return done.returncode, done.stdout, done.stderr


def test_names_are_listed_and_removed_from_the_command_line(name: str) -> None:
    def listed() -> dict[str, Any]:
        code, out, err = _pumasi("ls", "--json")
        assert (code, err) == (0, "")
        found: dict[str, Any] = next(one for one in json.loads(out) if one["name"] == name)
        return found

    with pumasi.Heap.create(name, limit=LIMIT), Program(HOLD, name) as other:
        assert other.says() == "holds"
        found = listed()
        assert sorted(found["processes"]) == sorted([os.getpid(), other.pid])
        assert found["limit"] == LIMIT
        assert 0 < found["used"] < LIMIT
        code, out, _ = _pumasi("ls")
        assert code == 0
        assert name in out
        assert "64.0 MiB" in out
        code, out, err = _pumasi("rm", name)
        assert (code, out) == (1, "")
        assert str(other.pid) in err
        assert "--force" in err
        other.kill()
        assert listed()["processes"] == [os.getpid()]
    with Program(HOLD, name) as other:
        assert other.says() == "holds"
        other.kill()
    assert listed()["processes"] == []
    assert _pumasi("rm", name) == (0, "", "")
    assert _pumasi("rm", name)[0] == 1
    path(name).write_text("garbage")
    path(name).chmod(0o600)
    assert "pumasi rm --force" in listed()["trouble"]
    assert _pumasi("rm", name)[0] == 1
    assert _pumasi("rm", "--force", name) == (0, "", "")
