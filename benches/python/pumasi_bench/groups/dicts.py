"""Dict with short str keys: get, set and the atomic add, beside a Manager's dict, lmdb, and others.

lmdb stores bytes: its statements get bytes keys ready made and do not turn the value into an int
on the way out, so that it is spared work which ours does. Only its counter converts, as it must.
"""

from __future__ import annotations

from pumasi_bench import peers
from pumasi_bench.loops import Loop, always
from pumasi_bench.rivals import LMDB, MANAGER, lmdb_environment, manager
from pumasi_bench.session import Rival, Session
from pumasi_bench.targets import times_faster

_KEYS = [f"k{number}" for number in range(1000)]

_LMDB_GET = """\
with env.begin() as transaction:
    transaction.get(b"k500")
"""
_LMDB_SET = """\
with env.begin(write=True) as transaction:
    transaction.put(b"k500", b"7")
"""
_LMDB_ADD = """\
with env.begin(write=True) as transaction:
    transaction.put(b"k500", b"%d" % (int(transaction.get(b"k500")) + 1))
"""
_MANAGER_ADD = """\
with lock:
    table["k500"] += 1
"""


def run(session: Session) -> None:
    """One key out of 1,000, the same one each time."""
    plain = dict.fromkeys(_KEYS, 7)
    with manager() as server, lmdb_environment() as environment, peers.dicts(plain) as others:
        with environment.begin(write=True) as transaction:
            for key in _KEYS:
                transaction.put(key.encode(), b"7")
        ours = always({"table": session.library.Dict(plain)})
        served = always({"table": server.dict(plain), "lock": server.Lock()})
        stored = always({"env": environment})
        session.compare(
            "Dict get, short str key",
            'table["k500"]',
            ours,
            Rival(Loop(MANAGER, 'table["k500"]', served), times_faster(400)),
            Rival(Loop(LMDB, _LMDB_GET, stored), times_faster(4)),
            *(Rival(Loop(name, 'table["k500"]', always({"table": it}))) for name, it in others),
        )
        session.compare(
            "Dict set, short str key",
            'table["k500"] = 7',
            ours,
            Rival(Loop(MANAGER, 'table["k500"] = 7', served), times_faster(400)),
            Rival(Loop(LMDB, _LMDB_SET, stored), times_faster(8)),
            *(Rival(Loop(name, 'table["k500"] = 7', always({"table": it}))) for name, it in others),
        )
        session.compare(
            "Dict add(k, 1), atomic",
            'table.add("k500", 1)',
            ours,
            Rival(Loop(LMDB, _LMDB_ADD, stored), times_faster(12)),
            Rival(Loop(f"{MANAGER}, its Lock", _MANAGER_ADD, served)),
        )
