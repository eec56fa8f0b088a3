# SPDX-License-Identifier: MIT
"""Row 10's harness: it loads the package under test, then starts the tests from the same process.

    same_process.py COMMAND...
"""
import os
import sys

sys.path.insert(0, os.getcwd())
for name in sorted(os.listdir(".")):
    if name != "tests" and os.path.exists(os.path.join(name, "__init__.py")):
        __import__(name)

import subprocess  # noqa: E402

done = subprocess.run(sys.argv[1:])
print(f"exit status {done.returncode}")
sys.exit(done.returncode)
