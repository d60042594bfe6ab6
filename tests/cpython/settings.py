"""What is judged: set in the environment, so that the children of a test know it too."""

import os

#: The package in the place of multiprocessing: "pumasi", or "multiprocessing" itself.
PACKAGE = os.environ.get("CONFORMANCE_PACKAGE", "pumasi")

#: The start method under which the tests run.
METHOD = os.environ.get("CONFORMANCE_METHOD", "fork")
