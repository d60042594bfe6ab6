"""Prints what a program sees of how it was started."""

import os
import subprocess
import sys
import warnings

print(__name__, os.path.basename(__file__), __spec__ is None, sys.argv[1:])
print(os.path.basename(sys.path[0]), sys.modules["__main__"].__dict__ is globals())
print(sys.warnoptions, sys.flags.dev_mode, warnings.filters[0][0])
whose = "import multiprocessing as m; print(type(m.Lock()).__module__.partition('.')[0])"
if "subprocess" in sys.argv:
    print(subprocess.run([sys.executable, "-c", whose], capture_output=True, text=True).stdout)
if "exit" in sys.argv:
    sys.exit(7)
if "raise" in sys.argv:
    raise RuntimeError("as a program may")
