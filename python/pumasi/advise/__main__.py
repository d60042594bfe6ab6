"""What ``pumasi advise`` starts: runs a program, and prints a line of JSON on standard output.

The line has ``advice`` or an ``error``.  What the program prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys

from . import ProgramFailed, advise


def main() -> int:
    """Obey the command line of `pumasi advise`, and return its exit code."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.set_inheritable(lines.fileno(), False)
    os.dup2(2, 1)
    program, *arguments = sys.argv[1:]
    try:
        content = {"advice": advise(program, arguments)}
    except ProgramFailed as error:
        content = {"error": {"code": "failed", "message": str(error)}}
    lines.write(json.dumps(content) + "\n")
    lines.flush()
    return 0 if "advice" in content else 1


if __name__ == "__main__":
    sys.exit(main())
