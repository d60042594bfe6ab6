"""Which type suits what was done to an object: rules over its counters, with measured costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .costs import STATEMENTS, seconds
from .notes import Used

_READS = ("get", "contains", "iterate", "snapshot", "len")
_GROWS = ("append", "insert", "pop", "remove", "clear", "splice", "setdefault")
_CODES = {int: "q", float: "d"}
_INT64 = 1 << 63
_CONTENDED = 0.2
_FEW = 20
"""Operations below which no choice matters."""
_SAMPLE = 200


def judged(used: Used, others: Sequence[Used] = ()) -> dict[str, Any]:
    """Return what was done to an object, and what would do the same better, if anything would."""
    done = {name: count for name, count in used.operations.items() if name != "contended"}
    contended = used.operations.get("contended", 0)
    length = _length(used.objects[0])
    found = _rule(used, others, done, contended, length)
    return {
        "name": used.name,
        "line": used.line,
        "kind": used.kind,
        "objects": len(used.objects),
        "length": length,
        "operations": done,
        "contended": contended,
        "use": None,
        "present_seconds": None,
        "advised_seconds": None,
        "numbers": {},
        **found,
    }


def _rule(
    used: Used, others: Sequence[Used], done: dict[str, int], contended: int, length: int | None
) -> dict[str, Any]:
    total = sum(done.values())
    kind = used.kind
    if kind in ("Value", "Array"):
        return _typed(used, others, done, contended)
    if total == 0:
        return {"code": "unused"}
    if kind in ("Lock", "RLock", "Semaphore", "BoundedSemaphore"):
        return _lock(done, contended)
    if kind not in ("List", "Dict", "ListProxy", "DictProxy", "Vector"):
        return {"code": "keep"}
    family = kind.removesuffix("Proxy")
    if total < _FEW:
        return {"code": "few", "numbers": {"operations": total}}
    if family == "Vector":
        return _read_modify_write(used, others, family, done, length or 1) or _kept(
            family, done, contended, length or 1
        )
    return (
        _single(used, others, family, done, length or 1)
        or _read_modify_write(used, others, family, done, length or 1)
        or _unguarded(used, others, family, done, length or 1)
        or _polled(family, done, length or 1)
        or _iterated(family, done, length or 1)
        or _only_read(family, done, length or 1)
        or _dense(used, family, done, length or 1)
        or _numbers(used, family, done, length or 1)
        or _growing_numbers(used, family, done, length or 1)
        or _kept(family, done, contended, length or 1)
    )


def _typed(
    used: Used, others: Sequence[Used], done: dict[str, int], contended: int
) -> dict[str, Any]:
    kind, taken = used.kind, done.get("acquire", 0)
    gets, sets = done.get("get", 0), done.get("set", 0)
    if taken < _FEW or not _adds(used.objects[0]):
        # Without its own lock it may have another, or none, which loses what others write.
        if sets < _FEW or not 0.9 <= gets / sets <= 1.5 or not _adds(used.objects[0]):
            return {"code": "keep" if done else "unused"}
        family, use = ("Array", "a.add(i, n)") if kind == "Array" else ("Value", "v.add(n)")
        guard = next((lock for lock in others if _guards(lock, sets)), None)
        present = sets * (seconds(f"{family}.get", 16) + seconds(f"{family}.set", 16))
        if guard is not None:
            present += sets * seconds("Lock.pair")
        numbers: dict[str, Any] = {"times": sets, "lock": guard.name if guard else None}
        advised = sets * seconds(f"{family}.add", 16)
        return {"code": "add", "use": use, "numbers": numbers} | _costs(present, advised)
    if kind == "Array":
        return {
            "code": "array-lock",
            "use": "a.add(i, n)",
            "numbers": {"acquired": taken},
        } | _costs(
            taken * (seconds("Lock.pair") + seconds("Array.get", 16) + seconds("Array.set", 16)),
            taken * seconds("Array.add", 16),
        )
    numbers = {"acquired": taken, "contended": contended}
    return {"code": "value-lock", "use": "v.add(n)", "numbers": numbers} | _costs(
        taken * seconds("Value.locked"), taken * seconds("Value.add")
    )


def _lock(done: dict[str, int], contended: int) -> dict[str, Any]:
    taken = done.get("acquire", 0)
    share = contended / taken if taken else 0.0
    if taken >= _FEW and share > _CONTENDED:
        return {"code": "contended", "numbers": {"share": share, "acquired": taken}}
    return {"code": "keep", "numbers": {"share": share}} | _costs(
        taken * seconds("Lock.pair"), None
    )


def _changes(done: dict[str, int]) -> bool:
    """Whether there were about as many reads as writes, as in `x[k] += n`."""
    gets, sets = done.get("get", 0), done.get("set", 0)
    return sets >= _FEW and 0.9 <= gets / sets <= 1.5


def _guard(others: Sequence[Used], times: int) -> str | None:
    """Return the name of a lock that was taken about as often as something was done."""
    return next((lock.name for lock in others if _guards(lock, times)), None)


def _single(
    used: Used, others: Sequence[Used], family: str, done: dict[str, int], length: int
) -> dict[str, Any] | None:
    """A container of one number, which others change."""
    sets = done.get("set", 0)
    if length != 1 or not _changes(done) or any(done.get(name) for name in _GROWS):
        return None
    code = _code(used.objects[0])
    if code is None:
        return None
    lock = _guard(others, sets)
    present = sets * (seconds(f"{family}.get") + seconds(f"{family}.set"))
    if lock is not None:
        present += sets * seconds("Lock.pair")
    return {
        "code": "value",
        "use": f"Value({code!r}), v.add(n)",
        "numbers": {"times": sets, "lock": lock},
    } | _costs(present, sets * seconds("Value.add"))


def _read_modify_write(
    used: Used, others: Sequence[Used], family: str, done: dict[str, int], length: int
) -> dict[str, Any] | None:
    """As many reads as writes of numbers: `x[k] += n`, which others can come in between of."""
    sets, code = done.get("set", 0), _code(used.objects[0])
    if not _changes(done) or not (code or (family == "Dict" and _whole_numbers(used.objects[0]))):
        return None
    costs = sets * (seconds(f"{family}.get", length) + seconds(f"{family}.set", length))
    lock = _guard(others, sets)
    if lock is not None:
        costs += sets * seconds("Lock.pair")
    numbers = {"times": sets, "lock": lock}
    if family in ("Dict", "Vector"):
        use = "d.add(key, n)" if family == "Dict" else "v.add(i, n)"
        after = sets * seconds(f"{family}.add", length)
        return {"code": "add", "use": use, "numbers": numbers} | _costs(costs, after)
    if any(done.get(name) for name in _GROWS):
        after = sets * seconds("Vector.add", length)
        use = f"Vector({code!r}), v.add(i, n)"
    else:
        after = sets * seconds("Array.add", length)
        use = f"Array({code!r}), a.add(i, n)"
    return {"code": "array-add", "use": use, "numbers": numbers} | _costs(costs, after)


def _unguarded(
    used: Used, others: Sequence[Used], family: str, done: dict[str, int], length: int
) -> dict[str, Any] | None:
    """As many reads as writes of what is no number, and no lock that was taken as often."""
    sets = done.get("set", 0)
    if not _changes(done) or _guard(others, sets) is not None:
        return None
    where = "key" if family == "Dict" else "i"
    use = f"x.update_with({where}, f), or a Lock"
    present = sets * (seconds(f"{family}.get", length) + seconds(f"{family}.set", length))
    return {"code": "unguarded", "use": use, "numbers": {"times": sets}} | _costs(
        present, sets * seconds(f"{family}.update_with", length)
    )


def _guards(lock: Used, times: int) -> bool:
    """Whether a lock was taken about as often as something was done."""
    taken = lock.operations.get("acquire", 0)
    return lock.kind in ("Lock", "RLock") and 0.9 * times <= taken <= 1.1 * times + 2


def _polled(family: str, done: dict[str, int], length: int) -> dict[str, Any] | None:
    """A list that is filled and emptied, and asked for its length far more often."""
    popped, asked = done.get("pop", 0), done.get("len", 0)
    if family != "List" or popped < 1 or done.get("append", 0) < 1 or asked < 4 * popped + _FEW:
        return None
    return {
        "code": "queue",
        "use": "Queue",
        "numbers": {"asked": asked, "popped": popped},
    } | _costs(asked * seconds("List.len", length), 0.0)


def _dense(used: Used, family: str, done: dict[str, int], length: int) -> dict[str, Any] | None:
    """A dict of numbers whose keys are 0, 1, 2 ... and stay."""
    shrinks = ("pop", "remove", "clear", "contains")
    if family != "Dict" or length < 8 or any(done.get(name) for name in shrinks):
        return None
    code = _code(used.objects[0])
    keys = list(used.objects[0].keys())
    if code is None or any(type(key) is not int for key in keys):
        return None
    if sorted(keys) != list(range(length)):
        return None
    return {
        "code": "dense",
        "use": f"Array({code!r})",
        "numbers": {"length": length},
    } | _moved("Dict", "Array", done, length)


def _iterated(family: str, done: dict[str, int], length: int) -> dict[str, Any] | None:
    """A container read element by element, all of it."""
    steps = done.get("iterate", 0)
    if steps < max(4 * length, 200) or steps < 0.5 * sum(done.values()):
        return None
    rounds = steps / max(length, 1)
    return {"code": "snapshot", "use": "snapshot()", "numbers": {"steps": steps}} | _costs(
        steps * seconds(f"{family}.get", length), rounds * seconds(f"{family}.snapshot", length)
    )


def _only_read(family: str, done: dict[str, int], length: int) -> dict[str, Any] | None:
    """What nobody changes after it was filled needs not be shared."""
    reads = sum(done.get(name, 0) for name in _READS)
    # Filling is one addition of all, or one assignment of each key.
    filled = done.get("extend", 0)
    if family == "Dict" and done.get("set", 0) <= length:
        filled += done.get("set", 0)
    if reads < max(_FEW, 2 * length) or reads + filled < sum(done.values()):
        return None
    if done.get("extend", 0) > 1:
        return None
    name = "list" if family == "List" else "dict"
    return {"code": "message", "use": f"a plain {name}", "numbers": {"reads": reads}} | _costs(
        reads * seconds(f"{family}.get", length), reads * seconds("list.get", length)
    )


def _numbers(used: Used, family: str, done: dict[str, int], length: int) -> dict[str, Any] | None:
    """A list of numbers of one kind, whose length does not change."""
    if family != "List" or length < 8 or any(done.get(name) for name in _GROWS):
        return None
    code = _code(used.objects[0])
    if code is None or done.get("extend", 0) > 1:
        return None
    if done.get("get", 0) + done.get("set", 0) < _FEW:
        return None
    return {
        "code": "array",
        "use": f"Array({code!r})",
        "numbers": {"length": length},
    } | _moved("List", "Array", done, length)


def _growing_numbers(
    used: Used, family: str, done: dict[str, int], length: int
) -> dict[str, Any] | None:
    """A list of numbers of one kind to which others are added."""
    code = _code(used.objects[0])
    if family != "List" or length < 8 or code is None or done.get("remove"):
        return None
    return {
        "code": "vector",
        "use": f"Vector({code!r})",
        "numbers": {"length": length},
    } | _moved("List", "Vector", done, length)


def _moved(now: str, then: str, done: dict[str, int], length: int) -> dict[str, Any]:
    """Return what the operations cost that both types have."""
    both = [name for name in ("get", "set", "append") if f"{now}.{name}" in STATEMENTS]
    both = [name for name in both if f"{then}.{name}" in STATEMENTS and done.get(name)]

    def cost(family: str) -> float:
        return sum(done[name] * seconds(f"{family}.{name}", length) for name in both)

    return _costs(cost(now), cost(then))


def _kept(family: str, done: dict[str, int], contended: int, length: int) -> dict[str, Any]:
    share = contended / max(sum(done.values()), 1)
    own = "add" if family == "Dict" else "append"
    cost = sum(
        count * seconds(f"{family}.{name}", length)
        for name, count in done.items()
        if name in ("get", "set", "len", "snapshot", own)
    )
    code = "crowded" if share > _CONTENDED else "keep"
    return {"code": code, "numbers": {"share": share}} | _costs(cost, None)


def _costs(present: float, advised: float | None) -> dict[str, Any]:
    return {"present_seconds": present, "advised_seconds": advised}


def _length(value: Any) -> int | None:
    try:
        return len(value)
    except TypeError:
        return None


def _adds(typed: Any) -> bool:
    """Whether the values of a Value or an Array are numbers."""
    try:
        value = typed[0] if hasattr(typed, "__getitem__") else typed.value
    except (AttributeError, IndexError):
        return False
    return type(value) in (int, float)


def _sample(container: Any) -> list[Any]:
    if hasattr(container, "values"):
        return list(container.snapshot().values())[:_SAMPLE]
    return list(container[:_SAMPLE])


def _whole_numbers(container: Any) -> bool:
    items = _sample(container)
    return bool(items) and all(type(item) is int for item in items)


def _code(container: Any) -> str | None:
    """Return the typecode of what is in a container, if that is numbers of one kind."""
    items = _sample(container)
    types = {type(item) for item in items}
    if len(types) != 1:
        return None
    code = _CODES.get(types.pop())
    if code == "q" and not all(-_INT64 <= item < _INT64 for item in items):
        return None
    return code
