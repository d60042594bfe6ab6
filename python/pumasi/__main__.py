"""The command line: `pumasi`, or `python -m pumasi`."""

import sys

from . import _core


def main() -> int:
    """Run the command line with this process's arguments and return its exit code."""
    return _core.cli_main(["pumasi", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
