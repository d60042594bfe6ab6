"""One Dict for programs that know nothing of each other but a name, in Python and in Rust.

Started alone it does its own part. Given a name, here and to its sister in Rust, each waits for the
other: `python named_heap.py barn` and `cargo run -p pumasi --example named_heap -- barn`.
"""

import os
import sys

import pumasi

alone = len(sys.argv) == 1
name = f"example-{os.getpid()}" if alone else sys.argv[1]

with pumasi.Heap.open_or_create(name) as heap:
    # Whoever comes first makes the Dict; of two at once one does.
    sheaves = heap.roots.setdefault("sheaves", heap.Dict())
    for _ in range(1000):
        sheaves.add("bound", 1)  # no lock: nobody can get between
    sheaves["python"] = ["done"]
    if not alone and not sheaves.wait("rust", timeout=60):
        sys.exit("nobody came from Rust")
    print(sheaves["bound"], "sheaves")

# prints:
# 1000 sheaves
