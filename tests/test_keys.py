"""Keys of classes of one's own: those that compare themselves, and registered ones."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import pumasi
from pumasi import Dict, Set


class Word:
    """Equal whatever the case of its letters; its hash is the same in every process."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Word) and self.text.lower() == other.text.lower()

    def __hash__(self) -> int:
        return sum(self.text.lower().encode())  # "ac" and "ca" have one hash

    def __repr__(self) -> str:
        return f"Word({self.text!r})"


class Seeded(Word):
    """The same with a hash that Python makes another in each new interpreter."""

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.text.lower())


class Registered:
    """Tells other processes by a function what it equals."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Registered) and self.name.lower() == other.name.lower()

    def __hash__(self) -> int:
        return hash(self.name.lower())


pumasi.register_key(Registered, lambda key: key.name.lower())


def test_keys_that_compare_themselves() -> None:
    shared = Dict({Word("Rice"): 1})
    shared[Word("rice")] = 2
    shared[Word("cire")] = 3  # of the same hash
    assert len(shared) == 2
    assert [repr(key) for key in shared] == ["Word('Rice')", "Word('cire')"]
    assert shared[Word("RICE")] == 2
    assert shared.get(Word("CIRE")) == 3
    assert Word("salt") not in shared
    assert shared.add(Word("rICE")) == 3
    assert shared.setdefault(Word("riCe"), 7) == 3
    assert shared.update_with(Word("Cire"), lambda n: n + 1) == 4
    assert shared.pop(Word("rice")) == 3
    assert shared[Word("cire")] == 4
    with pytest.raises(KeyError):
        del shared[Word("rice")]
    with pytest.raises(KeyError):
        shared[Word("salt")]
    assert shared == {Word("CIRE"): 4}
    assert Dict(a={Word("x"): 1})["a"][Word("X")] == 1


def test_elements_that_compare_themselves() -> None:
    shared = Set([Word("a"), Word("A"), Word("b")])
    assert len(shared) == 2
    shared |= {Word("B"), Word("c"), 5}
    assert shared == {Word("A"), Word("b"), Word("c"), 5}
    shared ^= {Word("C"), Word("d")}
    shared.discard(Word("D"))
    shared -= {Word("A")}
    assert shared == {Word("b"), 5}
    shared &= {Word("B")}
    assert [repr(x) for x in shared] == ["Word('b')"]


def test_tuples_of_them() -> None:
    shared = Dict({(1, Word("a")): "x"})
    assert shared[1.0, Word("A")] == "x"
    assert (2, Word("a")) not in shared
    shared[True, Word("A")] = "y"
    assert list(shared.values()) == ["y"]
    with pytest.raises(TypeError, match="frozenset of"):
        shared[frozenset([Word("a")])] = 1


def test_a_comparison_that_raises() -> None:
    class Bad(Word):
        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

        __hash__ = Word.__hash__

    globals()["Bad"] = Bad  # so that it pickles
    Bad.__qualname__ = "Bad"
    shared = Dict({Bad("a"): 1})
    with pytest.raises(ZeroDivisionError):
        shared[Bad("a")]
    with pytest.raises(ZeroDivisionError):
        shared[Bad("a")] = 2
    assert len(shared) == 1
    with shared.locked():  # nobody has it
        pass


def fill(shared: Dict[Any, int], texts: list[str]) -> None:
    for text in texts:
        shared.add(Word(text))


def test_they_are_found_from_other_processes(ctx: Any) -> None:
    shared: Dict[Any, int] = Dict({Word("seed"): 1})
    lower, upper = ["ac", "ca", "c", "seed"] * 10, ["AC", "CA", "C", "SEED"] * 10
    children = [ctx.Process(target=fill, args=(shared, texts)) for texts in (lower, upper)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert shared == {Word("ac"): 20, Word("ca"): 20, Word("c"): 20, Word("seed"): 21}


def expect_refusal(shared: Dict[Any, int]) -> None:
    for operation in (
        lambda: shared[Seeded("a")],
        lambda: shared.update({Seeded("b"): 1}),
        lambda: Seeded("a") in shared,
    ):
        with pytest.raises(TypeError, match=r"Seeded cannot be a key .* its hash differs between"):
            operation()
    assert shared["native"] == 1


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_hash_that_differs_is_refused(
    method: str, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever seed this process has, the child gets one of its own.
    shared: Dict[Any, int] = Dict({Seeded("a"): 1, "native": 1})
    assert shared[Seeded("A")] == 1
    if method == "forkserver":
        pytest.skip("the fork server was started with this process's environment")
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    run(pumasi.get_context(method), expect_refusal, shared)
    assert shared == {Seeded("a"): 1, "native": 1}


def test_registered_keys(ctx: Any, run: Callable[..., None]) -> None:
    shared = Dict({Registered("North"): 1})
    assert shared[Registered("NORTH")] == 1
    assert next(iter(shared)).name == "North"
    assert ("North",) not in shared
    assert Registered("x") not in Set([Registered("y")])
    assert frozenset([Registered("A")]) in Set([frozenset([Registered("a")])])
    run(ctx, change, shared)
    assert shared == {Registered("north"): 2}
    with pytest.raises(TypeError, match="wants a class"):
        pumasi.register_key("x", lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wants a function"):
        pumasi.register_key(Registered, 5)  # type: ignore[arg-type]


def change(shared: Dict[Any, int]) -> None:
    assert shared[Registered("NORTH")] == 1
    shared[Registered("nORTH")] = 2


def test_what_compares_by_identity_is_refused() -> None:
    class Plain:
        pass

    class Unpicklable:
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    for key in (Plain(), object(), [].append, Plain, lambda: 1):
        with pytest.raises(TypeError, match="cannot be a key"):
            Dict()[key] = 1
    shared: Dict[Any, Any] = Dict()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        shared[Unpicklable()] = 1
    assert len(shared) == 0
