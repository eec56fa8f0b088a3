# SPDX-License-Identifier: MIT
"""Run tests/*.py and write JUnit XML into the folder that $ASSAY_OUT_DIR names."""
import glob
import os
import runpy
import sys
import traceback
from xml.sax.saxutils import quoteattr

out = os.environ["ASSAY_OUT_DIR"]
failed = 0
for path in sorted(glob.glob("tests/test_*.py")):
    cases = []
    names = runpy.run_path(path)
    for name, test in names.items():
        if not name.startswith("test_"):
            continue
        try:
            test()
            cases.append(f"<testcase classname={quoteattr(path)} name={quoteattr(name)}/>")
        except Exception:
            failed += 1
            text = quoteattr(traceback.format_exc(limit=-1))
            cases.append(f"<testcase classname={quoteattr(path)} name={quoteattr(name)}><failure message={text}/></testcase>")
    with open(os.path.join(out, os.path.basename(path)[:-3] + ".xml"), "w") as file:
        file.write(f'<testsuite name="{path}" tests="{len(cases)}">' + "".join(cases) + "</testsuite>")
sys.exit(failed > 0)
