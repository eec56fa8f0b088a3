# SPDX-License-Identifier: MIT
import json
import pathlib

import pytest

from gridcalc import CycleError, Sheet

CASES = json.loads((pathlib.Path(__file__).parent.parent / "data" / "cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case):
    sheet = Sheet(case["cells"].items())
    assert {name: sheet[name] for name in case["values"]} == case["values"]


def test_cycle():
    with pytest.raises(CycleError):
        Sheet({"A1": "=B1", "B1": "=A1"})["A1"]
