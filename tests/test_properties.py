"""List and Dict against the builtins, with whatever hypothesis can think of."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from pumasi import Dict, List

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=10,
)
keys = st.recursive(scalars, lambda inner: st.tuples(inner, inner), max_leaves=4)
indices = st.integers(-12, 12)
optional_indices = st.none() | indices
slices = st.builds(slice, optional_indices, optional_indices, st.none() | st.integers(-4, 4))

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(values)
def test_any_value_comes_back(value: Any) -> None:
    assert List([value]).to_plain() == [value]
    assert Dict(value=value).to_plain() == {"value": value}
    assert repr(List([value])) == repr([value])


@relaxed
@given(st.dictionaries(keys, scalars, max_size=20), keys)
def test_any_dict(plain: dict[Any, Any], key: Any) -> None:
    shared = Dict(plain)
    assert shared == plain
    assert list(shared) == list(plain)
    assert (key in shared) == (key in plain)
    assert shared.get(key, "missing") == plain.get(key, "missing")
    assert repr(shared) == repr(plain)


def outcome(operation: Any, target: Any) -> Any:
    """What an operation returns, or the type of what it raises."""
    try:
        result = operation(target)
    except (IndexError, KeyError, ValueError, TypeError) as error:
        return type(error)
    return None if result is target else result


class ListMachine(RuleBasedStateMachine):
    """Does the same to a list and to a List."""

    def __init__(self) -> None:
        super().__init__()
        self.plain: list[Any] = []
        self.shared: List[Any] = List()

    def both(self, operation: Any) -> None:
        expected, found = outcome(operation, self.plain), outcome(operation, self.shared)
        assert found == expected

    @rule(value=scalars)
    def append(self, value: Any) -> None:
        self.both(lambda x: x.append(value))

    @rule(items=st.lists(scalars, max_size=30))
    def extend(self, items: list[Any]) -> None:
        self.both(lambda x: x.extend(items))

    @rule(index=indices, value=scalars)
    def insert(self, index: int, value: Any) -> None:
        self.both(lambda x: x.insert(index, value))

    @rule(index=indices)
    def pop(self, index: int) -> None:
        self.both(lambda x: x.pop(index))

    @rule(index=indices)
    def get(self, index: int) -> None:
        self.both(lambda x: x[index])

    @rule(index=indices, value=scalars)
    def set(self, index: int, value: Any) -> None:
        self.both(lambda x: x.__setitem__(index, value))

    @rule(index=indices)
    def delete(self, index: int) -> None:
        self.both(lambda x: x.__delitem__(index))

    @rule(part=slices)
    def get_slice(self, part: slice) -> None:
        self.both(lambda x: x[part])

    @rule(part=slices, items=st.lists(scalars, max_size=6))
    def set_slice(self, part: slice, items: list[Any]) -> None:
        self.both(lambda x: x.__setitem__(part, items))

    @rule(part=slices)
    def delete_slice(self, part: slice) -> None:
        self.both(lambda x: x.__delitem__(part))

    @rule(value=scalars)
    def remove(self, value: Any) -> None:
        self.both(lambda x: x.remove(value))

    @rule(value=scalars, start=indices, stop=indices)
    def search(self, value: Any, start: int, stop: int) -> None:
        self.both(lambda x: x.index(value, start, stop))
        self.both(lambda x: x.count(value))
        self.both(lambda x: value in x)

    @rule()
    def reverse(self) -> None:
        self.both(lambda x: x.reverse())

    @rule(reverse=st.booleans())
    def sort(self, reverse: bool) -> None:
        self.both(lambda x: x.sort(key=repr, reverse=reverse))

    @rule(times=st.integers(-1, 3))
    def repeat(self, times: int) -> None:
        if len(self.plain) < 200:
            self.plain *= times
            self.shared *= times

    @rule()
    def clear(self) -> None:
        self.both(lambda x: x.clear())

    @invariant()
    def same(self) -> None:
        assert len(self.shared) == len(self.plain)
        assert self.shared == self.plain
        assert repr(self.shared) == repr(self.plain)

    def teardown(self) -> None:
        self.shared.clear()


class DictMachine(RuleBasedStateMachine):
    """Does the same to a dict and to a Dict."""

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.plain: dict[Any, Any] = {}
        self.shared: Dict[Any, Any] = Dict()

    def both(self, operation: Any) -> None:
        expected, found = outcome(operation, self.plain), outcome(operation, self.shared)
        assert found == expected

    @rule(target=known, key=keys)
    def know(self, key: Any) -> Any:
        return key

    @rule(key=known, value=scalars)
    def set(self, key: Any, value: Any) -> None:
        self.both(lambda x: x.__setitem__(key, value))

    @rule(key=known)
    def get(self, key: Any) -> None:
        self.both(lambda x: x[key])
        self.both(lambda x: x.get(key))
        self.both(lambda x: key in x)

    @rule(key=known)
    def delete(self, key: Any) -> None:
        self.both(lambda x: x.__delitem__(key))

    @rule(key=known, default=scalars)
    def pop(self, key: Any, default: Any) -> None:
        self.both(lambda x: x.pop(key, default))

    @rule()
    def popitem(self) -> None:
        self.both(lambda x: x.popitem())

    @rule(key=known, default=scalars)
    def setdefault(self, key: Any, default: Any) -> None:
        self.both(lambda x: x.setdefault(key, default))

    @rule(other=st.dictionaries(keys, scalars, max_size=10))
    def update(self, other: dict[Any, Any]) -> None:
        self.both(lambda x: x.update(other))
        assert (self.shared | other) == (self.plain | other)

    @rule()
    def clear(self) -> None:
        self.both(lambda x: x.clear())

    @rule(other=st.sets(keys, max_size=5))
    def views(self, other: Any) -> None:
        self.both(lambda x: x.keys() & other)
        self.both(lambda x: x.keys() - other)
        self.both(lambda x: x.keys() | other)
        self.both(lambda x: x.keys().isdisjoint(other))

    @invariant()
    def same(self) -> None:
        assert len(self.shared) == len(self.plain)
        assert self.shared == self.plain
        assert repr(self.shared) == repr(self.plain)
        assert list(reversed(self.shared)) == list(reversed(self.plain))

    def teardown(self) -> None:
        self.shared.clear()


TestListMachine = ListMachine.TestCase
TestListMachine.settings = settings(relaxed, max_examples=30, stateful_step_count=40)
TestDictMachine = DictMachine.TestCase
TestDictMachine.settings = settings(relaxed, max_examples=30, stateful_step_count=40)
