"""What is imported after the beginning, in an order that is given: every name must be ours.

The arguments are modules, which are imported one after the other; before that none may be there.
"""

import importlib
import sys

REBOUND = {
    "managers": ("SharedMemoryManager", "SyncManager"),
    "pool": ("Pool",),
    "shared_memory": ("SharedMemory", "ShareableList"),
    "sharedctypes": ("Array", "RawArray", "RawValue", "Value", "copy", "synchronized"),
}

if __name__ == "__main__":
    packages = ("multiprocessing", "pumasi")
    early = [f"{p}.{m}" for p in packages for m in REBOUND if f"{p}.{m}" in sys.modules]
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for module, names in REBOUND.items():
        ours = importlib.import_module(f"pumasi.{module}")
        theirs = importlib.import_module(f"multiprocessing.{module}")
        assert not type(theirs.__loader__).__module__.startswith("pumasi"), theirs.__loader__
        assert theirs.__spec__.loader is theirs.__loader__
        for name in names:
            assert getattr(theirs, name) is getattr(ours, name), (module, name)
    # What the standard library's own contexts make is the standard library's.
    import multiprocessing

    pool = multiprocessing.get_context("fork")._inner().Pool(1)
    with pool:
        made = [type(pool).__module__, pool.map(abs, [-1])]
    print(early, *made)
