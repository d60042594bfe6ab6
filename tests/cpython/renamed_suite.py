"""The test classes which CPython makes of its tests for one start method."""

import renamed_tests
import settings

renamed_tests.install_tests_in_module_dict(globals(), settings.METHOD)  # type: ignore[attr-defined]
