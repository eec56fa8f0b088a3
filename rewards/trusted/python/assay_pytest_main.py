# SPDX-License-Identifier: MIT
"""assay_pytest_main: what `python -m pytest` does, without trusting the current directory.

`-m` puts the current directory first on sys.path, and a file of the repository
named assay_pytest.py would be loaded in place of ours. Here ours and pytest are
imported first; the directory takes its place afterwards.
"""
import os
import runpy
import sys

_SAFE = sys.flags.isolated or getattr(sys.flags, "safe_path", False)
if _SAFE:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import assay_pytest  # noqa: E402,F401  stays in sys.modules, where PYTEST_PLUGINS finds it

if __name__ == "__main__":
    # From here on the path is that of `-m pytest`.
    sys.path[:1] = [] if _SAFE else [os.getcwd()]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)
