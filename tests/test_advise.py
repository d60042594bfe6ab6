"""`pumasi advise`: each rule on a small program, over all start methods, and bad programs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from programs import run_program

PROGRAM = """
import pumasi as mp

def count(counts, lock, total, table):
    for i in range(50):
        with lock:
            counts[i % 3] = counts.get(i % 3, 0) + 1
        with total.get_lock():
            total.value += 1
        table[i % 10]

class Holder:
    pass

if __name__ == "__main__":
    mp.set_start_method("{method}", force=True)
    counts, lock = mp.Dict(), mp.Lock()
    total = mp.Value("i", 0)
    table: mp.List = mp.List("abcdefghij")
    holder = Holder()
    holder.numbers = mp.List([0.5] * 30)
    for i in range(30):
        holder.numbers[i] = 1.5
    unused = mp.List()
    work = mp.List()
    for n in range(5):
        work.append(n)
        for _ in range(10):
            len(work)
        work.pop()
    read = mp.Dict.fromkeys(range(50), 0)
    for _ in range(10):
        sum(read)
    seldom = mp.Dict(a=1)
    seldom["a"]
    workers = [mp.Process(target=count, args=(counts, lock, total, table)) for _ in range(2)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    print("noise")
"""


def command(*words: str) -> "subprocess.CompletedProcess[str]":
    return run_program([sys.executable, "-m", "pumasi", "advise", *words])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_object_by_its_name_and_line(method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("{method}", method))
    done = command("--json", str(program))
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = {each["name"]: each for each in json.loads(done.stdout)["objects"]}
    lines = PROGRAM.splitlines()
    for name, each in found.items():
        assert name.split(".")[-1] in lines[each["line"] - 1]
    codes = {name: each["code"] for name, each in found.items()}
    assert codes.pop("lock") in ("keep", "contended")
    assert codes == {
        "counts": "add",
        "total": "value-lock",
        "table": "message",
        "holder.numbers": "array",
        "unused": "unused",
        "work": "queue",
        "read": "snapshot",
        "seldom": "few",
    }
    counts = found["counts"]
    assert counts["operations"]["set"] == 100
    assert counts["numbers"] == {"times": 100, "lock": "lock"}
    # Which is less depends on what else the machine does; the advice comes from the counts.
    assert counts["present_seconds"] > 0
    assert counts["advised_seconds"] > 0
    assert "without lock" in counts["sentence"]
    assert found["holder.numbers"]["use"] == "Array('d')"


MORE = """
import pumasi as mp

one = mp.List([0])
once = mp.Dict(total=0.5)
texts = mp.Dict(a="")
measured, counts = mp.List(), mp.List([0] * 9)
samples = mp.Vector("d", [0.0] * 4)
rows = mp.Dict((i, i / 2) for i in range(20))
large = mp.List([1 << 70] * 10)
mixed = mp.List()
for i in range(60):
    one[0] += 1
    once["total"] += 0.5
    texts["a"] = texts["a"] + "x"
    measured.append(i / 4)
    measured[-1]
    counts[i % 9] += 1
    counts.append(0)
    samples[i % 4] += 1.0
    rows[i % 20]
    large[i % 10]
    large[0] = 1 << 71
    mixed.append(i if i % 2 else "text")
for i in range(10):
    rows[i % 20] = 0.25
"""


def test_which_container_for_what(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(MORE)
    done = command("--json", str(program))
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = {each["name"]: each for each in json.loads(done.stdout)["objects"]}
    assert {name: (each["code"], each["use"]) for name, each in found.items()} == {
        "one": ("value", "Value('q'), v.add(n)"),
        "once": ("value", "Value('d'), v.add(n)"),
        "texts": ("unguarded", "x.update_with(key, f), or a Lock"),
        "measured": ("vector", "Vector('d')"),
        "counts": ("array-add", "Vector('q'), v.add(i, n)"),
        "samples": ("add", "v.add(i, n)"),
        "rows": ("dense", "Array('d')"),
        "large": ("unguarded", "x.update_with(i, f), or a Lock"),
        "mixed": ("keep", None),
    }
    for name, each in found.items():
        if each["use"] is not None:
            assert each["present_seconds"] > 0, name
            assert each["advised_seconds"] > 0, name
    for language, words in (("en", "to which others are added"), ("ko", "더 늘어납니다")):
        done = command("--lang", language, str(program))
        assert words in " ".join(done.stdout.split())


def test_a_change_of_a_value_that_can_get_lost(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import pumasi as mp\nv = mp.Value('i')\na = mp.Array('d', 3)\nlock = mp.Lock()\n"
        "s = mp.Array('c', b'text')\nu = mp.Value('i')\n"
        "for i in range(90):\n    v.value += 1\n    s.value = s.value\n"
        "for i in range(40):\n    with lock:\n        a[i % 3] += 1\n"
    )
    done = command("--json", str(program))
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = {each["name"]: each for each in json.loads(done.stdout)["objects"]}
    codes = {name: each["code"] for name, each in found.items()}
    assert codes.pop("lock") == "keep"
    assert codes == {"v": "add", "a": "add", "s": "keep", "u": "unused"}
    assert found["v"]["numbers"] == {"times": 90, "lock": None}
    assert "can get lost" in found["v"]["sentence"]
    assert found["a"]["use"] == "a.add(i, n)"
    assert found["a"]["numbers"]["lock"] == "lock"
    assert found["v"]["operations"] == {"get": 90, "set": 90}


def test_a_change_that_can_get_lost(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nimport pumasi as mp\nd = mp.Dict(k=0)\n"
        "for _ in range(int(sys.argv[1])):\n    d['k'] += 1\n"
    )
    done = command("--lang", "en", str(program), "40")
    assert (done.returncode, done.stderr) == (0, "")
    assert "d (Dict," in done.stdout
    assert "can get lost" in " ".join(done.stdout.split())
    korean = command("--lang", "ko", str(program), "40")
    assert "잃을 수 있습니다" in " ".join(korean.stdout.split())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "line 1: ZeroDivisionError"),
        ("x = ", "program.py:1: "),
        ("raise SystemExit(3)", "exit code 3"),
        (None, "cannot read"),
    ],
)
def test_a_program_that_fails(source: str | None, said: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    if source is not None:
        program.write_text(source)
    done = command(str(program))
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_a_program_without_shared_objects(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("x = dict(a=1)\n")
    done = command(str(program))
    assert done.returncode == 0
    assert "no shared object" in done.stdout
